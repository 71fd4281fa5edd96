package fiberhttp

import "github.com/gofiber/fiber/v2"

// jwksPath is at the root, where clients of other servers look for it too.
const jwksPath = "/.well-known/jwks.json"

// jwksCaching lets clients keep the keys for five minutes.
const jwksCaching = "public, max-age=300"

// serveJWKS responds with the public keys that verify tokens.
func (s *Server) serveJWKS(c *fiber.Ctx) error {
	keys := newFile(fiber.MIMEApplicationJSON, s.jwks())
	keys.caching = jwksCaching
	return keys.serve(c)
}
