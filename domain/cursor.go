package domain

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// CursorKey makes cursors: positions in lists in a form for clients. A store has one key,
// so that a cursor of another store is refused. A client cannot make a cursor.
type CursorKey [32]byte

// cursorVersion is the first byte of a cursor, before it is encoded.
const cursorVersion = 1

// maxCursorBytes is the length of the longest cursor. It is far longer than any cursor that
// a store needs.
const maxCursorBytes = 512

// macBytes is the length of the message authentication code in a cursor.
const macBytes = 16

// ErrCursor is the [Invalid] error for a text that is not a cursor of the list.
var ErrCursor = invalid("This is not a cursor of this list: take it from the link to the next page, with the same sort, owner and bounds")

// Seal returns the cursor for a position in the list that the query describes. The text of
// a cursor has letters, digits, hyphens and underscores only.
func (k CursorKey) Seal(position, query string) string {
	b := append([]byte{cursorVersion}, k.mac(position, query)...)
	return base64.RawURLEncoding.EncodeToString(append(b, position...))
}

// Open returns the position in a cursor. It returns an [Invalid] error if Seal has not
// returned the cursor for this query, or has returned it with another key.
func (k CursorKey) Open(cursor, query string) (position string, err error) {
	b, err := decodeCursor(cursor)
	if err != nil {
		return "", err
	}
	position = string(b[1+macBytes:])
	if !hmac.Equal(b[1:1+macBytes], k.mac(position, query)) {
		return "", ErrCursor
	}
	return position, nil
}

// CheckCursor returns the error of [CursorKey.Open] for a text that does not have the form of
// a cursor. It needs neither the key nor the query.
func CheckCursor(cursor string) error {
	_, err := decodeCursor(cursor)
	return err
}

// decodeCursor returns the version, the message authentication code and the position in a
// cursor.
func decodeCursor(cursor string) ([]byte, error) {
	if len(cursor) > maxCursorBytes {
		return nil, ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	switch {
	case err != nil, len(b) == 0, strings.ContainsAny(cursor, "\r\n"): // the decoder ignores line ends
		return nil, ErrCursor
	case b[0] != cursorVersion:
		return nil, invalid("This cursor is of another version of widgetd: begin the list again")
	case len(b) < 1+macBytes:
		return nil, ErrCursor
	}
	return b, nil
}

// mac returns the message authentication code of a position in the list of a query.
func (k CursorKey) mac(position, query string) []byte {
	mac := hmac.New(sha256.New, k[:])
	fmt.Fprintf(mac, "%d %d %s%s", cursorVersion, len(position), position, query)
	return mac.Sum(nil)[:macBytes]
}
