package engine

import (
	"bytes"
	"slices"
)

// maxIndexKey is the length of the longest key that EmitIndex sorts.
const maxIndexKey = 32

// maxSortedKeys is how many keys EmitIndex returns from one reading of the source. It sorts
// twice as many at once, so a migration needs 32 MB for any number of rows.
const maxSortedKeys = 1 << 19

// indexKey is a key in a fixed length, filled up with zeros.
type indexKey [maxIndexKey]byte

// Emit emits the rows of an index that a migration adds, sorted. keyOf returns the key of
// a row of the source table; it may return the same memory in each call. Keys are at most
// 32 bytes long. Emit reads the source once for each 500,000 rows, so that its memory does
// not depend on the number of rows.
func (x Index) Emit(old *Tx, source Table, keyOf func(Row) ([]byte, error), emit func(TableRow) error) error {
	return x.emitParts(old, source, keyOf, emit, maxSortedKeys)
}

// emitParts is Emit with parts of at most limit rows.
func (x Index) emitParts(old *Tx, source Table, keyOf func(Row) ([]byte, error), emit func(TableRow) error, limit int) error {
	var last *indexKey
	var part []indexKey
	for {
		var err error
		part, err = keysAfter(old, source, keyOf, last, part[:0], limit)
		if err != nil || len(part) == 0 {
			return err
		}
		for _, key := range part {
			row := Row{bytes.Clone(key[:x.Size]), emptyRecord()}
			if err := emit(TableRow{x.Table, row}); err != nil {
				return err
			}
		}
		if len(part) < limit {
			return nil
		}
		last = new(part[len(part)-1])
	}
}

// keysAfter returns the next keys after the given one, sorted and at most limit. If after is
// nil, it returns the first keys. It uses the memory of part, which is empty.
func keysAfter(old *Tx, source Table, keyOf func(Row) ([]byte, error), after *indexKey, part []indexKey, limit int) ([]indexKey, error) {
	var bound *indexKey // a key after bound is not in the result
	for row, err := range source.Rows(old, nil) {
		if err != nil {
			return nil, err
		}
		value, err := keyOf(row)
		if err != nil {
			return nil, err
		}
		var key indexKey
		copy(key[:], value)
		if after != nil && key.compare(*after) <= 0 || bound != nil && key.compare(*bound) > 0 {
			continue
		}
		if part = append(part, key); len(part) == 2*limit {
			part = firstKeys(part, limit)
			bound = new(part[limit-1])
		}
	}
	return firstKeys(part, limit), nil
}

// firstKeys sorts the keys and returns the first ones, at most limit.
func firstKeys(part []indexKey, limit int) []indexKey {
	slices.SortFunc(part, indexKey.compare)
	return part[:min(len(part), limit)]
}

func (k indexKey) compare(other indexKey) int { return bytes.Compare(k[:], other[:]) }
