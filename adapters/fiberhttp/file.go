package fiberhttp

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// file is what is served as it is, until another version of the program.
type file struct {
	contentType string
	content     []byte
	gzipped     bool
	version     string
}

func newFile(contentType string, content []byte) file {
	sum := sha256.Sum256(content)
	return file{contentType: contentType, content: content, version: hex.EncodeToString(sum[:16])}
}

// newGzippedFile returns a file whose content was compressed beforehand.
func newGzippedFile(contentType string, content []byte) file {
	f := newFile(contentType, content)
	f.gzipped = true
	return f
}

// serve answers with the file, or with 304 to a client that has it. Caches may
// keep it, but ask each time.
func (f file) serve(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-cache")
	etag, content := f.version, f.content
	if f.gzipped {
		c.Vary(fiber.HeaderAcceptEncoding)
		if c.Request().Header.HasAcceptEncoding("gzip") {
			c.Set(fiber.HeaderContentEncoding, "gzip")
			etag += "-gzip"
		} else {
			var err error
			if content, err = fasthttp.AppendGunzipBytes(nil, content); err != nil {
				return err
			}
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
	return c.Send(content)
}
