package fiberhttp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/widgetd/widgetd/domain"
)

// Keys of what is known about a request (fiber.Ctx.Locals).
type (
	requestIDKey struct{}
	claimsKey    struct{}
)

// identify gives the request an id: the caller's, if it sent a sane one.
func (s *Server) identify(c *fiber.Ctx) error {
	setRequestID(c, strings.Clone(c.Get(fiber.HeaderXRequestID)))
	return c.Next()
}

func setRequestID(c *fiber.Ctx, id string) {
	if !isSaneRequestID(id) {
		id = newRequestID()
	}
	c.Locals(requestIDKey{}, id)
	c.Set(fiber.HeaderXRequestID, id)
}

// newRequestID makes a UUID of version 4. It is no secret, so it needs no secure
// randomness, for which uuid.NewString asks the system each time.
func newRequestID() string {
	var id uuid.UUID
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // as it says
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // as it says
	id[6] = id[6]&0x0f | 0x40                            // RFC 9562 section 5.4
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// isSaneRequestID lets the ids through that tracing systems make. Nobody's email
// is one, nor, for its length, a token.
func isSaneRequestID(id string) bool {
	const (
		sane     = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+="
		maxBytes = 128
	)
	return id != "" && len(id) <= maxBytes &&
		!strings.ContainsFunc(id, func(r rune) bool { return !strings.ContainsRune(sane, r) })
}

// logAccess writes one line about every request. It turns the errors of what
// comes after it into responses, so as to know how they ended.
func (s *Server) logAccess(c *fiber.Ctx) error {
	start := time.Now()
	err := c.Next()
	route := c.Route().Path
	if isRouterError(err) || route == "/" && c.Path() != "/" { // which is what middleware has for a route
		route = "" // there was none, or the request did not come so far
	}
	if err != nil {
		if err = s.refuse(c, err); err != nil {
			return err
		}
	}
	s.requestEnded(c, knownMethod(c.Method()), route, time.Since(start))
	return nil
}

// requestEnded tells all who want to know how a request ended. The method is a
// known one, or empty.
func (s *Server) requestEnded(c *fiber.Ctx, method, route string, took time.Duration) {
	s.observe(method, route, c.Response().StatusCode(), took)
	if s.config.Tracer != nil {
		s.endSpan(c, method, route)
	}
	s.logRequest(c, method, route, took)
}

// logRequest writes the access line. It has the route, not the path, for what was
// sent may hold anything.
func (s *Server) logRequest(c *fiber.Ctx, method, route string, took time.Duration) {
	if !s.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	line := slog.NewRecord(time.Now(), slog.LevelInfo, "request", 0) // no caller, which nobody reads and costs to find
	attrs := [...]slog.Attr{
		slog.String("id", requestID(c)),
		slog.String("method", method),
		slog.String("route", route),
		slog.Int("status", c.Response().StatusCode()),
		slog.Duration("duration", took),
		slog.String("client", s.clientAddr(c).String()),
		{}, // which is left out, as the handlers of package slog do
	}
	if claims, ok := c.Locals(claimsKey{}).(domain.Claims); ok {
		attrs[len(attrs)-1] = slog.String("user", claims.Subject.String())
	}
	line.AddAttrs(attrs[:]...)
	if s.config.Tracer != nil {
		if span := trace.SpanContextFromContext(c.UserContext()); span.HasTraceID() {
			line.AddAttrs(slog.String("trace_id", span.TraceID().String()))
		}
	}
	_ = s.log.Handler().Handle(context.Background(), line) // as a Logger does, it tells nobody of a failure
}

// isRouterError reports whether there was no route for the request.
func isRouterError(err error) bool {
	if err == nil {
		return false
	}
	var e *fiber.Error
	return errors.As(err, &e) && (e.Code == fiber.StatusNotFound || e.Code == fiber.StatusMethodNotAllowed)
}

// refuseAmbiguous refuses a request that Fiber reads in one way and a proxy in
// front of it may in another, so that to one of them what follows is another
// request (RFC 9112 section 11.2): one with both a length and a coding (section
// 6.3), one with the coding "identity" that there no longer is (section 7), and
// one whose headers have folded lines (section 5.2), space in a name (section 5.1)
// or lines without a carriage return (section 2.2). It looks at what was sent, for Fiber's own idea of the
// length changes as it reads the body.
func refuseAmbiguous(c *fiber.Ctx) error {
	var hasLength, hasCoding, isOdd bool
	for line := range bytes.Lines(c.Request().Header.RawHeaders()) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case !bytes.HasSuffix(line, []byte("\r\n")), bytes.ContainsAny(name, " \t"): // before, in or after a name
			isOdd = true
		case isHeader(name, fiber.HeaderContentLength):
			hasLength = true
		case isHeader(name, fiber.HeaderTransferEncoding):
			hasCoding = true
			isOdd = isOdd || !strings.EqualFold(string(bytes.TrimSpace(value)), "chunked")
		}
	}
	if isOdd || hasLength && hasCoding {
		c.Context().SetConnectionClose()
		return fiber.ErrBadRequest
	}
	return c.Next()
}

func isHeader(sent []byte, name string) bool { return strings.EqualFold(string(sent), name) }

// withDeadline bounds how long the ports may take.
func (s *Server) withDeadline(c *fiber.Ctx) error {
	ctx := newTimeout(answerTimeout)
	defer ctx.end()
	if s.config.Tracer != nil {
		c.SetUserContext(trace.ContextWithSpan(ctx, trace.SpanFromContext(c.UserContext())))
	} else {
		c.SetUserContext(ctx)
	}
	return c.Next()
}

// recoverPanic makes a panic, whatever its value, an error of no known kind, and
// logs where it was.
func (s *Server) recoverPanic(c *fiber.Ctx) (err error) {
	defer func() {
		if value := recover(); value != nil {
			s.log.Error("panic", "id", requestID(c), "value", value, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", value)
		}
	}()
	return c.Next()
}

// noStore keeps tokens and account data, a widget's owner included, out of caches
// (RFC 6749 section 5.1).
func noStore(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderPragma, "no-cache")
	return c.Next()
}

// authenticate lets requests with a good bearer token through.
func (s *Server) authenticate(c *fiber.Ctx) error {
	token, found := bearerToken(strings.Clone(c.Get(fiber.HeaderAuthorization)))
	if !found {
		return domain.NoToken
	}
	claims, err := s.auth.Authenticate(c.UserContext(), token)
	if err != nil {
		return err
	}
	c.Locals(claimsKey{}, claims)
	return c.Next()
}

// requireAdmin lets administrators through, after authenticate.
func requireAdmin(c *fiber.Ctx) error {
	if err := claimsOf(c).RequireAdmin(); err != nil {
		return err
	}
	return c.Next()
}

// bearerToken returns the token of an Authorization header (RFC 6750 section
// 2.1). Any other scheme, and none, is no token.
func bearerToken(authorization string) (token string, found bool) {
	scheme, token, _ := strings.Cut(strings.Trim(authorization, " \t"), " ")
	token = strings.TrimLeft(token, " ")
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// claimsOf returns the claims of an authenticated request.
func claimsOf(c *fiber.Ctx) domain.Claims { return c.Locals(claimsKey{}).(domain.Claims) }

func requestID(c *fiber.Ctx) string {
	id, _ := c.Locals(requestIDKey{}).(string)
	return id
}
