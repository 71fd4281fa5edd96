package domain

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"unique"
)

// PasswordHash is a hash of a password, in the password hasher's own format. The zero
// value is no hash: no password matches it. Hashes with the same text are equal.
//
// It prints as asterisks, and encoding/json writes {}, so that no hash reaches a log or
// a response by accident. A store writes the text that Reveal returns.
type PasswordHash struct {
	// Package fmt calls no method of a value in an unexported field. It prints a string
	// there, and only the address of a handle.
	text unique.Handle[string]
}

// NewPasswordHash returns the hash with the given text, from a password hasher or from
// a store.
func NewPasswordHash(text string) PasswordHash {
	if text == "" {
		return PasswordHash{}
	}
	return PasswordHash{text: unique.Make(text)}
}

// Reveal returns the text of the hash, for a password hasher or a store.
func (h PasswordHash) Reveal() string {
	if h == (PasswordHash{}) {
		return ""
	}
	return h.text.Value()
}

// String returns asterisks.
func (h PasswordHash) String() string { return asterisks }

// Format writes asterisks, whatever the verb.
func (h PasswordHash) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, asterisks) }

// ParsePasswordHash returns a hash that another program has made, or an [Invalid] error,
// which does not have the text. The text is a bcrypt hash ($2a$, $2b$ or $2y$) of a cost
// from 4 to 16, or an Argon2id hash of version 19 as a PHC string:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>
//
// Its memory m, in KiB, must be at least 8 times p and at most 1 GiB, and m times the
// iterations t at most 4 GiB. The salt has 8 to 48 bytes, the key 12 to 64. Package argon2id
// verifies exactly these hashes.
func ParsePasswordHash(text string) (PasswordHash, error) {
	switch {
	case text == "":
		return PasswordHash{}, ErrMissing
	case !bcryptHash.MatchString(text) && !isArgon2idHash(text):
		return PasswordHash{}, invalid("must be a bcrypt hash ($2a$, $2b$ or $2y$, cost 4 to 16) or an Argon2id hash ($argon2id$v=19$m=…,t=…,p=…$…$…) within the limits of the program")
	}
	return NewPasswordHash(text), nil
}

var (
	bcryptHash   = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}$`)
	argon2idHash = regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]*),t=([1-9][0-9]*),p=([1-9][0-9]*)\$([+/A-Za-z0-9]+)\$([+/A-Za-z0-9]+)$`)
)

// isArgon2idHash reports whether the text is an Argon2id hash within the limits of
// [ParsePasswordHash].
func isArgon2idHash(text string) bool {
	const gibibyte = 1 << 20 // in KiB
	parts := argon2idHash.FindStringSubmatch(text)
	if parts == nil {
		return false
	}
	memory, memoryErr := strconv.ParseUint(parts[1], 10, 32)
	iterations, iterationsErr := strconv.ParseUint(parts[2], 10, 32)
	lanes, lanesErr := strconv.ParseUint(parts[3], 10, 8)
	salt, saltErr := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	return errors.Join(memoryErr, iterationsErr, lanesErr, saltErr, keyErr) == nil &&
		memory >= 8*lanes && memory <= gibibyte && memory*iterations <= 4*gibibyte &&
		len(salt) >= 8 && len(salt) <= 48 && len(key) >= 12 && len(key) <= 64
}
