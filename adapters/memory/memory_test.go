package memory_test

import (
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestStore(t *testing.T) {
	t.Parallel()
	conformance.Store(t, func(_ *testing.T, clock ports.Clock) ports.Store { return memory.NewWithClock(clock) })
}

// The repositories can also be used without a store.

func TestUsersAlone(t *testing.T) {
	t.Parallel()
	conformance.UserRepository(t, func(*testing.T) ports.UserRepository { return memory.NewUsers() })
}

func TestWidgetsAlone(t *testing.T) {
	t.Parallel()
	conformance.WidgetRepository(t, func(*testing.T) ports.WidgetRepository { return memory.NewWidgets() })
}

func TestBlacklistAlone(t *testing.T) {
	t.Parallel()
	conformance.TokenBlacklist(t, func(_ *testing.T, clock ports.Clock) ports.TokenBlacklist {
		return memory.NewBlacklistWithClock(clock)
	})
}

// TestBlacklistCountsTheTimeOfTheProcess purges with a wall clock that is a year ahead.
func TestBlacklistCountsTheTimeOfTheProcess(t *testing.T) {
	t.Parallel()
	b := memory.NewBlacklist()
	short := domain.CutOff{Subject: sample.ID(1), Value: sample.ID(11), ExpiresAt: sample.Time()}
	long := domain.CutOff{Subject: sample.ID(2), Value: sample.ID(12), ExpiresAt: sample.Time(), Lifetime: time.Hour}
	for _, cutOff := range []domain.CutOff{short, long} {
		if err := b.EndTokens(t.Context(), cutOff); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := b.Purge(t.Context(), long.ExpiresAt.AddDate(1, 0, 0)); n != 1 || err != nil {
		t.Errorf("Purge returned %d, %v, want 1", n, err)
	}
	if got, err := b.CutOff(t.Context(), long.Subject); got != long.Value || err != nil {
		t.Errorf("CutOff returned %s, %v, want %s", got, err, long.Value)
	}
}

func BenchmarkStore(b *testing.B) {
	conformance.BenchmarkStore(b, func(*testing.B) ports.Store { return memory.New() })
}
