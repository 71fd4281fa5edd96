package logging

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Audit writes the audit record to a log, at level info. It also does so if the level of
// the log is higher. Make one with [NewAudit] or [Writer.Audit].
type Audit struct {
	newHandler func(io.Writer) slog.Handler
	ready      func(ctx context.Context) error
	write      func(ctx context.Context, line []byte) error
}

var _ ports.Audit = Audit{}

// NewAudit returns an audit record that writes each line to a writer at once, in the
// format of the handler that newHandler returns.
func NewAudit(to io.Writer, newHandler func(io.Writer) slog.Handler) Audit {
	return Audit{
		newHandler: newHandler,
		ready:      func(context.Context) error { return nil },
		write: func(_ context.Context, line []byte) error {
			_, err := to.Write(line)
			return err
		},
	}
}

// Audit returns an audit record that writes to the log of w. No line of the audit record
// is dropped: Ready waits while the log takes no lines, and Record waits until the line is
// written.
func (w *Writer) Audit() Audit {
	return Audit{newHandler: w.newHandler, ready: w.awaitReady, write: w.writeKept}
}

// Ready implements [ports.Audit].
func (a Audit) Ready(ctx context.Context) error { return a.ready(ctx) }

// Record implements [ports.Audit].
func (a Audit) Record(ctx context.Context, event domain.AuditEvent) error {
	id, _ := ctx.Value(ports.RequestIDKey{}).(string)
	record := slog.NewRecord(time.Now(), slog.LevelInfo, "audit", 0)
	record.AddAttrs(
		slog.String("id", id),
		slog.String("action", string(event.Action)),
		slog.String("target", event.Target),
		slog.String("actor", event.Actor),
		slog.String("outcome", event.Outcome),
	)
	record.AddAttrs(group("before", event.Before), group("after", event.After))
	var line bytes.Buffer
	if err := a.newHandler(&line).Handle(ctx, record); err != nil {
		return err
	}
	return a.write(ctx, line.Bytes())
}

// group returns the fields as a group in alphabetical order. The log leaves out an empty
// group.
func group(name string, fields map[string]any) slog.Attr {
	attrs := make([]any, 0, len(fields))
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		attrs = append(attrs, slog.Any(field, fields[field]))
	}
	return slog.Group(name, attrs...)
}

// errLogBlocked is the cause of the Unavailable errors of Ready and Record.
var errLogBlocked = errors.New("the log takes no lines, so the audit record cannot be written")

// awaitReady waits until the last write to the log has succeeded and no write takes longer
// than maxStall. It returns Unavailable if ctx ends first.
func (w *Writer) awaitReady(ctx context.Context) error {
	return w.await(ctx, func() bool { return !w.stalled && !w.failed })
}

// writeKept writes a line before the other lines that wait, and returns when the line is
// written. If ctx ends first, writeKept returns Unavailable, and the line is written later.
func (w *Writer) writeKept(ctx context.Context, line []byte) error {
	w.mu.Lock()
	w.kept = append(w.kept, line...)
	w.keptEnd += uint64(len(line))
	end := w.keptEnd
	if !w.writing { // else the flush that is running starts the timer
		w.timer.Reset(0)
	}
	w.mu.Unlock()
	return w.await(ctx, func() bool { return w.keptEnd-uint64(len(w.kept)) >= end })
}

// await waits until condition returns true. It returns Unavailable if ctx ends first.
func (w *Writer) await(ctx context.Context, condition func() bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if condition() {
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changed.Broadcast()
	})
	defer stop()
	for !condition() {
		if err := ctx.Err(); err != nil {
			return &domain.Error{Kind: domain.Unavailable, Err: errors.Join(errLogBlocked, err)}
		}
		w.changed.Wait()
	}
	return nil
}
