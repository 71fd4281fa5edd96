package fiberhttp

import (
	"errors"
	"net/netip"
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

// TestLimiterForgetsNobodyForAttemptsThatDoNotCount, so that nobody can make it
// forget at no cost.
func TestLimiterForgetsNobodyForAttemptsThatDoNotCount(t *testing.T) {
	t.Parallel()
	l := newLimiter(1, time.Hour, &fakes.ClockMock{NowFunc: func() time.Time { return noon }})
	settle := func(email string, counts bool) error {
		attempt, err := l.begin(t.Context(), limitKey{email: email}, "too many")
		attempt.settle(counts)
		return err
	}
	if err := settle("victim", true); err != nil {
		t.Fatal(err)
	}
	for i := range maxLimitKeys + 1 {
		if err := settle(strconv.Itoa(i), false); err != nil {
			t.Fatal(err)
		}
	}
	var limited *limitError
	if err := settle("victim", true); !errors.As(err, &limited) {
		t.Errorf("the limit is forgotten: %v", err)
	}
	if len(l.open) > 0 || l.counts.Len() != 1 {
		t.Errorf("remembers %d keys and %d open ones", l.counts.Len(), len(l.open))
	}
}

func TestNoClientAloneCrowdsOutTheOthers(t *testing.T) {
	t.Parallel()
	c := crowd{sizes: map[netip.Prefix]int{}}
	one, another := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/64")
	var leaves []func()
	for range maxCredentialChecks {
		leave, err := c.enter(one)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	if _, err := c.enter(one); !errors.Is(err, domain.Unavailable) {
		t.Errorf("one more is told %v", err)
	}
	leave, err := c.enter(another)
	if err != nil {
		t.Fatalf("another client is told %v", err)
	}
	leave()
	leaves[0]()
	if leaves[0], err = c.enter(one); err != nil {
		t.Errorf("after one has left, the next is told %v", err)
	}
	for _, leave := range leaves {
		leave()
	}
	if len(c.sizes) > 0 {
		t.Errorf("remembers %d clients of whom nothing is under way", len(c.sizes))
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
