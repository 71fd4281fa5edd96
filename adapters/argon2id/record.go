package argon2id

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Lengths that a stored hash may have, by the PHC string format's section on
// Argon2.
const (
	minSaltBytes, maxSaltBytes = 8, 48
	minKeyBytes, maxKeyBytes   = 12, 64
)

// errFormat says nothing of the hash, which is a secret.
var errFormat = errors.New("argon2id: the stored password hash is of a format that is not understood")

// record is an Argon2id hash with all that is needed to make it again.
type record struct {
	params Params
	salt   []byte
	key    []byte
}

// String returns the record as a PHC string, which has one form only.
func (r record) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		r.params.MemoryKiB, r.params.Iterations, r.params.Parallelism,
		base64.RawStdEncoding.EncodeToString(r.salt), base64.RawStdEncoding.EncodeToString(r.key))
}

// parseRecord is the inverse of [record.String].
func parseRecord(text string) (record, error) {
	fields := strings.Split(text, "$") // "", argon2id, v=…, m=…,t=…,p=…, salt, key
	if len(fields) != 6 {
		return record{}, errFormat
	}
	var r record
	_, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &r.params.MemoryKiB, &r.params.Iterations, &r.params.Parallelism)
	if err != nil {
		return record{}, errFormat
	}
	// Whatever these cannot decode makes the texts differ, as does anything that
	// Sscanf left over and every field not looked at.
	r.salt, _ = base64.RawStdEncoding.DecodeString(fields[4])
	r.key, _ = base64.RawStdEncoding.DecodeString(fields[5])
	if r.String() != text ||
		len(r.salt) < minSaltBytes || len(r.salt) > maxSaltBytes ||
		len(r.key) < minKeyBytes || len(r.key) > maxKeyBytes {
		return record{}, errFormat
	}
	if err := r.params.check(); err != nil {
		return record{}, fmt.Errorf("argon2id: the stored password hash is not usable: %w", err)
	}
	return r, nil
}
