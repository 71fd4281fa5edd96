package argon2id

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/widgetd/widgetd/domain"
)

// maxBcryptBytes is the number of bytes of a password that bcrypt uses. The programs
// that made the hashes ignored the rest of a longer password, so we do the same.
const maxBcryptBytes = 72

// bcryptFormat matches the hashes that matchBcrypt verifies: the prefix of a correct
// implementation ($2x$ marks hashes of a faulty one), a cost from 4 to 16, a salt of
// 22 characters and a key of 31. A hash of cost 16 takes seconds. Without the limit, a
// damaged record could cause hours of work.
var bcryptFormat = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}$`)

func isBcrypt(hash string) bool { return strings.HasPrefix(hash, "$2") }

// matchBcrypt reports whether the bcrypt hash was made from the password, or from
// another password with the same first 72 bytes.
func (h *Hasher) matchBcrypt(ctx context.Context, hash string, password domain.Password) (bool, error) {
	if !bcryptFormat.MatchString(hash) {
		return false, errFormat
	}
	secret := []byte(password.Reveal())
	secret = secret[:min(len(secret), maxBcryptBytes)]
	var mismatch error
	if err := h.queue(ctx, func() { mismatch = bcrypt.CompareHashAndPassword([]byte(hash), secret) }); err != nil {
		return false, err
	}
	if mismatch != nil && !errors.Is(mismatch, bcrypt.ErrMismatchedHashAndPassword) {
		return false, errFormat
	}
	return mismatch == nil, nil
}
