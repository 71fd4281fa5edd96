package engine

import (
	"bytes"
	"iter"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
)

// Scan describes rows of a table that are read in the order of their keys, or in the
// reverse order, from a position on. The cost of reading them does not depend on the
// position or on other rows: one search, and one step for each row.
//
// A position is the part of a row's key that follows the prefix. It stays valid when rows
// are added or deleted, the row itself among them.
type Scan struct {
	Table  Table
	Prefix []byte // the beginning of the keys
	Rest   int    // the length of the part after the prefix

	// From and To are the least and the greatest beginning of that part, both
	// inclusive. Nil means that there is no bound. There are no rows if From is after
	// To.
	From, To []byte

	Reverse bool
	after   []byte // the key of a row, which does not have to exist, before those that are read
}

// After returns the scan of the rows that follow a position, or of all rows if the
// position is empty. It returns an Invalid error if no row of the scan can have the
// position.
func (s Scan) After(position string) (Scan, error) {
	if position == "" {
		return s, nil
	}
	key := s.key(nil)
	key = append(key, position...)
	low, high := s.limits()
	if len(position) != s.Rest || bytes.Compare(key, low) < 0 || high != nil && bytes.Compare(key, high) >= 0 {
		return Scan{}, errNoPosition
	}
	s.after = key
	return s, nil
}

// Position returns the position of the row with the key.
func (s Scan) Position(key []byte) string { return string(key[len(s.Prefix):]) }

// Rows returns the rows. The iteration ends after an error. The table must not be changed
// during the iteration.
func (s Scan) Rows(tx *Tx) iter.Seq2[Row, error] {
	low, high := s.limits()
	if s.Reverse {
		return s.descend(tx, low, high)
	}
	return s.ascend(tx, low, high)
}

var errNoPosition = &domain.Error{Kind: domain.Invalid, Message: "boltdb: the text is no position in the list"}

// limits returns the least key, and the least one that is greater than every key. It is
// nil if the table ends with the keys.
func (s Scan) limits() (low, high []byte) { return s.key(s.From), successor(s.key(s.To)) }

func (s Scan) key(rest []byte) []byte { return slices.Concat(s.Prefix, rest) }

func (s Scan) ascend(tx *Tx, low, high []byte) iter.Seq2[Row, error] {
	if s.after != nil {
		low = append(bytes.Clone(s.after), 0)
	}
	return s.read(tx, func(cursor *bbolt.Cursor) (key, value []byte) { return cursor.Seek(low) },
		(*bbolt.Cursor).Next,
		func(key []byte) bool { return high == nil || bytes.Compare(key, high) < 0 })
}

// descend reads pages of the file only: bbolt's Prev stops at a page that is empty, which
// only the pages of a write transaction can be.
func (s Scan) descend(tx *Tx, low, high []byte) iter.Seq2[Row, error] {
	if s.after != nil {
		high = s.after
	}
	return s.read(tx, func(cursor *bbolt.Cursor) (key, value []byte) {
		if high == nil {
			return cursor.Last()
		}
		cursor.Seek(high) // if every key is less than high, the cursor is behind the last key
		return cursor.Prev()
	}, (*bbolt.Cursor).Prev, func(key []byte) bool { return bytes.Compare(key, low) >= 0 })
}

func (s Scan) read(tx *Tx, first, next func(*bbolt.Cursor) (key, value []byte), within func([]byte) bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		cursor := tx.takeCursor(s.Table)
		defer tx.giveCursor(s.Table, cursor)
		for key, value := first(cursor); key != nil && within(key); key, value = next(cursor) {
			record, err := s.Table.unseal(key, value)
			if !yield(Row{key, record}, err) || err != nil {
				return
			}
		}
	}
}

// successor returns the least key that is greater than every key that begins with the
// prefix, or nil if there is none.
func successor(prefix []byte) []byte {
	for i, b := range slices.Backward(prefix) {
		if b < 0xff {
			next := bytes.Clone(prefix[:i+1])
			next[i]++
			return next
		}
	}
	return nil
}
