package conformance

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// Benchmark measures the operations of a store that most requests need. Each
// operation has two benchmarks: Alone calls it in one goroutine, and Together in
// 32 goroutines per CPU. Each call of open returns a new, empty store. Benchmark
// adds an account, its cut-off and 50 widgets to the store before it measures.
func Benchmark(b *testing.B, open func(b *testing.B) ports.Store) {
	existing := sample.Widgets(50)
	byDeadline := domain.WidgetQuery{Sort: domain.ByDeadline}
	later := "" // a position behind 30 widgets
	condition := domain.Condition{Match: &domain.Versions{Every: true}}
	for _, operation := range []struct {
		name string
		call func(ctx context.Context, s ports.Store, n int) error // n differs in each call
	}{
		{"ByPublicID", func(ctx context.Context, s ports.Store, _ int) error {
			return errorOf(s.Users().ByPublicID(ctx, sample.ID(1)))
		}},
		{"ByName", func(ctx context.Context, s ports.Store, _ int) error {
			return errorOf(s.Widgets().ByName(ctx, existing[20].Name))
		}},
		{"List", func(ctx context.Context, s ports.Store, _ int) error {
			return errorOf(s.Widgets().List(ctx, sample.Page(2, 10)))
		}},
		{"Check", func(ctx context.Context, s ports.Store, _ int) error {
			return errorOf(s.Blacklist().Check(ctx, claimsOf(token(0, time.Hour))))
		}},
		{"CheckWithCutOff", func(ctx context.Context, s ports.Store, _ int) error {
			claims := claimsOf(token(0, time.Hour))
			claims.Subject = sample.ID(1)
			return errorOf(s.Blacklist().Check(ctx, claims))
		}},
		{"ListUsers", func(ctx context.Context, s ports.Store, _ int) error {
			return errorOf(s.Users().List(ctx, sample.Page(1, 10)))
		}},
		{"AddWidget", func(ctx context.Context, s ports.Store, n int) error {
			return s.Widgets().Add(ctx, sample.Widget(fmt.Sprintf("added-%d", n)))
		}},
		{"Slice", func(ctx context.Context, s ports.Store, _ int) error {
			return errorOf(s.Widgets().Slice(ctx, byDeadline, "", 10))
		}},
		{"SliceLater", func(ctx context.Context, s ports.Store, _ int) error {
			return errorOf(s.Widgets().Slice(ctx, byDeadline, later, 10))
		}},
		{"UpdateWidget", func(ctx context.Context, s ports.Store, _ int) error {
			return errorOf(s.Widgets().Update(ctx, existing[20].Name, changeTo("changed"), condition))
		}},
		{"AddAllOf100", func(ctx context.Context, s ports.Store, n int) error {
			batch := make([]domain.Widget, 100)
			for i := range batch {
				batch[i] = sample.Widget(fmt.Sprintf("batch-%d-%d", n, i))
			}
			return errorOf(s.Widgets().AddAll(ctx, batch))
		}},
		{"AddToken", func(ctx context.Context, s ports.Store, n int) error {
			return s.Blacklist().Add(ctx, token(n, time.Hour))
		}},
		{"EndTokens", func(ctx context.Context, s ports.Store, n int) error {
			return s.Blacklist().EndTokens(ctx, cutOff(n, n, time.Hour))
		}},
	} {
		start := func(b *testing.B) func(n int) error {
			s := open(b)
			noError(b, s.Users().Add(b.Context(), sample.User(1)))
			noError(b, s.Blacklist().EndTokens(b.Context(), cutOff(1, 1, time.Hour)))
			for _, widget := range existing {
				noError(b, s.Widgets().Add(b.Context(), widget))
			}
			slice, err := s.Widgets().Slice(b.Context(), byDeadline, "", 30)
			noError(b, err)
			later = slice.Next
			b.ReportAllocs()
			return func(n int) error { return operation.call(b.Context(), s, n) }
		}
		b.Run(operation.name+"/Alone", func(b *testing.B) {
			call := start(b)
			for n := 1; b.Loop(); n++ {
				noError(b, call(n))
			}
		})
		b.Run(operation.name+"/Together", func(b *testing.B) {
			Together(b, start(b))
		})
	}
}

// Together measures call in 32 goroutines per CPU. n differs in each call.
func Together(b *testing.B, call func(n int) error) {
	var n atomic.Int64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := call(int(n.Add(1))); err != nil {
				b.Error(err)
			}
		}
	})
}

func noError(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
