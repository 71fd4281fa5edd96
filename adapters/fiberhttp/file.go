package fiberhttp

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// file is a document of the server that a cache may store.
type file struct {
	contentType string
	plain       func() []byte
	gzipped     func() []byte // returns the content compressed with gzip; nil: the file is not compressed
	version     string
	caching     string // the Cache-Control header; empty: a cache must ask before each use
}

func newFile(contentType string, content []byte) file {
	return file{contentType: contentType, plain: func() []byte { return content }, version: versionOf(content)}
}

// newGzippedFile returns a file with compressed content. It is decompressed when a
// client first needs the uncompressed content.
func newGzippedFile(contentType string, gzipped []byte) file {
	plain := sync.OnceValue(func() []byte {
		content, err := fasthttp.AppendGunzipBytes(nil, gzipped)
		if err != nil {
			panic(err) // the embedded file is not gzip
		}
		return content
	})
	return file{contentType: contentType, plain: plain, gzipped: func() []byte { return gzipped }, version: versionOf(gzipped)}
}

// compressed returns the file with compression. The content is compressed when a
// client first accepts gzip.
func (f file) compressed() file {
	f.gzipped = sync.OnceValue(func() []byte {
		return fasthttp.AppendGzipBytesLevel(nil, f.plain(), fasthttp.CompressBestCompression)
	})
	return f
}

func versionOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// serve responds with the file, or with 304 if the client has the current version.
func (f file) serve(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, cmp.Or(f.caching, "no-cache"))
	c.Response().Header.Del(fiber.HeaderPragma)
	etag, content := f.version, f.plain
	if f.gzipped != nil {
		c.Vary(fiber.HeaderAcceptEncoding)
		if c.Request().Header.HasAcceptEncoding("gzip") {
			c.Set(fiber.HeaderContentEncoding, "gzip")
			etag, content = etag+"-gzip", f.gzipped
		}
	}
	c.Set(fiber.HeaderETag, `"`+etag+`"`)
	// Fresh would also compare dates, which these files do not have.
	if c.Get(fiber.HeaderIfNoneMatch) != "" && c.Fresh() {
		c.Response().Header.Del(fiber.HeaderContentEncoding)
		c.Status(fiber.StatusNotModified)
		return nil
	}
	c.Set(fiber.HeaderContentType, f.contentType)
	return c.Send(content())
}
