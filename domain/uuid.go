package domain

import (
	"encoding/hex"
)

// UUID identifies a user (`public_id`, the `sub` claim) or a token (`jti`). Its
// layout is RFC 9562's, so values of other packages' [16]byte UUID types
// convert directly. The zero value, RFC 9562's nil UUID, identifies nothing.
type UUID [16]byte

// ParseUUID reads the canonical text of RFC 9562 section 4 (lower case, 36
// characters). Any other text, and the nil UUID, is an [Invalid] error.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) == 36 {
		digits := s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36]
		if _, err := hex.Decode(u[:], []byte(digits)); err == nil && u != (UUID{}) && u.String() == s {
			return u, nil
		}
	}
	return UUID{}, message("not a UUID")
}

// String returns the canonical text of RFC 9562 section 4.
func (u UUID) String() string {
	var text [36]byte
	return string(u.Append(text[:0]))
}

// Append appends what String returns to b.
func (u UUID) Append(b []byte) []byte {
	b = hex.AppendEncode(b, u[0:4])
	b = hex.AppendEncode(append(b, '-'), u[4:6])
	b = hex.AppendEncode(append(b, '-'), u[6:8])
	b = hex.AppendEncode(append(b, '-'), u[8:10])
	return hex.AppendEncode(append(b, '-'), u[10:16])
}
