package fiberhttp

import (
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
)

// apiPolicy is what a browser that is led to show a response may do with it:
// nothing, and in no frame.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// insistOnTLS is how long browsers remember to come back by https only (RFC 6797).
const insistOnTLS = 365 * 24 * time.Hour

func (s *Server) secure(c *fiber.Ctx) error {
	s.setSecurityHeaders(c)
	return c.Next()
}

// setSecurityHeaders tells browsers how careful to be with the response.
func (s *Server) setSecurityHeaders(c *fiber.Ctx) {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderContentSecurityPolicy, apiPolicy)
	if s.config.TLS {
		c.Set(fiber.HeaderStrictTransportSecurity, "max-age="+strconv.Itoa(int(insistOnTLS.Seconds())))
	}
}
