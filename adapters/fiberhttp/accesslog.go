package fiberhttp

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel/trace"
)

// requestEnded tells all who want to know how a request ended. The method is a
// known one, or empty. The route is that, not the path, for what was sent may hold
// anything.
func (s *Server) requestEnded(c *fiber.Ctx, method, route string, took time.Duration) {
	r := requestOf(c)
	r.method, r.route, r.status, r.took = method, route, c.Response().StatusCode(), took
	s.observe(r)
	if s.config.Tracer != nil {
		s.endSpan(c, r)
	}
	s.logRequest(c, r)
}

// logRequest writes a line about a request. It has one attribute without a name, the
// request, which handlers put its own in place of.
func (s *Server) logRequest(c *fiber.Ctx, r *request) {
	if !s.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	r.client = s.clientAddr(c)
	if s.config.Tracer != nil {
		r.span = trace.SpanContextFromContext(c.UserContext())
	}
	line := slog.NewRecord(r.start.Add(r.took), slog.LevelInfo, "request", 0) // no caller, which nobody reads and costs to find
	line.AddAttrs(slog.Any("", r))
	_ = s.log.Handler().Handle(context.Background(), line) // as a Logger does, it tells nobody of a failure
}

// LogValue implements [slog.LogValuer].
func (r *request) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("id", r.id),
		slog.String("method", r.method),
		slog.String("route", r.route),
		slog.Int("status", r.status),
		slog.Duration("duration", r.took),
		slog.String("client", r.client.String()),
	}
	if r.authenticated {
		attrs = append(attrs, slog.String("user", r.claims.Subject.String()))
	}
	if r.span.HasTraceID() {
		attrs = append(attrs, slog.String("trace_id", r.span.TraceID().String()))
	}
	return slog.GroupValue(attrs...)
}

// appendJSON appends the members that [slog.JSONHandler] makes of LogValue. None of
// the texts has a character that JSON escapes.
func (r *request) appendJSON(b []byte) []byte {
	b = append(append(b, `"id":"`...), r.id...)
	b = append(append(b, `","method":"`...), r.method...)
	b = append(append(b, `","route":"`...), r.route...)
	b = appendInt(append(b, `","status":`...), r.status)
	b = strconv.AppendInt(append(b, `,"duration":`...), int64(r.took), 10)
	b = append(b, `,"client":"`...)
	if r.client.IsValid() {
		b = r.client.AppendTo(b)
	} else {
		b = append(b, r.client.String()...)
	}
	if r.authenticated {
		b = r.claims.Subject.Append(append(b, `","user":"`...))
	}
	if r.span.HasTraceID() {
		b = append(append(b, `","trace_id":"`...), r.span.TraceID().String()...)
	}
	return append(b, '"')
}

// NewLogHandler returns a handler that writes what a [slog.JSONHandler] would, for the
// log of New, and what is logged about requests in a fifth of the time: that was a fifth
// of all the work of a get. Each line is one Write; w is safe for concurrent use,
// as an [os.File] is.
func NewLogHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return &logHandler{Handler: slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}), w: w}
}

// logHandler is slog's, but for the lines that have a request for their only attribute.
type logHandler struct {
	slog.Handler
	w       io.Writer
	buffers sync.Pool
}

// Handle implements [slog.Handler].
func (h *logHandler) Handle(ctx context.Context, line slog.Record) error {
	r := requestIn(line)
	if r == nil {
		return h.Handler.Handle(ctx, line)
	}
	buffer, _ := h.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer h.buffers.Put(buffer)
	b := line.Time.AppendFormat(append((*buffer)[:0], `{"time":"`...), time.RFC3339Nano)
	b = append(append(b, `","level":"`...), line.Level.String()...)
	b = append(append(b, `","msg":"`...), line.Message...)
	*buffer = append(r.appendJSON(append(b, `",`...)), "}\n"...)
	_, err := h.w.Write(*buffer)
	return err
}

// requestIn returns the request of a line that logRequest made, nil for any other.
func requestIn(line slog.Record) (r *request) {
	if line.NumAttrs() == 1 {
		line.Attrs(func(only slog.Attr) bool {
			r, _ = only.Value.Any().(*request)
			return false
		})
	}
	return r
}
