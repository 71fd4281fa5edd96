package domain

import "time"

// ClockSkew is how far ahead of ours the clock of another server that signs
// tokens may run (RFC 7519 section 4.1.5 allows "a few" for that).
const ClockSkew = 5 * time.Second

// Claims is what a token says (RFC 7519 section 4.1), all of it required save
// NotBefore. Times are whole seconds in UTC.
type Claims struct {
	ID        UUID // jti: this token, no other
	Subject   UUID // sub: the user's public id
	Admin     bool // admin
	IssuedAt  time.Time
	NotBefore time.Time // zero when the token has no nbf; ours have none
	ExpiresAt time.Time
}

// NewClaims returns the claims of a token with the given id, issued to user now
// and good for ttl, which is whole seconds.
func NewClaims(id UUID, user User, now time.Time, ttl time.Duration) Claims {
	issuedAt := now.UTC().Truncate(time.Second)
	return Claims{
		ID:        id,
		Subject:   user.PublicID,
		Admin:     user.Admin,
		IssuedAt:  issuedAt,
		ExpiresAt: issuedAt.Add(ttl),
	}
}

// CheckAt returns nil while the token is good, [TokenExpired] on or after its
// expiry, and [TokenInvalid] while it is not valid yet: before NotBefore, or
// issued in a future further away than [ClockSkew].
func (c Claims) CheckAt(now time.Time) error {
	switch horizon := now.Add(ClockSkew); {
	case !now.Before(c.ExpiresAt):
		return TokenExpired
	case c.IssuedAt.After(horizon) || c.NotBefore.After(horizon):
		return TokenInvalid
	}
	return nil
}

// RequireAdmin returns a [Forbidden] error unless the token is an
// administrator's.
func (c Claims) RequireAdmin() error {
	if !c.Admin {
		return &Error{Kind: Forbidden, Message: "You are not an administrator"}
	}
	return nil
}

// BlacklistedToken is a token that was logged out. It is remembered until it
// would have expired anyway.
type BlacklistedToken struct {
	ID        UUID      // the token's jti
	ExpiresAt time.Time // UTC, whole seconds
}

// Blacklisted returns the claims' token as a logged-out one.
func (c Claims) Blacklisted() BlacklistedToken {
	return BlacklistedToken{ID: c.ID, ExpiresAt: c.ExpiresAt}
}

// ForgettableAt reports whether the token has expired by itself, so that the
// blacklist need not remember it.
func (t BlacklistedToken) ForgettableAt(now time.Time) bool { return !now.Before(t.ExpiresAt) }

// AccessToken is a signed token on its way to its owner.
type AccessToken struct {
	Text      string
	ExpiresIn time.Duration // whole seconds, from the moment of issue
}
