package domain_test

import (
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func TestRevocationCheck(t *testing.T) {
	t.Parallel()
	one, other := domain.UUID{1}, domain.UUID{2}
	for name, test := range map[string]struct {
		revocation domain.Revocation
		carried    domain.UUID
		want       error
	}{
		"nothing remembered":                      {domain.Revocation{}, domain.UUID{}, nil},
		"token with a forgotten cut-off":          {domain.Revocation{}, one, nil},
		"token with the cut-off":                  {domain.Revocation{CutOff: one}, one, nil},
		"token with another cut-off":              {domain.Revocation{CutOff: one}, other, domain.ErrTokenBlacklisted},
		"token without a cut-off":                 {domain.Revocation{CutOff: one}, domain.UUID{}, domain.ErrTokenBlacklisted},
		"logged out":                              {domain.Revocation{LoggedOut: true}, domain.UUID{}, domain.ErrTokenBlacklisted},
		"logged out, token with the cut-off":      {domain.Revocation{LoggedOut: true, CutOff: one}, one, domain.ErrTokenBlacklisted},
		"account deleted":                         {domain.Revocation{CutOff: domain.AccountDeleted}, domain.UUID{}, domain.ErrTokenInvalid},
		"account deleted, logged out before":      {domain.Revocation{LoggedOut: true, CutOff: domain.AccountDeleted}, one, domain.ErrTokenInvalid},
		"account deleted, token with that cutoff": {domain.Revocation{CutOff: domain.AccountDeleted}, domain.AccountDeleted, domain.ErrTokenInvalid},
	} {
		err := test.revocation.Check(domain.Claims{CutOff: test.carried})
		if err != test.want { //nolint:errorlint // the error must be unchanged
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func TestCutOffIsRememberedAsLongAsTheLongestToken(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	now := time.Date(2026, 11, 28, 1, 2, 3, 999, time.FixedZone("", 3600))
	for ttl, lifetime := range map[time.Duration]time.Duration{
		time.Hour: year, year: year, year + time.Second: year + time.Second, 5 * year: 5 * year,
	} {
		cutOff := domain.NewCutOff(domain.UUID{1}, domain.UUID{2}, now, ttl)
		want := domain.CutOff{
			Subject: domain.UUID{1}, Value: domain.UUID{2},
			ExpiresAt: time.Date(2026, 11, 28, 0, 2, 3, 0, time.UTC).Add(lifetime), Lifetime: lifetime,
		}
		if cutOff != want {
			t.Errorf("%v: got %+v, want %+v", ttl, cutOff, want)
		}
		if got := cutOff.RetentionFrom(time.Minute); got != (domain.Retention{ExpiresAt: want.ExpiresAt, Until: lifetime + time.Minute}) {
			t.Errorf("%v: the retention is %+v", ttl, got)
		}
	}
}
