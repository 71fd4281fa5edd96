package domain

import "time"

// TokenKey describes a key of tokens. It does not hold the key itself.
type TokenKey struct {
	ID        string    // the kid of its tokens
	Algorithm string    // HS256, EdDSA, ES256 or RS256
	Signs     bool      // it signs new tokens; else it only verifies
	Since     time.Time // when it began to sign; zero: unknown
	Until     time.Time // when it stops verifying; zero: no time is set
}
