package engine

import "testing"

// TestCheckCountsNamesTheRecord damages the numbers of an order index.
func TestCheckCountsNamesTheRecord(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]struct {
		edit func(*Tx) error
		want string
	}{
		"missing": {func(tx *Tx) error { return empty(tx, countTable) }, "it is missing"},
		"additional": {func(tx *Tx) error {
			l := levels()[3]
			return countTable.Put(tx, l.key(1<<20), Record{countsVersion, []byte{0, 0, 0, 1}})
		}, "has no row there"},
		"unknown": {func(tx *Tx) error {
			return countTable.Put(tx, []byte("key"), Record{countsVersion, []byte{0, 0, 0, 1}})
		}, "it is the record of no block"},
		"wrong": {func(tx *Tx) error {
			l := levels()[3]
			return countTable.Put(tx, l.key(1), Record{countsVersion, []byte{0, 0, 0, 9}})
		}, "is not the 3 rows of table things"},
		"too many": {func(tx *Tx) error {
			l := levels()[3]
			return countTable.Put(tx, l.key(1), Record{countsVersion, []byte{0, 0, 0, 3, 0, 0, 0, 1}})
		}, "it has 4 rows, but table things has 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openTemp(t)
			for n := range 3 {
				update(t, db, add(thing(n)))
			}
			noError(t, db.Check(t.Context(), nil, thingOrder().CheckCounts))
			update(t, db, wrong.edit)
			err := db.Check(t.Context(), nil, thingOrder().CheckCounts)
			wantError(t, err, "damaged record in table counts, key ")
			wantError(t, err, wrong.want)
		})
	}
}
