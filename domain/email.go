package domain

import (
	"strings"
	"unicode"
)

// MaxEmailBytes is the length of the longest valid address. RFC 5321 section
// 4.5.3.1.3 allows 256 bytes for a path, which includes two angle brackets.
const MaxEmailBytes = 254

// Email is one email address: no display name, no quoting, no surrounding space,
// with a dotted domain. It keeps the case in which it was written. Two addresses
// that differ only in case have the same [Email.Key] and belong to one account.
type Email struct {
	text string
}

// ParseEmail returns s as an address, or an [Invalid] error: "<s> is not a valid
// email". An s that begins or ends with space is in quotation marks there, so that the
// space can be seen.
//
// The part before the @ is a dot-atom (RFC 5322 section 3.2.3) that may contain letters
// and digits of any script (RFC 6531 section 3.3). The part after the @ is a host name of
// at least two labels (RFC 1123 section 2.1); the last label must not be a number. An
// internationalized domain is written in A-labels (RFC 5890).
func ParseEmail(s string) (Email, error) {
	if s == "" {
		return Email{}, ErrMissing
	}
	local, host, found := strings.Cut(s, "@")
	if !found || len(s) > MaxEmailBytes || !isDotAtom(local) || !isDottedDomain(host) {
		return Email{}, invalid(visible(s) + " is not a valid email")
	}
	return Email{text: s}, nil
}

// RestoreEmail returns an address from a store, without checking it against
// today's rules.
func RestoreEmail(s string) Email { return Email{text: s} }

// String returns the address in the case in which it was written.
func (e Email) String() string { return e.text }

// MarshalText implements [encoding.TextMarshaler]. The text of the zero value is empty.
func (e Email) MarshalText() ([]byte, error) { return []byte(e.text), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseEmail].
func (e *Email) UnmarshalText(text []byte) error { return unmarshal(e, text, ParseEmail) }

// Key returns the address with its case folded, which is unique to one account. The
// rule is Unicode's simple case folding: σ, ς and Σ are one letter, s, S and ſ are one
// letter, and so are k, K and the Kelvin sign. The Turkish İ and ı are letters of
// their own.
func (e Email) Key() string { return strings.Map(foldCase, e.text) }

// foldCase returns one character for all characters that are equal under Unicode's
// simple case folding. It is the lower-case letter in common use: s, not ſ.
func foldCase(r rune) rune {
	if r <= unicode.MaxASCII {
		return unicode.ToLower(r)
	}
	least := r
	for equal := unicode.SimpleFold(r); equal != r; equal = unicode.SimpleFold(equal) {
		least = min(least, equal)
	}
	if unicode.SimpleFold(r) == r {
		return r // unicode.ToLower would turn İ into i
	}
	return unicode.ToLower(unicode.ToUpper(least))
}

// visible returns s, in quotation marks if it begins or ends with space.
func visible(s string) string {
	if s != strings.TrimSpace(s) {
		return `"` + s + `"`
	}
	return s
}

// isDotAtom reports whether s consists of atoms joined by single dots.
func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.ContainsFunc(atom, isForbiddenInAtom) {
			return false
		}
	}
	return true
}

func isForbiddenInAtom(r rune) bool {
	if r <= unicode.MaxASCII {
		return !isLetterOrDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
	}
	return !unicode.In(r, unicode.Letter, unicode.Mark, unicode.Digit)
}

// isDottedDomain reports whether s is a host name of at least two labels. The last
// label must not be all digits, so that an IPv4 address is not a domain.
func isDottedDomain(s string) bool {
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if len(label) < 1 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isLetterOrDigit(r) && r != '-' }) {
			return false
		}
	}
	return len(labels) > 1 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

func isLetterOrDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
