package domain

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxInfoURLBytes is the length of the longest link of a widget.
const MaxInfoURLBytes = 2048

// InfoURL is an absolute http or https URL with a host. It is kept as written.
type InfoURL struct {
	text string
}

// ParseInfoURL returns s as a URL, or an [Invalid] error, which names the first
// character that is not allowed and its place: bytes are counted from 1.
//
// Every URL that a parser of the WHATWG URL standard returns as href is accepted,
// with these exceptions: control characters, bidirectional controls, zero-width
// spaces, and a percent sign that begins no escape. Characters of any script are
// accepted as written. Spaces, and the ASCII characters that href has only as
// escapes, are not.
func ParseInfoURL(s string) (InfoURL, error) {
	if s == "" {
		return InfoURL{}, ErrMissing
	}
	if len(s) > MaxInfoURLBytes {
		return InfoURL{}, invalid(fmt.Sprintf("A URL may be at most %d bytes long", MaxInfoURLBytes))
	}
	if err := checkURL(s); err != nil {
		return InfoURL{}, err
	}
	return InfoURL{text: s}, nil
}

// RestoreInfoURL returns a URL from a store, without checking it against today's
// rules.
func RestoreInfoURL(s string) InfoURL { return InfoURL{text: s} }

// String returns the URL as it was written.
func (u InfoURL) String() string { return u.text }

// MarshalText implements [encoding.TextMarshaler]. The text of the zero value is empty.
func (u InfoURL) MarshalText() ([]byte, error) { return []byte(u.text), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseInfoURL].
func (u *InfoURL) UnmarshalText(text []byte) error { return unmarshal(u, text, ParseInfoURL) }

// Redacted returns the URL with "***" in place of a user name and a password.
func (u InfoURL) Redacted() string {
	scheme, rest, _ := strings.Cut(u.text, "://")
	authority, path := cutBefore(rest, `/\?#`)
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return u.text
	}
	return scheme + "://***" + authority[at:] + path
}

// The ASCII characters that href never has in a component. Parsers replace them by
// escapes, or read a backslash before the query as a slash.
const (
	notInUserinfo = "\"<>[\\]^`{|}"
	notInHost     = " #%/:<>?@[\\]^|"
	notInPath     = "\"<>\\`{}"
	notInQuery    = "\"<>"
	notInFragment = "\"<>`"
)

// checkURL returns an error that says what is wrong with a URL.
func checkURL(s string) error {
	scheme, rest, absolute := strings.Cut(strings.TrimLeftFunc(s, isForbiddenInURL), "://")
	scheme = strings.ToLower(scheme)
	if !absolute || scheme != "http" && scheme != "https" {
		return errNotWebURL()
	}
	if err := checkCharacters(s); err != nil {
		return err
	}
	authority, path := cutBefore(rest, `/\?#`)
	path, query := cutBefore(path, "?#")
	query, fragment := cutBefore(query, "#")
	host := strings.LastIndexByte(authority, '@') + 1
	start := len(scheme) + len("://")
	if err := checkAddress(authority[host:], start+host); err != nil {
		return err
	}
	for _, component := range [...]struct{ text, forbidden string }{
		{authority[:host], notInUserinfo},
		{authority[host:], ""},
		{path, notInPath},
		{query, notInQuery},
		{fragment, notInFragment},
	} {
		if i := strings.IndexAny(component.text, component.forbidden); i >= 0 {
			return errCharacter(component.text[i:], start+i, fmt.Sprintf("write it as %%%02X", component.text[i]))
		}
		start += len(component.text)
	}
	return nil
}

// cutBefore cuts s before the first of the characters.
func cutBefore(s, characters string) (before, after string) {
	if i := strings.IndexAny(s, characters); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// checkCharacters returns an error for a character that no part of a URL may have.
func checkCharacters(s string) error {
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			return invalid(fmt.Sprintf("The URL is not UTF-8 at byte %d", i+1))
		case r == '%' && !isEscape(s[i:]):
			return errCharacter(s[i:], i, "it begins no escape, write it as %25")
		case isForbiddenInURL(r):
			return errCharacter(s[i:], i, "a URL cannot have it as it is")
		}
	}
	return nil
}

func isForbiddenInURL(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) ||
		r == zeroWidthSpace || r == byteOrderMark
}

const (
	zeroWidthSpace     = '\u200B'
	zeroWidthNonJoiner = '\u200C'
	zeroWidthJoiner    = '\u200D'
	byteOrderMark      = '\uFEFF'
)

// isEscape reports whether s begins with a percent sign and two hexadecimal digits.
func isEscape(s string) bool {
	if len(s) < len("%00") {
		return false
	}
	_, err := hex.DecodeString(s[1:3])
	return s[0] == '%' && err == nil
}

// checkAddress returns an error unless s is a host, or a host, a colon and a port.
// The address begins at byte start of the URL.
func checkAddress(s string, start int) error {
	host, port, _ := strings.Cut(s, ":")
	if brackets, found := strings.CutPrefix(s, "["); found {
		var closed bool
		host, port, closed = strings.Cut(brackets, "]")
		port = strings.TrimPrefix(port, ":")
		if address, err := netip.ParseAddr(host); !closed || err != nil || !address.Is6() || address.Zone() != "" {
			return invalid("The URL's host is not an IPv6 address in brackets: " + s)
		}
	} else if err := checkHost(host, start); err != nil {
		return err
	}
	if port == "" {
		return nil
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return invalid(fmt.Sprintf("The URL's port %q is not a number from 0 to 65535", port))
	}
	return nil
}

// checkHost returns an error unless s is a domain or an IPv4 address.
func checkHost(s string, start int) error {
	if s == "" {
		return errNotWebURL()
	}
	before := rune(0)
	for i, r := range unescapeHost(s) {
		if !mayFollowInHost(before, asASCII(r)) {
			return errCharacter(string(r), start+i, "a host cannot have it")
		}
		before = asASCII(r)
	}
	if ascii := strings.Map(asASCII, s); endsInNumber(ascii) && !isIPv4(ascii) {
		return invalid("The URL's host ends in a number and is not an IPv4 address: " + s)
	}
	return nil
}

// mayFollowInHost reports whether a host may have r after the character before it. The
// character before the first one is 0.
func mayFollowInHost(before, r rune) bool {
	switch {
	case r == utf8.RuneError || strings.ContainsRune(notInHost, r) || containsDelimiter(r) || isBlank(r):
		return false
	case before == 0 || before == '.': // a mark would change the character before the label
		return unicode.IsGraphic(r) && !unicode.IsMark(r)
	}
	return unicode.IsGraphic(r) || joins(before, r)
}

// containsDelimiter reports whether a character that is not ASCII contains, by its
// compatibility decomposition, a full stop or a character that ends a host or a label
// (℀ is a/c). Parsers of URLs refuse these characters. A few of them have been
// mistaken for the characters that they contain.
func containsDelimiter(r rune) bool {
	const delimiters = "․‥…⁇⁈⁉℀℁℅℆⩴㏂㏇㏘︓︖︙︰﹇﹈﹒﹕﹖﹟﹤﹥﹨﹪﹫🄀"
	return r >= '⒈' && r <= '⒛' || strings.ContainsRune(delimiters, r)
}

// isBlank reports whether r is shown as nothing or as a space although it counts as a
// letter, a mark or a symbol.
func isBlank(r rune) bool {
	const objectReplacement, brailleBlank = '\uFFFC', '\u2800'
	return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || r == objectReplacement || r == brailleBlank
}

// joins reports whether r is a joiner or non-joiner that may stand after the character
// before it in a domain: after a vowel killer of an Indic script, which is a mark, or
// as a non-joiner in a cursive script (RFC 5892, appendix A, in short).
func joins(before, r rune) bool {
	cursive := unicode.In(before, unicode.Arabic, unicode.Syriac, unicode.Mongolian, unicode.Nko, unicode.Mandaic, unicode.Adlam)
	return r == zeroWidthJoiner && unicode.Is(unicode.Mn, before) ||
		r == zeroWidthNonJoiner && (unicode.Is(unicode.Mn, before) || cursive)
}

// unescapeHost yields the characters of a host with their places. An escape stands
// for a byte of a character that is not ASCII; an escape of an ASCII character is
// yielded as a percent sign.
func unescapeHost(s string) func(yield func(int, rune) bool) {
	return func(yield func(int, rune) bool) {
		for i := 0; i < len(s); {
			text, width := s[i:], 1
			if s[i] == '%' {
				text, width = leadingEscapes(s[i:]), len("%00")
			}
			r, size := utf8.DecodeRuneInString(text)
			if s[i] == '%' && r < utf8.RuneSelf {
				r = '%'
			}
			if !yield(i, r) {
				return
			}
			i += size * width
		}
	}
}

// leadingEscapes returns the bytes that the escapes at the beginning of s stand for.
func leadingEscapes(s string) string {
	var bytes []byte
	for ; isEscape(s); s = s[len("%00"):] {
		b, _ := hex.DecodeString(s[1:3])
		bytes = append(bytes, b...)
	}
	return string(bytes)
}

// asASCII returns the ASCII character that a parser of URLs reads for r in a host:
// for a character of full width, and for the full stops of East Asian scripts.
func asASCII(r rune) rune {
	switch {
	case r >= '\uFF01' && r <= '\uFF5E':
		return r - '\uFF01' + '!'
	case r == '\u3002' || r == '\uFF61':
		return '.'
	}
	return r
}

// endsInNumber reports whether a parser of URLs takes a host for an IPv4 address:
// whether the last label is a number.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last != "" && strings.Trim(last, "0123456789") == "" {
		return true
	}
	_, err := parseIPv4Number(last)
	return err == nil || errors.Is(err, strconv.ErrRange)
}

// isIPv4 reports whether a host is an IPv4 address as parsers of URLs read it: with
// one to four numbers, of which the last stands for all remaining bytes.
func isIPv4(host string) bool {
	numbers := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(numbers) > 4 {
		return false
	}
	for i, text := range numbers {
		limit := uint64(1) << 8
		if i == len(numbers)-1 {
			limit <<= 8 * (4 - len(numbers))
		}
		if n, err := parseIPv4Number(text); err != nil || n >= limit {
			return false
		}
	}
	return true
}

// parseIPv4Number returns the value of a decimal number, of an octal number with a
// leading 0, or of a hexadecimal number with a leading 0x. A lone 0x is 0.
func parseIPv4Number(s string) (uint64, error) {
	lower := strings.ToLower(s)
	digits, base := lower, 10
	if hex, found := strings.CutPrefix(lower, "0x"); found {
		digits, base = "0"+hex, 16
	} else if len(s) > 1 && s[0] == '0' {
		base = 8
	}
	return strconv.ParseUint(digits, base, 64)
}

func errNotWebURL() error { return invalid("Not an absolute http or https URL with a host") }

// errCharacter returns the error for the character that s begins with, at the index
// i of the URL.
func errCharacter(s string, i int, advice string) error {
	r, _ := utf8.DecodeRuneInString(s)
	return invalid(fmt.Sprintf("The URL has %s (%U) at byte %d: %s", characterName(r), r, i+1, advice))
}

// characterName describes a character in words, if it cannot be seen.
func characterName(r rune) string {
	switch {
	case r == zeroWidthSpace:
		return "a zero-width space"
	case r == byteOrderMark:
		return "a zero-width no-break space"
	case r == zeroWidthJoiner:
		return "a zero-width joiner"
	case r == zeroWidthNonJoiner:
		return "a zero-width non-joiner"
	case r == utf8.RuneError:
		return "a replacement character"
	case unicode.Is(unicode.Bidi_Control, r):
		return "a bidirectional control"
	case unicode.IsControl(r):
		return "a control character"
	case unicode.IsSpace(r):
		return "a space"
	case !unicode.IsGraphic(r) || isBlank(r):
		return "an invisible character"
	}
	return "the character " + string(r)
}
