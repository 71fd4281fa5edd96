package engine

import "go.etcd.io/bbolt"

// Tx is a read or write transaction. It is valid during the call of the function
// that it was passed to, and must not be used by several goroutines.
type Tx struct {
	bolt *bbolt.Tx

	// cursors has a cursor for each table that was used. A read transaction keeps
	// them when it is used again; see readers.
	cursors []tableCursor

	begunAfter int // see readers
}

// tableCursor is an element of Tx.cursors. For a few tables, a linear search in a slice
// is faster than a map.
type tableCursor struct {
	table  Table
	cursor *bbolt.Cursor // nil while it is taken
}

func newTx(bolt *bbolt.Tx) *Tx { return &Tx{bolt: bolt} }

// ID returns the number of the write transaction whose result tx sees. For a write
// transaction it is its own number. The numbers of a file increase by one with each
// write transaction.
func (tx *Tx) ID() int { return tx.bolt.ID() }

// cursor returns the table's cursor, which may be at any position.
func (tx *Tx) cursor(t Table) *bbolt.Cursor {
	for i := range tx.cursors {
		if c := &tx.cursors[i]; c.table == t && c.cursor != nil {
			return c.cursor
		}
	}
	cursor := tx.bolt.Bucket([]byte(t)).Cursor()
	tx.cursors = append(tx.cursors, tableCursor{t, cursor})
	return cursor
}

// takeCursor returns a cursor that no other call moves until giveCursor.
func (tx *Tx) takeCursor(t Table) *bbolt.Cursor {
	cursor := tx.cursor(t)
	for i := range tx.cursors {
		if c := &tx.cursors[i]; c.cursor == cursor {
			c.cursor = nil
		}
	}
	return cursor
}

// giveCursor gives back a cursor that was taken.
func (tx *Tx) giveCursor(t Table, cursor *bbolt.Cursor) {
	for i := range tx.cursors {
		if c := &tx.cursors[i]; c.table == t && c.cursor == nil {
			c.cursor = cursor
			return
		}
	}
}
