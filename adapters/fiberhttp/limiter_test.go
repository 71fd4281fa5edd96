package fiberhttp

import (
	"errors"
	"strconv"
	"testing"
	"time"

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
