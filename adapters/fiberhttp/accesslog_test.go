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

var (
	oddRequest = &request{
		id: "a-Z_0.9:/+=", method: "GET", route: "/api/v1/widgets/:name", status: 200, took: 1234567,
		client: netip.MustParseAddr("2001:db8::1"), authenticated: true, claims: domain.Claims{Subject: domain.UUID{1, 15: 255}},
		span: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 15: 255}}),
	}
	plainRequest = &request{id: "x", client: netip.MustParseAddr("192.0.2.1")}
	emptyRequest = &request{}
)

// TestLogHandlerWritesWhatSlogWould, byte for byte.
func TestLogHandlerWritesWhatSlogWould(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", -(5*60+30)*60)
	for what, log := range map[string]func(*slog.Logger){
		"a request":                 logged(oddRequest, time.Date(2026, 11, 22, 1, 2, 3, 450_000_000, time.UTC)),
		"a stranger's":              logged(plainRequest, time.Date(2026, 1, 2, 3, 4, 5, 6, zone)),
		"one that nothing is known": logged(emptyRequest, time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)),
		"another line":              func(l *slog.Logger) { l.Warn("a \"line\"", "error", "bad\n") },
		"one without attributes":    func(l *slog.Logger) { l.Error("stopped") },
		"one below the level":       func(l *slog.Logger) { l.Debug("unseen") },
		"a request among others":    func(l *slog.Logger) { l.Info("x", "y", oddRequest, "z", 1) },
		"what was logged with":      func(l *slog.Logger) { l.With("a", 1).WithGroup("b").Info("x", "", oddRequest) },
	} {
		var got, want bytes.Buffer
		// A record has the time that it is made at, so both write the same records.
		log(slog.New(both{NewLogHandler(&got, slog.LevelInfo), slog.NewJSONHandler(&want, nil)}))
		if got.String() != want.String() {
			t.Errorf("%s:\n%s is not\n%s", what, &got, &want)
		}
		if what != "one below the level" && want.Len() == 0 {
			t.Errorf("%s: nothing was logged", what)
		}
	}
}

// logged logs a request as logRequest does.
func logged(r *request, at time.Time) func(*slog.Logger) {
	return func(log *slog.Logger) {
		line := slog.NewRecord(at, slog.LevelInfo, "request", 0)
		line.AddAttrs(slog.Any("", r))
		_ = log.Handler().Handle(context.Background(), line)
	}
}

// both are handlers of the same records.
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
	log := slog.New(NewLogHandler(&to, slog.LevelInfo))
	var busy sync.WaitGroup
	for range goroutines {
		busy.Go(func() {
			for range lines {
				logged(oddRequest, time.Now())(log)
				logged(plainRequest, time.Now())(log)
			}
		})
	}
	busy.Wait()
	if to.lines != 2*goroutines*lines || to.torn > 0 {
		t.Errorf("%d lines, %d of them torn", to.lines, to.torn)
	}
}

func TestLogHandlerTellsThatALineCannotBeWritten(t *testing.T) {
	t.Parallel()
	_, closed := io.Pipe()
	_ = closed.Close()
	line := slog.NewRecord(time.Now(), slog.LevelInfo, "request", 0)
	line.AddAttrs(slog.Any("", plainRequest))
	if err := NewLogHandler(closed, slog.LevelInfo).Handle(t.Context(), line); err == nil {
		t.Error("it tells nothing")
	}
}

func BenchmarkLog(b *testing.B) {
	for name, handler := range map[string]slog.Handler{
		"ours": NewLogHandler(io.Discard, slog.LevelInfo),
		"slog": slog.NewJSONHandler(io.Discard, nil),
	} {
		b.Run(name, func(b *testing.B) {
			log := logged(oddRequest, time.Now())
			b.ReportAllocs()
			for b.Loop() {
				log(slog.New(handler))
			}
		})
	}
}
