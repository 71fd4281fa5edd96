// Package fiberauth lets only requests with a valid token of widgetd through to a handler
// of Fiber:
//
//	require := fiberauth.New(service, slog.Default())
//	router.Get("/orders", require.RequireToken, orders)
//	router.Delete("/orders", require.RequireAdmin, clear)
//
// The handler reads the claims of the token with [Claims]. All other requests are answered
// as widgetd does it (RFC 6750 section 3):
//
//   - 401 with a challenge, to a request without a token or with a bad one
//   - 403 with a challenge, to a user who is no administrator, where one is needed
//   - 400, to a request with two Authorization headers
//   - 503 with Retry-After, if the token cannot be checked
//
// The token is checked by an [Authenticator]: an auth.Service of app/auth in the same process,
// or a Client of package introspection, which asks a widgetd that runs elsewhere.
//
// A preflight of a browser has no token: middleware for CORS goes before this one.
package fiberauth

import (
	"context"
	"log/slog"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/adapters/internal/bearer"
	"github.com/widgetd/widgetd/domain"
)

// Authenticator checks tokens. The Auth interface of package ports has this method, and so
// has the Client of package introspection. Authenticate returns an Unauthenticated error
// for a token that is not valid. Any other error means that the token could not be checked:
// the middleware refuses the request with 503 or 500.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (domain.Claims, error)
}

// Middleware lets a request through if an [Authenticator] accepts its token. Make one with
// [New]. It is safe for concurrent use.
type Middleware struct {
	auth Authenticator
	log  *slog.Logger
}

// New returns a middleware. The causes of 503 and 500 responses are logged to log, or to
// [slog.Default] if it is nil. Neither the log nor a response contains a token.
func New(auth Authenticator, log *slog.Logger) *Middleware { return &Middleware{auth, log} }

// RequireToken is a [fiber.Handler] that calls the next handler for a request with a valid
// token. There, [Claims] returns the claims of the token. The error handler of the app does
// not see a refusal.
func (m *Middleware) RequireToken(c *fiber.Ctx) error {
	return m.require(c, func(domain.Claims) error { return nil })
}

// RequireAdmin is a [fiber.Handler] that calls the next handler for a request with a valid
// token of an administrator. It needs no RequireToken before it. After RequireToken of the
// same middleware, it does not check the token again.
func (m *Middleware) RequireAdmin(c *fiber.Ctx) error {
	return m.require(c, domain.Claims.RequireAdmin)
}

func (m *Middleware) require(c *fiber.Ctx, check func(domain.Claims) error) error {
	claims, err := m.authenticate(c)
	if err == nil {
		err = check(claims)
	}
	if err != nil {
		return m.refuse(c, err)
	}
	c.Locals(claimsKey{}, authenticated{m, claims})
	return c.Next()
}

// authenticate returns the claims of a request's token. It checks no token twice.
func (m *Middleware) authenticate(c *fiber.Ctx) (domain.Claims, error) {
	if a, _ := c.Locals(claimsKey{}).(authenticated); a.by == m {
		return a.claims, nil
	}
	if len(c.Request().Header.PeekAll(fiber.HeaderAuthorization)) > 1 {
		return domain.Claims{}, bearer.ErrAmbiguous
	}
	token, err := bearer.Token(strings.Clone(c.Get(fiber.HeaderAuthorization))) // Fiber reuses its buffers
	if err != nil {
		return domain.Claims{}, err
	}
	return m.auth.Authenticate(c.UserContext(), token)
}

func (m *Middleware) refuse(c *fiber.Ctx, err error) error {
	refusal, isFault := bearer.RefusalOf(err)
	if isFault {
		bearer.LogFault(c.UserContext(), m.log, err)
	}
	for _, header := range refusal.Headers() {
		c.Set(header[0], header[1])
	}
	return c.Status(refusal.Status).Send(refusal.Body())
}

// claimsKey is the key of the local value that is an authenticated.
type claimsKey struct{}

// authenticated are the claims of a token, and the middleware that has checked it.
type authenticated struct {
	by     *Middleware
	claims domain.Claims
}

// Claims returns the claims of the token of a request that a [Middleware] has let through.
// It returns false for any other request.
func Claims(c *fiber.Ctx) (claims domain.Claims, ok bool) {
	a, ok := c.Locals(claimsKey{}).(authenticated)
	return a.claims, ok
}
