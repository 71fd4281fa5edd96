package ratelimit

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

// newLimiter returns a limiter of one event an hour, and its running time. A call of
// the wall clock panics.
func newLimiter() (*Limiter, *time.Duration) {
	running := 5 * time.Minute
	clock := &fakes.ClockMock{RunningFunc: func() time.Duration { return running }}
	return New(Config{Limit: 1, Window: time.Hour, Message: "too many", Clock: clock}), &running
}

// attempt begins an attempt and ends it.
func attempt(t *testing.T, l *Limiter, email string, isEvent bool) error {
	t.Helper()
	attempt, err := l.Begin(t.Context(), Key{Email: email})
	if err == nil {
		attempt.End(isEvent)
	}
	return err
}

func TestBeginReturnsExceededErrorUntilTheWindowEnds(t *testing.T) {
	t.Parallel()
	l, running := newLimiter()
	if err := attempt(t, l, "a", true); err != nil {
		t.Fatal(err)
	}
	*running += time.Hour - time.Second
	var exceeded *ExceededError
	if err := attempt(t, l, "a", true); !errors.As(err, &exceeded) || exceeded.RetryAfter != time.Second || exceeded.Error() != "too many" {
		t.Errorf("got %#v, want an ExceededError with RetryAfter 1s", err)
	}
	if err := attempt(t, l, "b", true); err != nil {
		t.Errorf("another key: %v", err)
	}
	*running += time.Second
	if err := attempt(t, l, "a", true); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

func TestLimitZeroIsNoLimit(t *testing.T) {
	t.Parallel()
	l := New(Config{Window: time.Hour})
	for range 1000 {
		if err := attempt(t, l, "a", true); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLimiterRemembersAtMostMaxKeys(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter()
	for i := range maxKeys + 100 {
		if err := attempt(t, l, strconv.Itoa(i), true); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.counters.Len(); got != maxKeys {
		t.Errorf("got %d keys, want %d", got, maxKeys)
	}
	var exceeded *ExceededError
	if err := attempt(t, l, strconv.Itoa(maxKeys+99), true); !errors.As(err, &exceeded) || exceeded.RetryAfter != time.Hour {
		t.Errorf("the last key: %v, want an ExceededError", err)
	}
	if err := attempt(t, l, "0", true); err != nil {
		t.Errorf("the first key: %v, want no error", err)
	}
}

// TestAttemptsThatAreNoEventsDisplaceNoKey proves that a client cannot clear the
// limiter with attempts that are not counted.
func TestAttemptsThatAreNoEventsDisplaceNoKey(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter()
	if err := attempt(t, l, "victim", true); err != nil {
		t.Fatal(err)
	}
	for i := range maxKeys + 1 {
		if err := attempt(t, l, strconv.Itoa(i), false); err != nil {
			t.Fatal(err)
		}
	}
	var exceeded *ExceededError
	if err := attempt(t, l, "victim", true); !errors.As(err, &exceeded) {
		t.Errorf("got %v, want an ExceededError", err)
	}
	if len(l.active) > 0 || l.counters.Len() != 1 {
		t.Errorf("got %d keys with events and %d with attempts, want 1 and 0", l.counters.Len(), len(l.active))
	}
}

func TestBeginWaitsForAttemptsInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := newLimiter()
		first, err := l.Begin(t.Context(), Key{})
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan error, maxWaiting)
		for range maxWaiting {
			go func() { results <- attempt(t, l, "", false) }()
		}
		synctest.Wait()
		if err := attempt(t, l, "", false); !errors.Is(err, domain.Unavailable) {
			t.Errorf("one more than may wait: %v, want Unavailable", err)
		}
		if err := attempt(t, l, "another", false); err != nil {
			t.Errorf("another key: %v", err)
		}
		first.End(false)
		for range maxWaiting {
			if err := <-results; err != nil {
				t.Errorf("an attempt that waited: %v", err)
			}
		}
	})
}

func TestBeginReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter()
	if _, err := l.Begin(t.Context(), Key{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Begin(ctx, Key{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
