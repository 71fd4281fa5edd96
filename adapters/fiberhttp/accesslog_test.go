package fiberhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/widgetd/widgetd/domain"
)

// fullRequest returns a request of which all is known.
func fullRequest() *request {
	return &request{
		id: "a-Z_0.9:/+=", method: "GET", route: "/api/v1/widgets/:name", status: 200, took: 1234567,
		client: netip.MustParseAddr("2001:db8::1"), authenticated: true, claims: domain.Claims{Subject: domain.UUID{1, 15: 255}},
		span: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 15: 255}}),
	}
}

// TestRequestIsLoggedAsSlogWould, byte for byte.
func TestRequestIsLoggedAsSlogWould(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", -(5*60+30)*60)
	for what, r := range map[string]*request{
		"of which all is known":    fullRequest(),
		"of a stranger":            {id: "x", method: "POST", status: 401, client: netip.MustParseAddr("192.0.2.1")},
		"of which little is known": {},
	} {
		for _, start := range []time.Time{
			time.Date(2026, 11, 22, 1, 2, 3, 450_000_000, time.UTC),
			time.Date(2026, 1, 2, 3, 4, 5, 6, zone),
			time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local),
			time.Now(),
		} {
			r.start = start
			var got, want bytes.Buffer
			NewLogHandler(&got, slog.LevelInfo).(*logHandler).writeRequest(r)
			if err := slog.NewJSONHandler(&want, nil).Handle(t.Context(), r.record()); err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() || want.Len() == 0 {
				t.Errorf("%s:\n%s is not\n%s", what, &got, &want)
			}
		}
	}
}

func TestLogHandlerIsSlogsForOtherLines(t *testing.T) {
	t.Parallel()
	var got, want bytes.Buffer
	log := slog.New(both{NewLogHandler(&got, slog.LevelInfo), slog.NewJSONHandler(&want, nil)})
	log.Debug("unseen")
	log.Warn("a \"line\"", "error", "bad\n")
	log.With("a", 1).WithGroup("b").Info("x", "y", 2)
	if got.String() != want.String() || bytes.Count(want.Bytes(), []byte("\n")) != 2 {
		t.Errorf("\n%s is not\n%s", &got, &want)
	}
}

// both are handlers of the same records, which have the time they were made at.
type both [2]slog.Handler

func (b both) Enabled(ctx context.Context, level slog.Level) bool { return b[0].Enabled(ctx, level) }

func (b both) Handle(ctx context.Context, line slog.Record) error {
	return errors.Join(b[0].Handle(ctx, line), b[1].Handle(ctx, line))
}

func (b both) WithAttrs(attrs []slog.Attr) slog.Handler {
	return both{b[0].WithAttrs(attrs), b[1].WithAttrs(attrs)}
}

func (b both) WithGroup(name string) slog.Handler {
	return both{b[0].WithGroup(name), b[1].WithGroup(name)}
}

// whole is safe for concurrent use, and counts what is not one line.
type whole struct {
	mu          sync.Mutex
	lines, torn int
}

func (w *whole) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines++
	if bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("\"}\n")) {
		w.torn++
	}
	return len(line), nil
}

func TestLinesOfManyRequestsAreWhole(t *testing.T) {
	t.Parallel()
	const goroutines, lines = 8, 500
	var to whole
	handler := NewLogHandler(&to, slog.LevelInfo).(*logHandler)
	var busy sync.WaitGroup
	for range goroutines {
		busy.Go(func() {
			full, empty := fullRequest(), &request{}
			for range lines {
				handler.writeRequest(full)
				handler.writeRequest(empty)
			}
		})
	}
	busy.Wait()
	if to.lines != 2*goroutines*lines || to.torn > 0 {
		t.Errorf("%d lines, %d of them torn", to.lines, to.torn)
	}
}

func BenchmarkLogRequest(b *testing.B) {
	ours, slogs := NewLogHandler(io.Discard, slog.LevelInfo).(*logHandler), slog.NewJSONHandler(io.Discard, nil)
	r := fullRequest()
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ours.writeRequest(r)
		}
	})
	b.Run("slog", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = slogs.Handle(b.Context(), r.record())
		}
	})
}
