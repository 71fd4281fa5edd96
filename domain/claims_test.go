package domain_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func TestNewClaimsDescribeTheUserInWholeSecondsUTC(t *testing.T) {
	t.Parallel()
	for _, admin := range []bool{false, true} {
		user := domain.User{PublicID: domain.UUID{2}, Admin: admin}
		got := domain.NewClaims(domain.UUID{1}, user, moment("2026-11-22T08:55:04.999999999+02:00"), time.Hour)
		want := domain.Claims{
			ID:        domain.UUID{1},
			Subject:   domain.UUID{2},
			Admin:     admin,
			IssuedAt:  time.Date(2026, 11, 22, 6, 55, 4, 0, time.UTC),
			ExpiresAt: time.Date(2026, 11, 22, 7, 55, 4, 0, time.UTC),
		}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestClaimsAreValidFromIssueToExpiry(t *testing.T) {
	t.Parallel()
	issued := moment("2026-11-22T06:55:04Z")
	for name, test := range map[string]struct {
		notBefore time.Time
		now       time.Duration // after issue
		want      error
	}{
		"at issue":                          {now: 0},
		"in the middle":                     {now: 30 * time.Minute},
		"just before expiry":                {now: time.Hour - 1},
		"at expiry":                         {now: time.Hour, want: domain.ErrTokenExpired},
		"after expiry":                      {now: 24 * time.Hour, want: domain.ErrTokenExpired},
		"issued ahead by the skew":          {now: -domain.ClockSkew},
		"issued further ahead":              {now: -domain.ClockSkew - 1, want: domain.ErrTokenInvalid},
		"not before has passed":             {notBefore: issued.Add(time.Minute), now: time.Minute},
		"not before is ahead by the skew":   {notBefore: issued.Add(time.Minute), now: time.Minute - domain.ClockSkew},
		"not before is further ahead":       {notBefore: issued.Add(time.Minute), now: time.Minute - domain.ClockSkew - 1, want: domain.ErrTokenInvalid},
		"expired before it became valid":    {notBefore: issued.Add(48 * time.Hour), now: 2 * time.Hour, want: domain.ErrTokenExpired},
		"not before lies before the issue":  {notBefore: issued.Add(-time.Hour), now: 0},
		"before the issue, whatever nbf is": {notBefore: issued.Add(-time.Hour), now: -time.Minute, want: domain.ErrTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claims := domain.NewClaims(domain.UUID{1}, domain.User{}, issued, time.Hour)
			claims.NotBefore = test.notBefore
			if err := claims.CheckAt(issued.Add(test.now)); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestOnlyAdministratorsPassRequireAdmin(t *testing.T) {
	t.Parallel()
	if err := (domain.Claims{Admin: true}).RequireAdmin(); err != nil {
		t.Errorf("RequireAdmin refuses an administrator: %v", err)
	}
	err := (domain.Claims{}).RequireAdmin()
	if !errors.Is(err, domain.Forbidden) || err.Error() != "You are not an administrator" {
		t.Errorf("RequireAdmin returns %v for a user who is no administrator", err)
	}
}

func TestBlacklistedTokenExpiresWithItsClaims(t *testing.T) {
	t.Parallel()
	claims := domain.NewClaims(domain.UUID{1}, domain.User{}, moment("2026-11-22T06:55:04Z"), time.Hour)
	token := domain.NewBlacklistedToken(claims)
	if want := (domain.BlacklistedToken{ID: claims.ID, ExpiresAt: claims.ExpiresAt, Lifetime: time.Hour}); token != want {
		t.Fatalf("got %+v, want %+v", token, want)
	}
	for after, want := range map[time.Duration]bool{-time.Hour: false, -1: false, 0: true, 1: true, time.Hour: true} {
		now := token.ExpiresAt.Add(after)
		if got := token.ExpiredAt(now); got != want {
			t.Errorf("%v after expiry: ExpiredAt is %v", after, got)
		}
		if expired := errors.Is(claims.CheckAt(now), domain.ErrTokenExpired); expired != want {
			t.Errorf("%v after expiry: ExpiredAt is %v, CheckAt says expired is %v", after, want, expired)
		}
	}
}

// TestLifetimeIsNeverNegative has claims of tokens that another program may have signed.
func TestLifetimeIsNeverNegative(t *testing.T) {
	t.Parallel()
	issued := moment("2026-11-22T06:55:04Z")
	for name, test := range map[string]struct {
		expires time.Time
		want    time.Duration
	}{
		"at issue":          {issued, 0},
		"before issue":      {issued.Add(-time.Hour), 0},
		"a second":          {issued.Add(time.Second), time.Second},
		"after 290 years":   {issued.AddDate(1000, 0, 0), math.MaxInt64},
		"long before issue": {issued.AddDate(-1000, 0, 0), 0},
	} {
		if got := domain.NewBlacklistedToken(domain.Claims{IssuedAt: issued, ExpiresAt: test.expires}).Lifetime; got != test.want {
			t.Errorf("a token that expires %s has the lifetime %v, want %v", name, got, test.want)
		}
	}
}

// TestWatermarkCoversOnlyTokensOfEarlierReleases has the watermark of a release whose
// clock was ahead.
func TestWatermarkCoversOnlyTokensOfEarlierReleases(t *testing.T) {
	t.Parallel()
	watermark := moment("2027-11-22T07:55:04Z")
	for _, test := range []struct {
		version byte
		expires time.Time
		want    bool
	}{
		{4, watermark, true},
		{4, watermark.Add(-time.Hour), true},
		{4, watermark.Add(time.Second), false},
		{7, watermark, false},
		{7, watermark.Add(-time.Hour), false},
	} {
		token := domain.BlacklistedToken{ID: domain.UUID{6: test.version << 4}, ExpiresAt: test.expires}
		if got := token.ForgottenThrough(watermark); got != test.want {
			t.Errorf("UUID version %d, expiry %v: ForgottenThrough is %v", test.version, test.expires, got)
		}
	}
}
