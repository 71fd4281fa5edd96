package logging

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/quick"
	"time"
)

// TestJSONHandlerWritesWhatSlogWrites compares with slog.JSONHandler byte for
// byte.
func TestJSONHandlerWritesWhatSlogWrites(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", -(5*60+30)*60)
	times := []time.Time{
		time.Date(2026, 11, 22, 1, 2, 3, 450_000_000, time.UTC),
		time.Date(2026, 1, 2, 3, 4, 5, 6, zone),
		time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local),
		time.Date(-1, 1, 2, 3, 4, 5, 0, time.UTC),
		time.Date(12345, 1, 2, 3, 4, 5, 0, time.UTC),
		time.Now(),
		{},
	}
	attrs := [][]slog.Attr{
		nil,
		{slog.String("id", "a-Z_0.9:/+="), slog.Int("status", 200), slog.Float64("duration_ms", 1.234)},
		{slog.Float64("0", 0), slog.Float64("-0", math.Copysign(0, -1)), slog.Float64("small", 1e-6), slog.Float64("large", -9.9e20)},
		{slog.Float64("smaller", 9e-7)}, {slog.Float64("larger", 1e21)},
		{slog.Float64("NaN", math.NaN())}, {slog.Float64("infinite", math.Inf(-1))},
		{slog.String("", ""), slog.Int64("n", -1), {}, slog.String("last", "x")},
		{slog.String("text", "a \"quoted\" line\n")},
		{slog.String("a \"key\"", "x"), slog.String("html", "<a&b>"), slog.String("back\\slash", "\\")},
		{slog.String("other", "\u00e9\u2028\xff\x7f")},
		{slog.Any("error", errors.New("bad\n")), slog.Any("nothing", nil), slog.Any("list", []int{1})},
		{slog.Bool("yes", true), slog.Uint64("u", 1), slog.Float64("f", 1.5), slog.Time("at", time.Unix(0, 0).UTC())},
		{slog.Group("group", slog.Int("a", 1), slog.String("b", "c")), slog.Group("", slog.Int("inline", 1)), slog.Group("empty")},
		{slog.Any("resolved", level("x"))},
	}
	for _, at := range times {
		for _, message := range []string{"request", "", "a \"line\"", "\u00e9"} {
			for _, level := range []slog.Level{slog.LevelInfo, slog.LevelWarn + 1, -7} {
				for _, attrs := range attrs {
					record := slog.NewRecord(at, level, message, 0)
					record.AddAttrs(attrs...)
					wantSlogs(t, record)
				}
			}
		}
	}
	check := func(message, key, value string, number, nanoseconds int64, fraction float64) bool {
		record := slog.NewRecord(time.Unix(0, nanoseconds), slog.LevelInfo, message, 0)
		record.AddAttrs(slog.String(key, value), slog.Int64(value, number), slog.Duration(key, time.Duration(number)),
			slog.Float64(value, fraction), slog.Float64(key, float64(number)/1000))
		wantSlogs(t, record)
		return !t.Failed()
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestIsPlainTestsEveryByte(t *testing.T) {
	t.Parallel()
	for length := range 18 {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("~", length))
				text[at] = byte(c)
				want := ' ' <= c && c <= '~' && c != '"' && c != '\\'
				if got := isPlain(string(text)); got != want {
					t.Fatalf("isPlain(%q) is %v, want %v", text, got, want)
				}
			}
		}
	}
	if !isPlain("") {
		t.Error("the empty text is not plain")
	}
}

// level is a value that a handler has to resolve.
type level string

func (l level) LogValue() slog.Value { return slog.StringValue(strings.Repeat(string(l), 3)) }

func wantSlogs(t *testing.T, record slog.Record) {
	t.Helper()
	var got, want bytes.Buffer
	if err := NewJSONHandler(&got, slog.LevelInfo).Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if err := slog.NewJSONHandler(&want, nil).Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() || want.Len() == 0 {
		t.Errorf("got  %swant %s", &got, &want)
	}
}

func TestLoggerWithAttributesWritesWhatSlogWrites(t *testing.T) {
	t.Parallel()
	var got, want bytes.Buffer
	log := slog.New(both{NewJSONHandler(&got, slog.LevelInfo), slog.NewJSONHandler(&want, nil)})
	log.Debug("not enabled")
	log.Warn("a \"line\"", "error", "bad\n")
	log.With("a", 1).WithGroup("b").Info("x", "y", 2)
	log.WithGroup("b").Info("x", "y", "z")
	if got.String() != want.String() || bytes.Count(want.Bytes(), []byte("\n")) != 3 {
		t.Errorf("got\n%swant\n%s", &got, &want)
	}
}

// both passes each record to two handlers.
type both [2]slog.Handler

func (b both) Enabled(ctx context.Context, level slog.Level) bool { return b[0].Enabled(ctx, level) }

func (b both) Handle(ctx context.Context, record slog.Record) error {
	return errors.Join(b[0].Handle(ctx, record), b[1].Handle(ctx, record))
}

func (b both) WithAttrs(attrs []slog.Attr) slog.Handler {
	return both{b[0].WithAttrs(attrs), b[1].WithAttrs(attrs)}
}

func (b both) WithGroup(name string) slog.Handler {
	return both{b[0].WithGroup(name), b[1].WithGroup(name)}
}

func TestJSONHandlerReturnsTheErrorOfTheWriter(t *testing.T) {
	t.Parallel()
	failure := errors.New("disk full")
	handler := NewJSONHandler(failing{failure}, slog.LevelInfo)
	if err := handler.Handle(t.Context(), requestRecord()); !errors.Is(err, failure) {
		t.Errorf("Handle returns %v, want %v", err, failure)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// lineCounter counts the calls of Write, and those that are not one line.
type lineCounter struct {
	mu         sync.Mutex
	all, other int
}

func (c *lineCounter) Write(line []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all++
	if bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("}\n")) {
		c.other++
	}
	return len(line), nil
}

func TestConcurrentRecordsAreOneWriteEach(t *testing.T) {
	t.Parallel()
	const goroutines, records = 8, 500
	var to lineCounter
	handler := NewJSONHandler(&to, slog.LevelInfo)
	var busy sync.WaitGroup
	for range goroutines {
		busy.Go(func() {
			full, empty := requestRecord(), slog.NewRecord(time.Now(), slog.LevelInfo, "", 0)
			for range records {
				_ = handler.Handle(t.Context(), full)
				_ = handler.Handle(t.Context(), empty)
			}
		})
	}
	busy.Wait()
	if to.all != 2*goroutines*records || to.other > 0 {
		t.Errorf("got %d writes, want %d; %d of them are not one line", to.all, 2*goroutines*records, to.other)
	}
}

// requestRecord returns a record like that of a request.
func requestRecord() slog.Record {
	record := slog.NewRecord(time.Date(2026, 11, 22, 1, 2, 3, 456_000_000, time.UTC), slog.LevelInfo, "request", 0)
	record.AddAttrs(
		slog.String("id", "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"),
		slog.String("method", "GET"),
		slog.String("route", "/api/v1/widgets/:name"),
		slog.Int("status", 200),
		slog.Float64("duration_ms", 1.234),
		slog.String("client", "2001:db8::1"),
		slog.String("user", "ab000000-0000-0000-0000-000000000001"),
	)
	return record
}

func BenchmarkJSONHandler(b *testing.B) {
	record := requestRecord()
	for name, handler := range map[string]slog.Handler{
		"logging": NewJSONHandler(io.Discard, slog.LevelInfo),
		"slog":    slog.NewJSONHandler(io.Discard, nil),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = handler.Handle(b.Context(), record)
			}
		})
	}
}
