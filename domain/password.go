package domain

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxPasswordBytes is the length of the longest accepted password. No password
// is ever truncated.
const MaxPasswordBytes = 1024

// Password is a password in clear text: non-empty UTF-8 without NUL, at most
// [MaxPasswordBytes] long, neither trimmed nor normalized. It prints as
// asterisks, so that no password reaches a log by accident.
type Password struct {
	text string
}

// ParsePassword returns s as a password, or an [Invalid] error.
func ParsePassword(s string) (Password, error) {
	switch {
	case s == "":
		return Password{}, ErrMissing
	case len(s) > MaxPasswordBytes:
		return Password{}, invalid(fmt.Sprintf("Password is longer than %d bytes", MaxPasswordBytes))
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return Password{}, invalid("Password must be UTF-8 text without NUL characters")
	}
	return Password{text: s}, nil
}

// Reveal returns the clear text, for hashing.
func (p Password) Reveal() string { return p.text }

// String returns asterisks.
func (p Password) String() string { return asterisks }

// Format writes asterisks, whatever the verb.
func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, asterisks) }

// asterisks is printed in place of a secret.
const asterisks = "********"

// PasswordPolicy is the rule for new passwords. It does not apply to a password
// that is compared with a stored hash. The zero value allows every [Password].
type PasswordPolicy struct {
	// MinLength is the least number of characters, counted as Unicode code
	// points (NIST SP 800-63B section 5.1.1.2).
	MinLength int
}

// Check returns an [Invalid] error if the password breaks the policy.
func (p PasswordPolicy) Check(password Password) error {
	if utf8.RuneCountInString(password.text) < p.MinLength {
		return invalid(fmt.Sprintf("Password is shorter than %d characters", p.MinLength))
	}
	return nil
}
