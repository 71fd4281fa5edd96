package domain

import "encoding/hex"

// UUID identifies a user (public_id, the sub claim) or a token (jti). Its layout
// is that of RFC 9562, so the [16]byte UUID types of other packages convert
// directly. The zero value, the nil UUID of RFC 9562, identifies nothing.
type UUID [16]byte

// ParseUUID reads the canonical text of RFC 9562 section 4: 36 characters in
// lower case. Any other text, and the nil UUID, is an [Invalid] error.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) == 36 {
		digits := s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36]
		if _, err := hex.Decode(u[:], []byte(digits)); err == nil && u != (UUID{}) && u.String() == s {
			return u, nil
		}
	}
	return UUID{}, invalid("not a UUID")
}

// String returns the canonical text of RFC 9562 section 4.
func (u UUID) String() string {
	var text [36]byte
	return string(u.Append(text[:0]))
}

// MarshalText implements [encoding.TextMarshaler]. The text of the zero value is empty.
func (u UUID) MarshalText() ([]byte, error) {
	if u == (UUID{}) {
		return nil, nil
	}
	return u.Append(nil), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseUUID].
func (u *UUID) UnmarshalText(text []byte) error { return unmarshal(u, text, ParseUUID) }

// Append appends the canonical text to b.
func (u UUID) Append(b []byte) []byte {
	b = hex.AppendEncode(b, u[0:4])
	b = hex.AppendEncode(append(b, '-'), u[4:6])
	b = hex.AppendEncode(append(b, '-'), u[6:8])
	b = hex.AppendEncode(append(b, '-'), u[8:10])
	return hex.AppendEncode(append(b, '-'), u[10:16])
}

// Version returns the version in the UUID (RFC 9562 section 4.2).
func (u UUID) Version() int { return int(u[6] >> 4) }
