package boltdb

import (
	"errors"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// unknownLifetime is the lifetime of tokens that were logged out before format 4, which
// did not store it. It is longer than any reasonable lifetime, so that no such token is
// forgotten too early. The blacklist keeps these few tokens for a year of running time.
const unknownLifetime = 365 * 24 * time.Hour

// expirySize is the length of the expiry in a key. The key of a watermark has nothing else.
const expirySize = 8

// tokenKey returns the key of a token: its expiry (8 bytes) and its id. It begins with
// the expiry, so that Purge finds the expired tokens without reading the others.
func tokenKey(id domain.UUID, expiry int64) []byte {
	key := make([]byte, 0, expirySize+len(id))
	return append(engine.AppendSigned(key, expiry), id[:]...)
}

// tokenRow is a row of the blacklist.
type tokenRow struct {
	retention
	id          domain.UUID
	isWatermark bool // the row has no id
}

func readToken(row engine.Row) (tokenRow, error) {
	token, err := decodeToken(row.Key, row.Record)
	if err != nil {
		return token, blacklistTable.Damaged(row.Key, err)
	}
	return token, nil
}

// decodeToken decodes a row. A record of version 1, which formats 2 and 3 have, has no
// payload: the lifetime of the token is unknown. The running time of such a file begins
// at 0 when the file is migrated.
func decodeToken(key []byte, record engine.Record) (token tokenRow, err error) {
	f, err := fieldsOf(record, tokenVersion)
	if err != nil {
		return token, err
	}
	token.until, token.lifetime = unknownLifetime, unknown
	if record.Version >= 2 {
		token.until = f.duration()
	}
	if record.Version >= 3 {
		token.lifetime = f.duration()
	}
	switch {
	case len(key) == expirySize && record.Version == 1:
		token.isWatermark = true
	case len(key) == expirySize+len(token.id):
		token.id = domain.UUID(key[expirySize:])
	default:
		return token, errors.New("its key is not a token")
	}
	token.expiry = engine.Signed(key)
	return token, f.end()
}
