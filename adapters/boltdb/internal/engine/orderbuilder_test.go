package engine

import (
	"maps"
	"testing"
)

// TestOrderBuilderMakesTheRowsOfAppend compares the rows with those of Append.
func TestOrderBuilderMakesTheRowsOfAppend(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 15, 16, 17, 1023, 1024, 1025, 3000} {
		db := openTemp(t)
		update(t, db, addThings(0, n))
		want, got := map[string]string{}, map[string]string{}
		noError(t, db.View(t.Context(), func(tx *Tx) error {
			for _, table := range []Table{thingTable, countTable} {
				for row, err := range table.Rows(tx, nil) {
					noError(t, err)
					want[string(table)+string(row.Key)] = string(row.Payload)
				}
			}
			return nil
		}))
		emit := func(row TableRow) error {
			got[string(row.Table)+string(row.Key)] = string(row.Payload)
			return nil
		}
		builder := OrderBuilder{Index: thingOrder()}
		for i := range n {
			noError(t, emit(builder.Append(Record{1, []byte(thing(i))})))
		}
		noError(t, builder.EmitCounts(emit))
		if !maps.Equal(got, want) {
			t.Errorf("the rows for %d records are\n\t%q, want\n\t%q", n, got, want)
		}
	}
}

// TestOrderBuilderCountsManyRows adds the counts of all blocks of each level.
func TestOrderBuilderCountsManyRows(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{1 << 16, 1<<22 - 1, 1<<22 + 1} {
		builder, sums := OrderBuilder{Index: thingOrder(), last: n}, map[byte]uint64{}
		noError(t, builder.EmitCounts(func(row TableRow) error {
			sums[row.Key[0]] += uint64(counts(row.Payload).sum())
			return nil
		}))
		for _, l := range levels() {
			equal(t, "rows", sums[l.bits], n)
		}
	}
}
