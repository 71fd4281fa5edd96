package fiberhttp

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

func TestLimiterRemembersNoMoreThanItsMaximumOfKeys(t *testing.T) {
	t.Parallel()
	l := newLimiter(1, time.Hour, &fakes.ClockMock{NowFunc: func() time.Time { return noon }})
	fail := func(email string) error {
		attempt, err := l.begin(t.Context(), limitKey{email: email}, "too many")
		if err == nil {
			attempt.settle(true)
		}
		return err
	}
	for i := range maxLimitKeys + 100 {
		if err := fail(strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.counts.Len(); got != maxLimitKeys {
		t.Errorf("remembers %d keys", got)
	}
	var limited *limitError
	if err := fail(strconv.Itoa(maxLimitKeys + 99)); !errors.As(err, &limited) || limited.wait != time.Hour {
		t.Errorf("the last key is forgotten: %v", err)
	}
	if err := fail("0"); err != nil {
		t.Errorf("the first key is remembered: %v", err)
	}
}

func TestFewWaitForAttemptsThatAreOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, time.Hour, &fakes.ClockMock{NowFunc: func() time.Time { return noon }})
		open, err := l.begin(t.Context(), limitKey{}, "too many")
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan error, maxLimitWaiters)
		for range maxLimitWaiters {
			go func() {
				attempt, err := l.begin(t.Context(), limitKey{}, "too many")
				attempt.settle(false)
				results <- err
			}()
		}
		synctest.Wait()
		if _, err := l.begin(t.Context(), limitKey{}, "too many"); !errors.Is(err, domain.Unavailable) {
			t.Errorf("one more than may wait is told %v", err)
		}
		if attempt, err := l.begin(t.Context(), limitKey{email: "another"}, "too many"); err != nil {
			t.Errorf("another key is told %v", err)
		} else {
			attempt.settle(false)
		}
		open.settle(false)
		for range maxLimitWaiters {
			if err := <-results; err != nil {
				t.Errorf("one who waited is told %v", err)
			}
		}
	})
}
