package ports

import "github.com/widgetd/widgetd/domain"

// TokenSigner converts claims into signed tokens and back.
type TokenSigner interface {
	// Sign returns the claims as a signed token. It truncates times to whole seconds. It
	// returns an error for claims that Verify would refuse: a zero ID or Subject, or a
	// time before 1970 or after the year 9999.
	Sign(claims domain.Claims) (string, error)

	// Verify returns the claims of a token that Sign made with the same key. For
	// every other token it returns ErrTokenInvalid: for one that was altered, has
	// another signature algorithm or key, lacks a claim, or has a claim of the
	// wrong type. It ignores further claims, and truncates fractions of seconds.
	// Verify does not check times: see [domain.Claims.CheckAt].
	Verify(token string) (domain.Claims, error)
}
