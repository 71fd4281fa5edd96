package engine

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/widgetd/widgetd/domain"
)

// TestScanMatchesAModel compares the rows after every position, and after positions that no
// row has, with those of a sorted slice of keys.
func TestScanMatchesAModel(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	random := rand.New(rand.NewPCG(9, 9))
	keys := [][]byte{}
	update(t, db, func(tx *Tx) error {
		for range 300 { // three bytes, of which the first two have the least and the greatest values too
			key := []byte{byte(random.IntN(4) * 85), byte(random.IntN(4) * 85), byte(random.IntN(256))}
			keys = append(keys, key)
			if err := thingTable.Put(tx, key, Record{1, []byte("thing ")}); err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	values := [][]byte{nil, {0}, {85}, {170}, {255}, {85, 7}}
	for _, prefix := range [][]byte{nil, {0}, {85}, {255}, {99}} {
		for _, from := range values {
			for _, to := range values {
				for _, reverse := range []bool{false, true} {
					scan := Scan{Table: thingTable, Prefix: prefix, Rest: 3 - len(prefix), From: from, To: to, Reverse: reverse}
					wantScan(t, db, scan, keys, random)
				}
			}
		}
	}
}

func wantScan(t *testing.T, db *DB, scan Scan, keys [][]byte, random *rand.Rand) {
	t.Helper()
	var want [][]byte
	for _, key := range keys {
		rest, found := bytes.CutPrefix(key, scan.Prefix)
		if found && bytes.Compare(rest, scan.From) >= 0 && (scan.To == nil || bytes.Compare(rest[:min(len(scan.To), len(rest))], scan.To) <= 0) {
			want = append(want, key)
		}
	}
	if scan.Reverse {
		slices.Reverse(want)
	}
	equalKeys(t, keysOf(t, db, scan), want)
	for i := 0; i < len(want); i += 1 + random.IntN(20) {
		after, err := scan.After(scan.Position(want[i]))
		noError(t, err)
		equalKeys(t, keysOf(t, db, after), want[i+1:])
		if i == 0 {
			continue
		}
		missing := bytes.Clone(want[i]) // the position of a row that was deleted
		missing[2] ^= 1
		if slices.ContainsFunc(want, func(key []byte) bool { return bytes.Equal(key, missing) }) {
			continue
		}
		if after, err := scan.After(scan.Position(missing)); err == nil {
			isBefore := (bytes.Compare(missing, want[i]) < 0) != scan.Reverse
			rest := want[i+1:]
			if isBefore {
				rest = want[i:]
			}
			equalKeys(t, keysOf(t, db, after), rest)
		}
	}
}

func keysOf(t *testing.T, db *DB, scan Scan) (keys [][]byte) {
	t.Helper()
	noError(t, db.View(t.Context(), func(tx *Tx) error {
		for row, err := range scan.Rows(tx) {
			if err != nil {
				return err
			}
			keys = append(keys, bytes.Clone(row.Key))
		}
		return nil
	}))
	return keys
}

func equalKeys(t *testing.T, got, want [][]byte) {
	t.Helper()
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("the keys are\n\t%x, want\n\t%x", got, want)
	}
}

func TestScanRefusesOtherPositions(t *testing.T) {
	t.Parallel()
	scan := Scan{Table: thingTable, Prefix: []byte{1}, Rest: 2, From: []byte{5}, To: []byte{7}}
	for position, isValid := range map[string]bool{
		"\x05\x00": true, "\x07\xff": true, "\x04\xff": false, "\x08\x00": false, "\x05": false, "\x05\x00\x00": false,
	} {
		if _, err := scan.After(position); errors.Is(err, domain.Invalid) == isValid {
			t.Errorf("After(%x) returned %v", position, err)
		}
	}
}

// TestScanReportsDamage damages a record of the table.
func TestScanReportsDamage(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	update(t, db, add(thing(1)))
	update(t, db, func(tx *Tx) error { return damage(thingTable)(tx.bolt) })
	wantError(t, db.View(t.Context(), func(tx *Tx) error {
		for _, err := range (Scan{Table: thingTable, Rest: sequenceSize}).Rows(tx) {
			return err
		}
		return nil
	}), "damaged record in table things")
}

// TestScanReadsTheSamePagesEverywhere counts the pages that a scan of ten rows touches: those
// from the root to a leaf, and at most one more leaf, at any position.
func TestScanReadsTheSamePagesEverywhere(t *testing.T) {
	t.Parallel()
	const rows = 50_000
	db := openTemp(t)
	index := Index{Table: nameTable, Size: 2 * sequenceSize}
	update(t, db, func(tx *Tx) error {
		for n := range int64(rows) {
			if err := index.Add(tx, AppendSigned(AppendSigned(nil, n%7), n)); err != nil {
				return err
			}
		}
		return nil
	})
	noError(t, db.View(t.Context(), func(tx *Tx) error {
		depth := nameTable.in(tx).Stats().Depth
		for _, reverse := range []bool{false, true} {
			for n := int64(0); n < rows; n += 977 {
				scan, err := Scan{Table: nameTable, Rest: index.Size, Reverse: reverse}.After(string(AppendSigned(AppendSigned(nil, n%7), n)))
				noError(t, err)
				counted := pagesTouched(tx, scan, 10)
				if counted > depth+2 {
					t.Errorf("a scan from %d on (reverse %t) touches %d pages, want at most %d", n, reverse, counted, depth+2)
				}
			}
		}
		return nil
	}))
}

// pagesTouched returns how many leaves a scan reads, and the pages above the first one.
func pagesTouched(tx *Tx, scan Scan, rows int) int {
	leaves, size := map[uintptr]bool{}, uintptr(tx.bolt.DB().Info().PageSize)
	n := 0
	for row, err := range scan.Rows(tx) {
		if err != nil {
			return 1 << 30
		}
		leaves[uintptr(unsafe.Pointer(unsafe.SliceData(row.Key)))/size] = true // keys are in the map of the file
		if n++; n == rows {
			break
		}
	}
	return nameTable.in(tx).Stats().Depth - 1 + len(leaves)
}
