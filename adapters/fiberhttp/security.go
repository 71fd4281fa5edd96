package fiberhttp

import (
	"net/textproto"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
)

// apiPolicy is what a browser that is led to show a response may do with it:
// nothing, and in no frame.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// insistOnTLS is how long browsers remember to come back by https only (RFC 6797).
const insistOnTLS = 365 * 24 * time.Hour

// headersOfAll returns what every response has unless its handler knows better. It
// tells browsers how careful to be, and keeps tokens and account data, a widget's
// owner included, out of caches (RFC 6749 section 5.1).
func headersOfAll(tls bool) fixedHeaders {
	var h fixedHeaders
	h.add(fiber.HeaderXContentTypeOptions, "nosniff")
	h.add(fiber.HeaderReferrerPolicy, "no-referrer")
	h.add(fiber.HeaderContentSecurityPolicy, apiPolicy)
	h.add(fiber.HeaderCacheControl, "no-store")
	h.add(fiber.HeaderPragma, "no-cache")
	if tls {
		h.add(fiber.HeaderStrictTransportSecurity, "max-age="+strconv.Itoa(int(insistOnTLS.Seconds())))
	}
	return h
}

// fixedHeaders are the same in many responses. Their names are put into shape once,
// while Fiber's Set does so every time, which is three quarters of its work.
type fixedHeaders []struct{ name, value []byte }

func (h *fixedHeaders) add(name, value string) {
	*h = append(*h, struct{ name, value []byte }{[]byte(textproto.CanonicalMIMEHeaderKey(name)), []byte(value)})
}

func (h fixedHeaders) set(c *fiber.Ctx) {
	response := &c.Response().Header
	for _, header := range h {
		response.SetCanonical(header.name, header.value)
	}
}
