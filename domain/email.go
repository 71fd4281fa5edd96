package domain

import (
	"strings"
	"unicode"
)

// MaxEmailBytes is the longest address that fits a mail path (RFC 5321 section
// 4.5.3.1.3, less the angle brackets).
const MaxEmailBytes = 254

// Email is one address: no display name, no quoting, no space around it, with
// a dotted domain. It keeps the case it was written in, but two that differ
// only in case have the same [Email.Key] and belong to one account.
type Email struct {
	text string
}

// ParseEmail returns the address that s is, or an [Invalid] error: "<s> is not
// a valid email". The part before the @ is a dot-atom (RFC 5322 section 3.2.3)
// that may hold letters and digits of any script (RFC 6531 section 3.3); the
// part after it is a host name of two labels or more (RFC 1123 section 2.1), the
// last of them not a number; an internationalized domain is written with
// A-labels (RFC 5890).
func ParseEmail(s string) (Email, error) {
	if s == "" {
		return Email{}, Missing
	}
	local, host, found := strings.Cut(s, "@")
	if !found || len(s) > MaxEmailBytes || !isDotAtom(local) || !isDottedDomain(host) {
		return Email{}, message(s + " is not a valid email")
	}
	return Email{text: s}, nil
}

// RestoreEmail returns an address that a store kept, as [RestoreWidgetName] does
// a name.
func RestoreEmail(s string) Email { return Email{text: s} }

// String returns the address as it was written.
func (e Email) String() string { return e.text }

// Key returns what tells one account's address from another's: the address in
// lower case.
func (e Email) Key() string { return strings.ToLower(e.text) }

// isDotAtom reports whether s is atoms joined by single dots.
func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.ContainsFunc(atom, neverInAtom) {
			return false
		}
	}
	return true
}

func neverInAtom(r rune) bool {
	if r <= unicode.MaxASCII {
		return !isLetterOrDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
	}
	return !unicode.In(r, unicode.Letter, unicode.Mark, unicode.Digit)
}

// isDottedDomain reports whether s is a host name of at least two labels whose
// last is not all digits (which would make it a number or an IPv4 address).
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
