package argon2id

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/widgetd/widgetd/domain"
)

// maxBcryptBytes is how much of a password bcrypt sees. Implementations of old
// ignore the rest without a word, and their hashes are what we verify.
const maxBcryptBytes = 72

// bcryptFormat has the prefixes of the hashes that are correct ($2x$ is not), a
// cost from 4 to 16, which takes seconds, and in 22 and 31 characters the salt
// and the key. A damaged record could otherwise ask for hours of work.
var bcryptFormat = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}$`)

func isBcrypt(hash string) bool { return strings.HasPrefix(hash, "$2") }

// matchBcrypt reports whether the bcrypt hash was made from the password, or
// from another with the same first 72 bytes.
func (h *Hasher) matchBcrypt(ctx context.Context, hash string, password domain.Password) (bool, error) {
	if !bcryptFormat.MatchString(hash) {
		return false, errFormat
	}
	secret := []byte(password.Reveal())
	secret = secret[:min(len(secret), maxBcryptBytes)]
	var mismatch error
	if err := h.inTurn(ctx, func() { mismatch = bcrypt.CompareHashAndPassword([]byte(hash), secret) }); err != nil {
		return false, err
	}
	if mismatch != nil && !errors.Is(mismatch, bcrypt.ErrMismatchedHashAndPassword) {
		return false, errFormat
	}
	return mismatch == nil, nil
}
