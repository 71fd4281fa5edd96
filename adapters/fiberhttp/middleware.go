package fiberhttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/connections"
	"github.com/widgetd/widgetd/adapters/internal/bearer"
	"github.com/widgetd/widgetd/domain"
)

// respondErrors converts errors to responses, and logs and counts every request.
func (s *Server) respondErrors(c *fiber.Ctx) error {
	r := s.beginRequest(c, c.Context().Time())
	defer r.End()
	err := c.Next()
	r.method, r.route = knownMethod(c.Method()), routeOf(c, err)
	if isRouterError(err) && s.log.Enabled(context.Background(), slog.LevelDebug) {
		r.path = loggedPath(c)
	}
	if err = s.recordRefusal(c, r, err); err != nil {
		if err := s.respondError(c, err); err != nil {
			return err
		}
	}
	s.endRequest(c, r)
	return nil
}

// routeOf returns the pattern of the route that the request matched, or "".
func routeOf(c *fiber.Ctx, err error) string {
	path := c.Route().Path
	isMiddlewares := path == "/" && c.Path() != "/" // no handler was reached
	if isRouterError(err) || isMiddlewares {
		return ""
	}
	return path
}

// isRouterError reports whether no route matched the request.
func isRouterError(err error) bool {
	e, ok := errors.AsType[*fiber.Error](err)
	return ok && (e.Code == fiber.StatusNotFound || e.Code == fiber.StatusMethodNotAllowed)
}

// refuseMalformed refuses a request that two servers could read differently, and
// closes its connection. It also closes the connection after a request that asks
// for it: fasthttp does not see this in lists and in other cases.
func (s *Server) refuseMalformed(c *fiber.Ctx) error {
	conn := c.Context().Conn()
	if connections.MustClose(conn) {
		c.Context().SetConnectionClose()
	}
	if connections.Refusal(conn) != nil {
		c.Context().SetConnectionClose()
		connections.LingerOnClose(conn)
		s.allowOrigin(c)
		return fiber.ErrBadRequest
	}
	return c.Next()
}

// recoverPanic converts a panic into an error of no kind, and logs the stack.
func (s *Server) recoverPanic(c *fiber.Ctx) (err error) {
	defer s.recovered(requestOf(c), &err)
	return c.Next()
}

// recovered sets err to an error of no kind if the goroutine panics, and logs the stack.
// It must be called by defer.
func (s *Server) recovered(r *request, err *error) {
	if value := recover(); value != nil {
		s.log.Error("panic", "id", r.id, "value", value, "stack", string(debug.Stack()))
		*err = fmt.Errorf("panic: %v", value)
	}
}

// authenticate refuses a request without a valid token.
func (s *Server) authenticate(c *fiber.Ctx) error {
	token, err := bearer.Token(strings.Clone(c.Get(fiber.HeaderAuthorization)))
	if err != nil {
		return err
	}
	claims, err := s.auth.Authenticate(c.UserContext(), token)
	if err != nil {
		return err
	}
	r := requestOf(c)
	r.claims, r.authenticated = claims, true
	return c.Next()
}

// requireAdmin refuses a request of a user who is no administrator. It follows
// authenticate.
func requireAdmin(c *fiber.Ctx) error {
	if err := claimsOf(c).RequireAdmin(); err != nil {
		return err
	}
	return c.Next()
}

// claimsOf returns the claims of a request that authenticate has let through.
func claimsOf(c *fiber.Ctx) domain.Claims {
	r := requestOf(c)
	if !r.authenticated {
		panic("the route has no authenticate in front of its handler")
	}
	return r.claims
}
