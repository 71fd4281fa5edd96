package domain

import "time"

// CutOff ends the tokens of an account: every token that carries another value, or
// none, is refused. A token carries the value of the account's cut-off at the time of
// its issue, in [Claims.CutOff].
//
// The value is random and does not depend on a clock. So two cut-offs within one second
// differ, and a cut-off that is set after a backup was restored differs from all that were
// set before.
//
// To issue a token: read the cut-off, then read the account, then check the password.
// To end tokens: write the account, then write the cut-off. Then no token that was
// issued for the account as it was before carries the new value.
type CutOff struct {
	Subject UUID // the account's public id
	Value   UUID // random, or AccountDeleted

	// The blacklist remembers the cut-off until ExpiresAt by the wall clock and for
	// Lifetime by the running time: see [Retention].
	ExpiresAt time.Time
	Lifetime  time.Duration
}

// AccountDeleted is the value of the cut-off of a deleted account: the Max UUID (RFC
// 9562 section 5.10). No token carries it.
var AccountDeleted = UUID{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}

// minCutOffLifetime is the minimum Lifetime of a cut-off. It is longer than any reasonable
// lifetime of a token: when an earlier token was issued, the setting for the lifetime of
// tokens may have been longer than it is now.
const minCutOffLifetime = 365 * 24 * time.Hour

// NewCutOff returns a cut-off that is set at now. The ttl is the lifetime of new tokens.
func NewCutOff(subject, value UUID, now time.Time, ttl time.Duration) CutOff {
	lifetime := max(ttl, minCutOffLifetime)
	return CutOff{
		Subject:   subject,
		Value:     value,
		ExpiresAt: now.UTC().Truncate(time.Second).Add(lifetime),
		Lifetime:  lifetime,
	}
}

// RetentionFrom returns how long the blacklist must remember a cut-off that is set at
// the given running time of the store.
func (c CutOff) RetentionFrom(running time.Duration) Retention {
	return retentionFrom(running, c.ExpiresAt, c.Lifetime)
}

// Revocation is the state of a token and of its account in the blacklist.
type Revocation struct {
	LoggedOut bool // the token's id is on the blacklist
	CutOff    UUID // the value of the cut-off of the token's account; zero if it has none
}

// Check returns nil if the token with the claims is not revoked. It returns
// [ErrTokenBlacklisted] if the token was logged out or its account's tokens were
// ended after its issue, and [ErrTokenInvalid] if its account was deleted.
func (r Revocation) Check(claims Claims) error {
	switch {
	case r.CutOff == AccountDeleted:
		return ErrTokenInvalid
	case r.LoggedOut, r.CutOff != UUID{} && r.CutOff != claims.CutOff:
		return ErrTokenBlacklisted
	}
	return nil
}
