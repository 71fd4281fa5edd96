package domain_test

import (
	"errors"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func TestNewClaimsSpeakOfTheUserInWholeSecondsUTC(t *testing.T) {
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

func TestClaimsAreGoodFromIssueToExpiry(t *testing.T) {
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
		"at expiry":                         {now: time.Hour, want: domain.TokenExpired},
		"after expiry":                      {now: 24 * time.Hour, want: domain.TokenExpired},
		"issued ahead by the skew":          {now: -domain.ClockSkew},
		"issued further ahead":              {now: -domain.ClockSkew - 1, want: domain.TokenInvalid},
		"not before has come":               {notBefore: issued.Add(time.Minute), now: time.Minute},
		"not before is ahead by the skew":   {notBefore: issued.Add(time.Minute), now: time.Minute - domain.ClockSkew},
		"not before is further ahead":       {notBefore: issued.Add(time.Minute), now: time.Minute - domain.ClockSkew - 1, want: domain.TokenInvalid},
		"expired before it was ever valid":  {notBefore: issued.Add(48 * time.Hour), now: 2 * time.Hour, want: domain.TokenExpired},
		"not before lies before the issue":  {notBefore: issued.Add(-time.Hour), now: 0},
		"not before issue, whatever is nbf": {notBefore: issued.Add(-time.Hour), now: -time.Minute, want: domain.TokenInvalid},
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
		t.Errorf("an administrator is refused: %v", err)
	}
	err := (domain.Claims{}).RequireAdmin()
	if !errors.Is(err, domain.Forbidden) || err.Error() != "You are not an administrator" {
		t.Errorf("anybody else gets %v", err)
	}
}

func TestBlacklistedTokenIsForgettableOnceExpired(t *testing.T) {
	t.Parallel()
	claims := domain.NewClaims(domain.UUID{1}, domain.User{}, moment("2026-11-22T06:55:04Z"), time.Hour)
	token := claims.Blacklisted()
	if want := (domain.BlacklistedToken{ID: claims.ID, ExpiresAt: claims.ExpiresAt}); token != want {
		t.Fatalf("got %+v, want %+v", token, want)
	}
	for after, want := range map[time.Duration]bool{-time.Hour: false, -1: false, 0: true, 1: true, time.Hour: true} {
		now := token.ExpiresAt.Add(after)
		if got := token.ForgettableAt(now); got != want {
			t.Errorf("%v after expiry: forgettable is %v", after, got)
		}
		if expired := errors.Is(claims.CheckAt(now), domain.TokenExpired); expired != want {
			t.Errorf("%v after expiry: forgettable is %v, expired is %v", after, want, expired)
		}
	}
}
