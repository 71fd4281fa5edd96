package domain

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxPasswordBytes is the longest password accepted. None is ever cut short.
const MaxPasswordBytes = 1024

// Password is a secret as its owner typed it: any non-empty UTF-8 text without
// NUL, at most [MaxPasswordBytes] long, neither trimmed nor normalized. It
// prints as asterisks, so that none reaches a log by accident.
type Password struct {
	text string
}

// ParsePassword returns the password that s is, or an [Invalid] error. It is
// for a password that somebody proves to know; [ParseNewPassword] is for one
// that somebody chooses.
func ParsePassword(s string) (Password, error) {
	switch {
	case s == "":
		return Password{}, Missing
	case len(s) > MaxPasswordBytes:
		return Password{}, message(fmt.Sprintf("Password is longer than %d bytes", MaxPasswordBytes))
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return Password{}, message("Password must be UTF-8 text without NUL characters")
	}
	return Password{text: s}, nil
}

// ParseNewPassword is [ParsePassword] for a password that is to be set, which
// must also have at least minLength characters (Unicode code points, NIST SP
// 800-63B section 5.1.1.2).
func ParseNewPassword(s string, minLength int) (Password, error) {
	p, err := ParsePassword(s)
	if err == nil && utf8.RuneCountInString(s) < minLength {
		return Password{}, message(fmt.Sprintf("Password is shorter than %d characters", minLength))
	}
	return p, err
}

// Reveal returns the password itself, for hashing.
func (p Password) Reveal() string { return p.text }

// String returns asterisks.
func (p Password) String() string { return "********" }

// Format writes asterisks, whatever the verb.
func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }
