package fiberhttp

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// logRequest writes a line about a request.
func (s *Server) logRequest(r *request) {
	if !s.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	if handler, ok := s.log.Handler().(*logHandler); ok {
		handler.writeRequest(r)
		return
	}
	_ = s.log.Handler().Handle(context.Background(), r.record()) // as a Logger does, it tells nobody of a failure
}

const requestMessage = "request"

func (r *request) endedAt() time.Time { return r.start.Add(r.took) }

// record returns what is logged about a request.
func (r *request) record() slog.Record {
	line := slog.NewRecord(r.endedAt(), slog.LevelInfo, requestMessage, 0) // no caller, which nobody reads and costs to find
	line.AddAttrs(
		slog.String("id", r.id),
		slog.String("method", r.method),
		slog.String("route", r.route),
		slog.Int("status", r.status),
		slog.Duration("duration", r.took),
		slog.String("client", r.client.String()),
	)
	if r.authenticated {
		line.AddAttrs(slog.String("user", r.claims.Subject.String()))
	}
	if r.span.HasTraceID() {
		line.AddAttrs(slog.String("trace_id", r.span.TraceID().String()))
	}
	return line
}

// appendJSON appends the attributes of record as [slog.JSONHandler] does. None of the
// texts has a character that JSON escapes.
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

// NewLogHandler returns a handler that writes what a [slog.JSONHandler] does, for the
// log of New, which then writes what is logged about requests itself, in an eighth of
// the time: that was a fifth of all the work of a get. A logger that was made With
// attributes or a group is slog's again. Each line is one Write. Unlike slog's the
// handler does not lock: w must be safe for concurrent use, as an [os.File] is.
func NewLogHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return &logHandler{Handler: slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}), w: w}
}

type logHandler struct {
	slog.Handler
	w       io.Writer
	buffers sync.Pool
}

// writeRequest writes the line about a request. As a Logger does, it tells nobody of a
// failure.
func (h *logHandler) writeRequest(r *request) {
	buffer, _ := h.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer h.buffers.Put(buffer)
	line := r.endedAt().AppendFormat(append((*buffer)[:0], `{"time":"`...), time.RFC3339Nano)
	line = append(line, `","level":"INFO","msg":"`+requestMessage+`",`...)
	*buffer = append(r.appendJSON(line), "}\n"...)
	_, _ = h.w.Write(*buffer)
}
