package memory_test

import (
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

// newAttemptLimiter returns a limiter and a function that moves its running time on. A call
// of the wall clock panics.
func newAttemptLimiter() (limiter *memory.AttemptLimiter, elapse func(time.Duration)) {
	clock := &runningClock{}
	clock.running.Store(int64(5 * time.Minute))
	return memory.NewAttemptLimiter(clock), func(d time.Duration) { clock.running.Add(int64(d)) }
}

// runningClock is a clock without a wall clock.
type runningClock struct {
	ports.Clock
	running atomic.Int64
}

func (c *runningClock) Running() time.Duration { return time.Duration(c.running.Load()) }

func TestAttemptLimiter(t *testing.T) {
	t.Parallel()
	conformance.AttemptLimiter(t, func(*testing.T) (ports.AttemptLimiter, func(time.Duration)) { return newAttemptLimiter() })
}

// single is a limit of one event.
func single() domain.AttemptLimit {
	return domain.AttemptLimit{Name: "failures", Max: 1, Window: time.Hour}
}

// attempt begins an attempt and ends it.
func attempt(t *testing.T, l *memory.AttemptLimiter, key string, isEvent bool) error {
	t.Helper()
	end, err := l.Begin(t.Context(), single(), key)
	if err == nil {
		end(isEvent)
	}
	return err
}

func isLimitReached(err error, after time.Duration) bool {
	reached, ok := errors.AsType[*domain.LimitReachedError](err)
	return ok && reached.RetryAfter == after
}

func TestAttemptsAreRefusedUntilTheWindowEnds(t *testing.T) {
	t.Parallel()
	l, elapse := newAttemptLimiter()
	if err := attempt(t, l, "a", true); err != nil {
		t.Fatal(err)
	}
	elapse(time.Hour - time.Nanosecond)
	if err := attempt(t, l, "a", true); !isLimitReached(err, time.Nanosecond) {
		t.Errorf("got %v, want a LimitReachedError with RetryAfter 1ns", err)
	}
	elapse(time.Nanosecond)
	if err := attempt(t, l, "a", true); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

func TestAttemptLimiterRemembersAtMostMaxKeys(t *testing.T) {
	t.Parallel()
	l, _ := newAttemptLimiter()
	const more = 100
	for i := range memory.MaxAttemptKeys + more {
		if err := attempt(t, l, strconv.Itoa(i), true); err != nil {
			t.Fatal(err)
		}
	}
	for i, forgotten := range map[int]bool{0: true, more - 1: true, more + 1: false, memory.MaxAttemptKeys + more - 1: false} {
		if err := attempt(t, l, strconv.Itoa(i), false); (err == nil) != forgotten {
			t.Errorf("the key %d: got %v, want that it is forgotten: %v", i, err, forgotten)
		}
	}
}

// TestAttemptsThatAreNoEventsDisplaceNoKey proves that a client cannot clear the limiter with
// attempts that are not counted.
func TestAttemptsThatAreNoEventsDisplaceNoKey(t *testing.T) {
	t.Parallel()
	l, _ := newAttemptLimiter()
	if err := attempt(t, l, "victim", true); err != nil {
		t.Fatal(err)
	}
	for i := range memory.MaxAttemptKeys + 1 {
		if err := attempt(t, l, strconv.Itoa(i), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := attempt(t, l, "victim", true); !isLimitReached(err, time.Hour) {
		t.Errorf("got %v, want a LimitReachedError", err)
	}
	if counters, active := l.Remembered(); counters != 1 || active != 0 {
		t.Errorf("got %d keys with events and %d with attempts, want 1 and 0", counters, active)
	}
}

func TestFewAttemptsOfAKeyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := newAttemptLimiter()
		end, err := l.Begin(t.Context(), single(), "key")
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan error, memory.MaxWaiting)
		for range memory.MaxWaiting {
			go func() { results <- attempt(t, l, "key", false) }()
		}
		synctest.Wait()
		if err := attempt(t, l, "key", false); !errors.Is(err, domain.Unavailable) {
			t.Errorf("one more than may wait: %v, want Unavailable", err)
		}
		if err := attempt(t, l, "another", false); err != nil {
			t.Errorf("another key: %v", err)
		}
		end(false)
		for range memory.MaxWaiting {
			if err := <-results; err != nil {
				t.Errorf("an attempt that waited: %v", err)
			}
		}
	})
}
