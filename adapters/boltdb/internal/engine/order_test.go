package engine

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestOrderMatchesAModel compares every position with that of a slice, after random
// additions and deletions that leave blocks full, partly filled and empty.
func TestOrderMatchesAModel(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	random := rand.New(rand.NewPCG(7, 7))
	var model []string
	created := 0
	for range 5 {
		adds := 400 + random.IntN(600)
		update(t, db, func(tx *Tx) error {
			for range adds {
				if err := add(thing(created))(tx); err != nil {
					return err
				}
				model = append(model, thing(created))
				created++
			}
			return nil
		})
		start := random.IntN(len(model))
		end := start + random.IntN(len(model)-start)
		gone := slices.Clone(model[start:end])
		model = slices.Delete(model, start, end)
		for range random.IntN(100) {
			i := random.IntN(len(model))
			gone = append(gone, model[i])
			model = slices.Delete(model, i, i+1)
		}
		removeAll(t, db, gone)
		wantPositions(t, db, model)
	}
	removeAll(t, db, model)
	wantPositions(t, db, nil)
}

// TestOrderAcrossLargestBlocks uses sequence numbers that are far apart, in different
// blocks of every level.
func TestOrderAcrossLargestBlocks(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	var model []string
	for n, sequence := range []uint64{0, 14, 15, 1000, 1 << 10, 1 << 16, 1<<22 - 2, 1 << 22, 1<<22 + 500, 1 << 30, 1 << 36} {
		update(t, db, func(tx *Tx) error {
			if err := thingTable.in(tx).SetSequence(sequence); err != nil {
				return err
			}
			return add(thing(n))(tx)
		})
		model = append(model, thing(n))
		wantPositions(t, db, model)
	}
	for len(model) > 0 {
		update(t, db, remove(model[0]))
		model = model[1:]
		wantPositions(t, db, model)
	}
}

func TestOrderReportsWrongCounts(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	for n := range 3 {
		update(t, db, add(thing(n)))
	}
	update(t, db, func(tx *Tx) error { return empty(tx, countTable) })
	wantError(t, db.Update(t.Context(), remove(thing(1)), nil), "table counts disagrees")
	wantError(t, db.View(t.Context(), func(tx *Tx) error {
		for _, err := range thingOrder().Slice(tx, 0, 1) {
			return err
		}
		return nil
	}), "table counts disagrees")
}

func TestDecodeCounts(t *testing.T) {
	t.Parallel()
	for name, record := range map[string]Record{
		"later version": {countsVersion + 1, make([]byte, 4)},
		"wrong length":  {countsVersion, make([]byte, 5)},
	} {
		if err := DecodeCounts(nil, record); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// wantPositions compares slices from every position, or from some if there are many.
func wantPositions(t *testing.T, db *DB, want []string) {
	t.Helper()
	const count = 10
	for offset := 0; offset <= len(want); offset += 1 + len(want)/100 {
		got, total, err := list(t.Context(), db, offset, count)
		noError(t, err)
		equal(t, "number of things", total, len(want))
		if expected := want[offset:min(offset+count, len(want))]; !slices.Equal(got, expected) {
			t.Fatalf("from position %d on there are\n\t%q, want\n\t%q", offset, got, expected)
		}
	}
	noError(t, check(t.Context(), db))
}

func removeAll(t *testing.T, db *DB, names []string) {
	t.Helper()
	update(t, db, func(tx *Tx) error {
		for _, name := range names {
			if err := remove(name)(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// empty deletes every row of a table.
func empty(tx *Tx, t Table) error {
	var keys [][]byte
	for row, err := range t.Rows(tx, nil) {
		if err != nil {
			return err
		}
		keys = append(keys, slices.Clone(row.Key))
	}
	for _, key := range keys {
		if err := t.Delete(tx, key); err != nil {
			return err
		}
	}
	return nil
}

func sequenceOf(key []byte) uint64 { return binary.BigEndian.Uint64(key) }
