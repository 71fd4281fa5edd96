package engine

import (
	"bytes"
	"maps"
	"testing"
)

// TestIndexBuilderSortsInParts compares the rows of a migration that sorts a few keys at
// once with the keys in order.
func TestIndexBuilderSortsInParts(t *testing.T) {
	t.Parallel()
	index := Index{Table: nameTable, Size: 2 * sequenceSize}
	keyOf := func(row Row) ([]byte, error) {
		return append(AppendSigned(nil, -int64(sequenceOf(row.Key)%10)), row.Key...), nil
	}
	for _, n := range []int{0, 1, 2, 99, 100, 101, 500} {
		db := openTemp(t)
		update(t, db, addThings(0, n))
		for _, limit := range []int{3, 7, 50, 100, 5000} {
			want, got := map[string]int{}, map[string]int{}
			last := []byte(nil)
			noError(t, db.View(t.Context(), func(tx *Tx) error {
				for row, err := range thingTable.Rows(tx, nil) {
					noError(t, err)
					key, _ := keyOf(row)
					want[string(key)]++
				}
				return index.emitParts(tx, thingTable, keyOf, func(row TableRow) error {
					if bytes.Compare(last, row.Key) >= 0 {
						t.Errorf("the key %x comes after %x", row.Key, last)
					}
					last = row.Key
					got[string(row.Key)]++
					return index.Decode(row.Key, row.Record)
				}, limit)
			}))
			if !maps.Equal(got, want) {
				t.Errorf("%d rows in parts of %d: %d keys, want %d", n, limit, len(got), len(want))
			}
		}
	}
}
