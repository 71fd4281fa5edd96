package fiberhttp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/widgetd/widgetd/domain"
)

// request is what is known about a request besides what was sent: in one piece,
// where three would each be an allocation. Its context may outlive the request, so
// it is not used again for another.
type request struct {
	id            string
	start         time.Time
	timeout       timeout
	authenticated bool
	claims        domain.Claims // of an authenticated one
}

// requestIDHeader is fiber.HeaderXRequestID as it is sent.
const requestIDHeader = "X-Request-Id"

// requestKey is that of the *request (fiber.Ctx.Locals).
type requestKey struct{}

// requestOf returns what is known about a request that was identified.
func requestOf(c *fiber.Ctx) *request { return c.Locals(requestKey{}).(*request) }

// identify gives the request an id.
func (s *Server) identify(c *fiber.Ctx) error {
	beginRequest(c)
	return c.Next()
}

// beginRequest begins what is known about a request. Its id is the caller's, if it
// sent a sane one.
func beginRequest(c *fiber.Ctx) {
	now := time.Now()
	r := &request{
		id:      strings.Clone(c.Get(fiber.HeaderXRequestID)),
		start:   now,
		timeout: timeout{deadline: now.Add(answerTimeout)},
	}
	if !isSaneRequestID(r.id) {
		r.id = newRequestID()
	}
	c.Locals(requestKey{}, r)
	c.Response().Header.SetCanonical([]byte(requestIDHeader), []byte(r.id))
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
	s.requestEnded(c, knownMethod(c.Method()), route, time.Since(requestOf(c).start))
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
	r := requestOf(c)
	client, user := r.clientAndUser(s.clientAddr(c))
	line := slog.NewRecord(r.start.Add(took), slog.LevelInfo, "request", 0) // no caller, which nobody reads and costs to find
	attrs := [...]slog.Attr{
		slog.String("id", r.id),
		slog.String("method", method),
		slog.String("route", route),
		slog.Int("status", c.Response().StatusCode()),
		slog.Duration("duration", took),
		slog.String("client", client),
		{}, // which is left out, as the handlers of package slog do
	}
	if user != "" {
		attrs[len(attrs)-1] = slog.String("user", user)
	}
	line.AddAttrs(attrs[:]...)
	if s.config.Tracer != nil {
		if span := trace.SpanContextFromContext(c.UserContext()); span.HasTraceID() {
			line.AddAttrs(slog.String("trace_id", span.TraceID().String()))
		}
	}
	_ = s.log.Handler().Handle(context.Background(), line) // as a Logger does, it tells nobody of a failure
}

// clientAndUser returns both as texts, of which there is no user unless it is
// authenticated. They are made as one, for one allocation.
func (r *request) clientAndUser(addr netip.Addr) (client, user string) {
	var room [128]byte
	text := addr.AppendTo(room[:0])
	if !addr.IsValid() {
		text = append(text, addr.String()...)
	}
	end := len(text)
	if r.authenticated {
		text = r.claims.Subject.Append(text)
	}
	both := string(text)
	return both[:end], both[end:]
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
// or lines without a carriage return (section 2.2). It looks at what was sent, for
// Fiber's own idea of the length changes as it reads the body.
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
	ctx := &requestOf(c).timeout
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
			s.log.Error("panic", "id", requestOf(c).id, "value", value, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", value)
		}
	}()
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
	r := requestOf(c)
	r.claims, r.authenticated = claims, true
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
func claimsOf(c *fiber.Ctx) domain.Claims {
	r := requestOf(c)
	if !r.authenticated {
		panic("a route without authenticate wants to know who is asking")
	}
	return r.claims
}
