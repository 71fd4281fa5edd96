package domain_test

import (
	"math"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func TestRetentionEndsByBothClocks(t *testing.T) {
	t.Parallel()
	expiry := moment("2026-11-22T07:55:04Z")
	token := domain.BlacklistedToken{ExpiresAt: expiry, Lifetime: time.Hour}
	retention := token.RetentionFrom(10 * time.Hour)
	if want := (domain.Retention{ExpiresAt: expiry, Until: 11 * time.Hour}); retention != want {
		t.Fatalf("got %+v, want %+v", retention, want)
	}
	for name, test := range map[string]struct {
		wall, running time.Duration // after the ends
		want          bool
	}{
		"both clocks are at the ends":                {0, 0, true},
		"both clocks are past the ends":              {time.Hour, time.Hour, true},
		"the wall clock is behind":                   {-1, time.Hour, false},
		"the wall clock is a year behind":            {-365 * 24 * time.Hour, time.Hour, false},
		"the wall clock is a year ahead":             {365 * 24 * time.Hour, -1, false},
		"the wall clock is ahead, the lifetime over": {365 * 24 * time.Hour, 0, true},
	} {
		if got := retention.EndedAt(expiry.Add(test.wall), retention.Until+test.running); got != test.want {
			t.Errorf("%s: EndedAt is %v", name, got)
		}
	}
	token.Lifetime = math.MaxInt64
	if got := token.RetentionFrom(time.Hour).Until; got != math.MaxInt64 {
		t.Errorf("the longest lifetime ends at %v", got)
	}
}

func TestExtendedRetentionHasTheLaterEnds(t *testing.T) {
	t.Parallel()
	early, late := moment("2026-11-22T07:55:04Z"), moment("2026-11-22T08:55:04Z")
	want := domain.Retention{ExpiresAt: late, Until: 2 * time.Hour}
	for _, pair := range [][2]domain.Retention{
		{{ExpiresAt: early, Until: time.Hour}, want},
		{{ExpiresAt: late, Until: time.Hour}, {ExpiresAt: early, Until: 2 * time.Hour}},
		{want, want},
	} {
		if got := pair[0].Extended(pair[1]); got != want {
			t.Errorf("%+v extended by %+v is %+v", pair[0], pair[1], got)
		}
		if got := pair[1].Extended(pair[0]); got != want {
			t.Errorf("%+v extended by %+v is %+v", pair[1], pair[0], got)
		}
	}
}

func TestWholeSecondsRoundsUpWherePossible(t *testing.T) {
	t.Parallel()
	for lifetime, want := range map[time.Duration]time.Duration{
		0:                             0,
		1:                             time.Second,
		time.Second:                   time.Second,
		time.Second + 1:               2 * time.Second,
		math.MaxInt64:                 time.Duration(math.MaxInt64).Truncate(time.Second),
		math.MaxInt64 - time.Second:   time.Duration(math.MaxInt64).Truncate(time.Second),
		math.MaxInt64 - 2*time.Second: (math.MaxInt64 - time.Second).Truncate(time.Second),
	} {
		if got := domain.WholeSeconds(lifetime); got != want {
			t.Errorf("WholeSeconds(%d) is %d, want %d", lifetime, got, want)
		}
	}
}
