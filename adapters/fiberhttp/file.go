package fiberhttp

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// file is what is served as it is, until another version of the program.
type file struct {
	contentType string
	plain       func() []byte
	gzipped     []byte // the same, or nil
	version     string
}

func newFile(contentType string, content []byte) file {
	return file{contentType: contentType, plain: func() []byte { return content }, version: versionOf(content)}
}

// newGzippedFile returns a file whose content was compressed beforehand. It is
// inflated when a client asks for that first.
func newGzippedFile(contentType string, gzipped []byte) file {
	plain := sync.OnceValue(func() []byte {
		content, err := fasthttp.AppendGunzipBytes(nil, gzipped)
		if err != nil {
			panic(err) // what was compiled in is not gzip
		}
		return content
	})
	return file{contentType: contentType, plain: plain, gzipped: gzipped, version: versionOf(gzipped)}
}

func versionOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// serve answers with the file, or with 304 to a client that has it. Caches may
// keep it, but ask each time.
func (f file) serve(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Response().Header.Del(fiber.HeaderPragma)
	etag, content := f.version, f.plain
	if f.gzipped != nil {
		c.Vary(fiber.HeaderAcceptEncoding)
		if c.Request().Header.HasAcceptEncoding("gzip") {
			c.Set(fiber.HeaderContentEncoding, "gzip")
			etag, content = etag+"-gzip", func() []byte { return f.gzipped }
		}
	}
	c.Set(fiber.HeaderETag, `"`+etag+`"`)
	// Fresh would take a date for a version too, and there are no dates here.
	if c.Get(fiber.HeaderIfNoneMatch) != "" && c.Fresh() {
		c.Response().Header.Del(fiber.HeaderContentEncoding)
		c.Status(fiber.StatusNotModified)
		return nil
	}
	c.Set(fiber.HeaderContentType, f.contentType)
	return c.Send(content())
}
