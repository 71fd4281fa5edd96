package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// CountedBlacklist is a blacklist that knows its size.
type CountedBlacklist interface {
	ports.TokenBlacklist
	ports.TokenCounter
}

// TokenCounter tests that the stores which open returns keep the promise of
// [ports.TokenCounter]. See [TokenBlacklist] for open.
func TokenCounter(t *testing.T, open func(t *testing.T) CountedBlacklist) {
	t.Run("Count", func(t *testing.T) {
		store := open(t)
		blacklist := blacklist{t, store}
		want := func(want int) {
			t.Helper()
			if got, err := store.Count(t.Context()); err != nil || got != want {
				t.Fatalf("Count returned %d, %v, want %d", got, err, want)
			}
		}
		want(0)
		for n := range contenders {
			blacklist.add(token(n, time.Hour))
			blacklist.add(token(contenders+n, 0))
			blacklist.add(token(contenders+n, 0)) // is one
			want(2 * (n + 1))
		}
		blacklist.wantPurged(contenders)
		want(contenders)
		eachEnded(t, func(how string, ctx context.Context) {
			_, err := store.Count(ctx)
			wantKind(t, "Count "+how, err, domain.Unavailable)
		})
	})
}
