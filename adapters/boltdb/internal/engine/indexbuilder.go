package engine

import "bytes"

// maxIndexKey is the length of the longest key that Emit sorts.
const maxIndexKey = 32

// maxSortedKeys is how many keys Emit sorts from one reading of the source. It keeps twice as
// many, so a migration needs 32 MB for any number of rows.
const maxSortedKeys = 1 << 19

// indexKey is a key in a fixed length, filled up with zeros.
type indexKey [maxIndexKey]byte

func (k indexKey) compare(other indexKey) int { return bytes.Compare(k[:], other[:]) }

// Emit emits the rows of an index that a migration adds, sorted. keyOf returns the key of
// a row of the source table; it may return the same memory in each call. Keys are at most
// 32 bytes long. Emit reads the source once for each 500,000 rows, so that its memory does
// not depend on the number of rows.
func (x Index) Emit(old *Tx, source Table, keyOf func(Row) ([]byte, error), emit func(TableRow) error) error {
	return x.emitParts(old, source, keyOf, emit, maxSortedKeys)
}

// emitParts is Emit with parts of at most limit rows.
func (x Index) emitParts(old *Tx, source Table, keyOf func(Row) ([]byte, error), emit func(TableRow) error, limit int) error {
	fixedKeyOf := func(row Row) (key indexKey, err error) {
		value, err := keyOf(row)
		copy(key[:], value)
		return key, err
	}
	for part, err := range SortedParts(old, source, limit, fixedKeyOf, indexKey.compare) {
		if err != nil {
			return err
		}
		for _, key := range part {
			row := Row{bytes.Clone(key[:x.Size]), emptyRecord()}
			if err := emit(TableRow{x.Table, row}); err != nil {
				return err
			}
		}
	}
	return nil
}
