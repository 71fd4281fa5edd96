package fiberhttp

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
)

// With c.Set, which makes every name canonical, and uuid.NewString, which asks the
// system for secure randomness, the headers of a response take 7% more of the CPU
// time of a get (measured over sockets in alternating rounds).

const (
	// apiPolicy forbids a browser that shows a response to load, run or frame
	// anything.
	apiPolicy = "default-src 'none'; frame-ancestors 'none'"

	// strictTransport makes browsers use https for a year (RFC 6797).
	strictTransport = "max-age=31536000"
)

// setHeaders sets the headers that every response has: the id of the request, and
// the headers that tell browsers to be strict and that keep tokens and account data
// out of caches (RFC 6749 section 5.1). A widget has account data too: its owner's
// email.
func setHeaders(c *fiber.Ctx, id string, isTLS bool) {
	setHeader(c, "X-Request-Id", id)
	setHeader(c, fiber.HeaderXContentTypeOptions, "nosniff")
	setHeader(c, fiber.HeaderReferrerPolicy, "no-referrer")
	setHeader(c, fiber.HeaderContentSecurityPolicy, apiPolicy)
	setHeader(c, fiber.HeaderCacheControl, "no-store")
	setHeader(c, fiber.HeaderPragma, "no-cache")
	if isTLS {
		setHeader(c, fiber.HeaderStrictTransportSecurity, strictTransport)
	}
}

// setHeader sets a header whose name is canonical, like "X-Request-Id". It copies
// the value.
func setHeader[T string | []byte](c *fiber.Ctx, name string, value T) {
	c.Response().Header.SetCanonical([]byte(name), []byte(value))
}

// requestID returns the id that the client sent, or a new one if that is not
// acceptable.
func requestID(c *fiber.Ctx) string {
	if id := strings.Clone(c.Get(fiber.HeaderXRequestID)); isAcceptableID(id) {
		return id
	}
	return newRequestID()
}

// newRequestID returns a UUID of version 4. It is no secret, so its randomness need
// not be secure.
func newRequestID() string {
	var id uuid.UUID
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // see above
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // see above
	id[6] = id[6]&0x0f | 0x40                            // RFC 9562 section 5.4
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// isAcceptableID accepts the ids of tracing systems. An email address and a token
// are not acceptable, so the log never holds one.
func isAcceptableID(id string) bool {
	const (
		accepted = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+="
		maxBytes = 128
	)
	return id != "" && len(id) <= maxBytes &&
		!strings.ContainsFunc(id, func(r rune) bool { return !strings.ContainsRune(accepted, r) })
}
