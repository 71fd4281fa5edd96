package domain

import "time"

// ClockSkew is the allowed difference between the clocks of two servers. A token
// is accepted if its IssuedAt or NotBefore is at most this far in the future (RFC
// 7519 section 4.1.5).
const ClockSkew = 5 * time.Second

// Claims is the content of a token (RFC 7519 section 4.1). All claims but
// NotBefore, CutOff, Issuer and Audience are required. Times are whole seconds in UTC.
type Claims struct {
	ID        UUID // jti: the token's own id
	Subject   UUID // sub: the user's public id
	Admin     bool // admin
	IssuedAt  time.Time
	NotBefore time.Time // nbf; zero if the token has no such claim; NewClaims does not set it
	ExpiresAt time.Time
	CutOff    UUID   // cut_off: see [CutOff]; zero if the token has no such claim
	Issuer    string // iss; empty if the token has no such claim; the signer sets it
	Audience  string // aud; as Issuer
}

// NewClaims returns the claims of a token with the given id, issued to user at
// now, that expires after ttl. The ttl must be whole seconds. CutOff is not set.
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

// CheckAt returns nil if the token is valid at now. It returns
// [ErrTokenExpired] at and after the expiry, and [ErrTokenInvalid] while
// IssuedAt or NotBefore lies more than [ClockSkew] in the future.
func (c Claims) CheckAt(now time.Time) error {
	switch horizon := now.Add(ClockSkew); {
	case !now.Before(c.ExpiresAt):
		return ErrTokenExpired
	case c.IssuedAt.After(horizon) || c.NotBefore.After(horizon):
		return ErrTokenInvalid
	}
	return nil
}

// RequireAdmin returns a [Forbidden] error unless the token belongs to an
// administrator.
func (c Claims) RequireAdmin() error {
	if !c.Admin {
		return ErrNotAdministrator
	}
	return nil
}

// BlacklistedToken is a token that was logged out.
type BlacklistedToken struct {
	ID        UUID          // the token's jti
	ExpiresAt time.Time     // UTC, whole seconds
	Lifetime  time.Duration // from the token's issue to its expiry; not negative
}

// NewBlacklistedToken returns the blacklist's entry for the token with the given
// claims.
func NewBlacklistedToken(claims Claims) BlacklistedToken {
	return BlacklistedToken{
		ID:        claims.ID,
		ExpiresAt: claims.ExpiresAt,
		Lifetime:  max(claims.ExpiresAt.Sub(claims.IssuedAt), 0),
	}
}

// ExpiredAt reports whether the token has expired at now.
func (t BlacklistedToken) ExpiredAt(now time.Time) bool { return !now.Before(t.ExpiresAt) }

// RetentionFrom returns how long the blacklist must remember a token that is
// logged out at the given running time of the store. The wall clock alone does not
// decide: if it were ahead for some time, the blacklist would forget tokens that
// are valid again when the clock is right.
func (t BlacklistedToken) RetentionFrom(running time.Duration) Retention {
	return retentionFrom(running, t.ExpiresAt, t.Lifetime)
}

// ForgottenThrough reports whether an earlier release may have forgotten the
// token. Those releases forgot logged-out tokens by the wall clock alone and kept a
// watermark: the latest expiry of the forgotten tokens. Their tokens have ids of
// UUID version 4, later ones of version 7. So the watermark refuses no token that a
// later release issued, also if the clock was wrong when it was stored.
func (t BlacklistedToken) ForgottenThrough(watermark time.Time) bool {
	return t.ID.Version() == 4 && t.ExpiredAt(watermark)
}

// AccessToken is a signed token as it is sent to its owner.
type AccessToken struct {
	Text      string
	ExpiresIn time.Duration // whole seconds, counted from the time of issue
}
