package ports

import (
	"context"

	"github.com/widgetd/widgetd/domain"
)

// PasswordHasher makes and verifies password hashes. Both methods are slow by
// design.
type PasswordHasher interface {
	// Hash returns a salted hash of the password. The text of the hash contains
	// the salt and the parameters of the algorithm. Every byte of the password
	// counts: Hash does not cut, trim or normalize it.
	Hash(ctx context.Context, password domain.Password) (domain.PasswordHash, error)

	// Verify reports whether the hash was made from the password. If so, it also
	// reports whether the hash is outdated: the caller should then replace it by
	// a new hash of the password. No password matches an empty hash. A call with
	// an empty hash takes as long as a call with a hash that Hash returned. No
	// password matches a damaged hash, for which Verify may return an error of no
	// kind. The results are false with every error.
	Verify(ctx context.Context, hash domain.PasswordHash, password domain.Password) (match, outdated bool, err error)
}
