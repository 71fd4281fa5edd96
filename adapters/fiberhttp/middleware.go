package fiberhttp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
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

// request is what is known about a request besides what was sent, and the context
// that the ports are asked in: in one piece, where each would be an allocation. As
// whoever was given it may still hold it, it is not used again for another.
type request struct {
	timeout
	id            string
	start         time.Time
	authenticated bool
	claims        domain.Claims // of an authenticated one

	// Known at its end, to be told to the log and the trace. The method is one that
	// Fiber knows, or empty. The route is that, or empty, and not the path, for what
	// was sent may hold anything.
	method, route string
	status        int
	took          time.Duration
	client        netip.Addr
	span          trace.SpanContext
}

// Value implements [context.Context].
func (r *request) Value(key any) any {
	if key == (requestKey{}) {
		return r
	}
	return r.timeout.Value(key)
}

// requestKey finds the *request in a context that was derived from it.
type requestKey struct{}

// requestOf returns what is known about a request that has begun.
func requestOf(c *fiber.Ctx) *request {
	ctx := c.UserContext()
	if r, ok := ctx.(*request); ok {
		return r
	}
	return ctx.Value(requestKey{}).(*request)
}

// requestIDHeader is fiber.HeaderXRequestID as it is sent.
const requestIDHeader = "X-Request-Id"

// handle is the one middleware, around every request, whatever its route: Fiber searches
// its routes anew behind each. It turns errors into responses, so as to know how
// requests ended.
func (s *Server) handle(c *fiber.Ctx) error {
	r := s.beginRequest(c, c.Context().Time())
	err := s.pass(c, r)
	r.method, r.route = knownMethod(c.Method()), c.Route().Path
	if isRouterError(err) || r.route == "/" && c.Path() != "/" { // which is what middleware has for a route
		r.route = "" // there was none, or the request did not come so far
	}
	if err != nil {
		if err = s.refuse(c, err); err != nil {
			return err
		}
	}
	r.took = time.Since(r.start)
	s.requestEnded(c, r)
	return nil
}

// pass lets a request through to its route, unless it is ambiguous. It ends the time
// that the ports have, and makes a panic, whatever its value, an error of no known kind,
// logging where it was.
func (s *Server) pass(c *fiber.Ctx, r *request) (err error) {
	if isAmbiguous(c.Request().Header.RawHeaders()) {
		c.Context().SetConnectionClose()
		return fiber.ErrBadRequest
	}
	defer func() {
		r.end()
		if value := recover(); value != nil {
			s.log.Error("panic", "id", r.id, "value", value, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", value)
		}
	}()
	if s.cors != nil {
		return s.cors(c)
	}
	return c.Next()
}

// beginRequest begins what is known about a request, and sets the headers that every
// response has. The id is the caller's, if it sent a sane one.
func (s *Server) beginRequest(c *fiber.Ctx, start time.Time) *request {
	r := &request{
		id:      strings.Clone(c.Get(fiber.HeaderXRequestID)),
		start:   start,
		timeout: timeout{deadline: start.Add(answerTimeout)},
	}
	if !isSaneRequestID(r.id) {
		r.id = newRequestID()
	}
	if s.config.Tracer != nil {
		c.SetUserContext(trace.ContextWithSpan(r, trace.SpanFromContext(c.UserContext())))
	} else {
		c.SetUserContext(r)
	}
	c.Response().Header.SetCanonical([]byte(requestIDHeader), []byte(r.id))
	s.headers.set(c)
	return r
}

// requestEnded tells all who want to know how a request ended.
func (s *Server) requestEnded(c *fiber.Ctx, r *request) {
	r.status, r.client = c.Response().StatusCode(), s.clientAddr(c)
	s.observe(r)
	if s.config.Tracer != nil {
		span := trace.SpanFromContext(c.UserContext())
		r.span = span.SpanContext()
		s.endSpan(span, r)
	}
	s.logRequest(r)
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

// isRouterError reports whether there was no route for the request.
func isRouterError(err error) bool {
	if err == nil {
		return false
	}
	var e *fiber.Error
	return errors.As(err, &e) && (e.Code == fiber.StatusNotFound || e.Code == fiber.StatusMethodNotAllowed)
}

// isAmbiguous reports whether Fiber may read a request with such headers in one way
// and a proxy in front of it in another, so that to one of them what follows is
// another request (RFC 9112 section 11.2): one with both a length and a coding
// (section 6.3), one with the coding "identity" that there no longer is (section 7),
// and one whose headers have folded lines (section 5.2), space in a name (section
// 5.1) or lines without a carriage return (section 2.2). It looks at what was sent,
// for Fiber's own idea of the length changes as it reads the body.
func isAmbiguous(headers []byte) bool {
	var hasLength, hasCoding bool
	for line := range bytes.Lines(headers) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case !bytes.HasSuffix(line, []byte("\r\n")), bytes.ContainsAny(name, " \t"): // before, in or after a name
			return true
		case isHeader(name, fiber.HeaderContentLength):
			hasLength = true
		case isHeader(name, fiber.HeaderTransferEncoding):
			if !strings.EqualFold(string(bytes.TrimSpace(value)), "chunked") {
				return true
			}
			hasCoding = true
		}
	}
	return hasLength && hasCoding
}

func isHeader(sent []byte, name string) bool { return strings.EqualFold(string(sent), name) }

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
