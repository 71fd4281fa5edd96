package fiberhttp

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel/trace"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/timeout"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// maxLoggedPath is the number of bytes after which a path is cut in the log. A token
// is longer, so the log never holds a whole one.
const maxLoggedPath = 128

// request is what the server knows about a request. It is also the context of the
// ports, which ends after answerTimeout.
type request struct {
	timeout.Context
	id            string
	start         time.Time
	authenticated bool
	claims        domain.Claims      // if authenticated
	recorded      bool               // a use case has called the audit record
	action        domain.AuditAction // for the audit record, if it is not that of the route

	// Set by endRequest, for the log, the metrics and the trace. The method and
	// the route are never copied from the request, which may hold a secret.
	method string // one that Fiber knows, or ""
	route  string // a pattern like /widgets/:name; "" if no route matched
	path   string // escaped; only for the log at level debug, and only if no route matched
	status int
	took   time.Duration
	client netip.Addr
}

// requestKey is the key of the *request in its context.
type requestKey struct{}

// Value implements [context.Context].
func (r *request) Value(key any) any {
	switch key.(type) {
	case requestKey:
		return r
	case ports.RequestIDKey:
		return r.id
	}
	return r.Context.Value(key)
}

// requestOf returns the request that beginRequest made.
func requestOf(c *fiber.Ctx) *request { return c.UserContext().(*request) }

// beginRequest creates the record of a request, and sets the headers that every
// response has.
func (s *Server) beginRequest(c *fiber.Ctx, start time.Time) *request {
	r := &request{
		Context: timeout.NewContext(c.UserContext(), start.Add(answerTimeout)),
		id:      requestID(c),
		start:   start,
	}
	c.SetUserContext(r)
	setHeaders(c, r.id, s.config.TLS && !s.config.WithoutHSTS)
	return r
}

// endRequest logs and counts a request. The caller has set its method and route.
func (s *Server) endRequest(c *fiber.Ctx, r *request) {
	r.status, r.took, r.client = c.Response().StatusCode(), time.Since(r.start), s.clientAddr(c)
	s.count(r)
	var span trace.SpanContext
	if s.config.Tracer != nil {
		span = trace.SpanContextFromContext(r)
	}
	s.logRequest(r, span)
}

// logRequest writes the request's line to the log, and for a request that no route
// matched a line with its path at level debug. The span may be the zero value.
func (s *Server) logRequest(r *request, span trace.SpanContext) {
	ctx, level := context.Background(), levelOf(r.route)
	if r.path != "" {
		s.log.LogAttrs(ctx, slog.LevelDebug, "no route", slog.String("id", r.id), slog.String("path", r.path))
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	client, user := r.clientAndUser()
	attrs := append(make([]slog.Attr, 0, 8),
		slog.String("id", r.id),
		slog.String("method", r.method),
		slog.String("route", r.route),
		slog.Int("status", r.status),
		slog.Float64("duration_ms", float64(r.took.Microseconds())/1000),
		slog.String("client", client),
	)
	if r.authenticated {
		attrs = append(attrs, slog.String("user", user))
	}
	if span.HasTraceID() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()))
	}
	line := slog.NewRecord(r.start.Add(r.took), level, "request", 0) // LogAttrs would look up the caller
	line.AddAttrs(attrs...)
	_ = s.log.Handler().Handle(ctx, line) // a slog.Logger ignores this error too
}

// levelOf returns the level of a request's line. Probes arrive every few seconds and
// would hide the other requests.
func levelOf(route string) slog.Level {
	if route == healthzPath || route == readyzPath {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// loggedPath returns the path of a request for the log: without the query, cut to
// maxLoggedPath bytes, and with every byte escaped that is not visible ASCII or that
// a log would quote.
func loggedPath(c *fiber.Ctx) string {
	path := c.Context().URI().PathOriginal()
	b := make([]byte, 0, min(len(path), maxLoggedPath)+len("%00..."))
	for _, char := range path {
		if len(b) >= maxLoggedPath {
			return string(append(b, "..."...))
		}
		if char <= ' ' || char > '~' || char == '"' || char == '\\' {
			b = fmt.Appendf(b, "%%%02X", char)
		} else {
			b = append(b, char)
		}
	}
	return string(b)
}

// clientAndUser returns the client's address and the user's id. Both are parts of
// one string, which is one allocation.
func (r *request) clientAndUser() (client, user string) {
	var buffer [96]byte
	b := r.client.AppendTo(buffer[:0])
	n := len(b)
	text := string(r.claims.Subject.Append(b))
	return text[:n], text[n:]
}
