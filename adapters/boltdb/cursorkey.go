package boltdb

import (
	"crypto/rand"
	"errors"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// cursorKey is the only key of the table of the key for cursors.
const cursorKey = "cursor-key"

// emitCursorKey emits the row of a new key for cursors.
func emitCursorKey(emit func(engine.TableRow) error) error {
	var key domain.CursorKey
	_, _ = rand.Read(key[:]) // never returns an error
	row := engine.Row{Key: []byte(cursorKey), Record: engine.Record{Version: cursorKeyVersion, Payload: key[:]}}
	return emit(engine.TableRow{Table: cursorKeyTable, Row: row})
}

// loadCursorKey returns the key for cursors of the file.
func loadCursorKey(tx *engine.Tx) (domain.CursorKey, error) {
	record, err := cursorKeyTable.MustGet(tx, []byte(cursorKey))
	if err != nil {
		return domain.CursorKey{}, err
	}
	return domain.CursorKey(record.Payload), nil
}

func checkCursorKey(key []byte, record engine.Record) error {
	switch {
	case string(key) != cursorKey:
		return errors.New("its key is not " + cursorKey)
	case len(record.Payload) != len(domain.CursorKey{}):
		return errLength
	}
	return checkVersion(record, cursorKeyVersion)
}
