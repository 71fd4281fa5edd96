package argon2id

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The permitted lengths in a stored hash (PHC string format, section on Argon2).
const (
	minSaltBytes, maxSaltBytes = 8, 48
	minKeyBytes, maxKeyBytes   = 12, 64
)

// errFormat does not contain the hash, which is secret.
var errFormat = errors.New("argon2id: the stored password hash has an unknown format")

// record is an Argon2id hash with its salt and parameters.
type record struct {
	params Params
	salt   []byte
	key    []byte
}

// String returns the record as a PHC string. Equal records have equal strings.
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
	// Errors of the parsing are ignored here. The comparison with r.String() below finds
	// them all: text that is not base64, text after the values that Sscanf reads, and
	// wrong values in the fields that are not parsed.
	r.salt, _ = base64.RawStdEncoding.DecodeString(fields[4])
	r.key, _ = base64.RawStdEncoding.DecodeString(fields[5])
	if r.String() != text ||
		len(r.salt) < minSaltBytes || len(r.salt) > maxSaltBytes ||
		len(r.key) < minKeyBytes || len(r.key) > maxKeyBytes {
		return record{}, errFormat
	}
	if err := r.params.check(); err != nil {
		return record{}, fmt.Errorf("argon2id: the stored password hash has invalid parameters: %w", err)
	}
	return r, nil
}
