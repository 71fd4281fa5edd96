package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestMain lets the migration tests run this program as the process that they kill.
func TestMain(m *testing.M) {
	if os.Getenv(crashPoint) != "" {
		crashChild()
	}
	os.Exit(m.Run())
}

// The records of the tests are things. A thing has a unique name.
const (
	thingTable Table = "things" // sequence number → name
	nameTable  Table = "names"  // name → sequence number
	countTable Table = "counts"
)

func thingOrder() OrderIndex { return OrderIndex{Table: thingTable, Counts: countTable} }

// thingSchema describes the format 1 of the tests.
func thingSchema() *Schema {
	return &Schema{
		Program: "thingd",
		Format:  1,
		Tables: []TableSchema{
			{Table: thingTable, Since: 1, Decode: decodeThing},
			{Table: nameTable, Since: 1, Decode: func(_ []byte, record Record) error { return DecodeOrderKey(record.Payload) }},
			{Table: countTable, Since: 1, Decode: DecodeCounts},
		},
		Orders: []OrderIndex{thingOrder()},
	}
}

func decodeThing(_ []byte, record Record) error {
	if record.Version != 1 || !strings.HasPrefix(string(record.Payload), "thing ") {
		return errors.New("it is not a thing")
	}
	return nil
}

func thing(n int) string { return fmt.Sprintf("thing %d", n) }

// add returns an operation that adds a thing.
func add(name string) func(*Tx) error {
	return func(tx *Tx) error {
		if nameTable.Has(tx, []byte(name)) {
			return domain.AlreadyExists
		}
		key, err := thingOrder().Append(tx, Record{1, []byte(name)})
		if err != nil {
			return err
		}
		return nameTable.Put(tx, []byte(name), Record{1, key})
	}
}

// addThings returns an operation that adds the things from number first to the one before end.
func addThings(first, end int) func(*Tx) error {
	return func(tx *Tx) error {
		for n := first; n < end; n++ {
			if err := add(thing(n))(tx); err != nil {
				return err
			}
		}
		return nil
	}
}

// remove returns an operation that deletes a thing.
func remove(name string) func(*Tx) error {
	return func(tx *Tx) error {
		record, err := nameTable.Get(tx, []byte(name))
		if err != nil {
			return err
		}
		if err := nameTable.Delete(tx, []byte(name)); err != nil {
			return err
		}
		return thingOrder().Delete(tx, record.Payload)
	}
}

// get returns the name of a thing, found by its name.
func get(ctx context.Context, db *DB, name string) (found string, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		key, err := nameTable.Get(tx, []byte(name))
		if err != nil {
			return err
		}
		record, err := thingTable.MustGet(tx, key.Payload)
		found = string(record.Payload)
		return err
	})
	return found, err
}

// list returns count things from a position on.
func list(ctx context.Context, db *DB, offset, count int) (names []string, total int, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		names = nil
		total, err = thingOrder().Len(tx)
		if err != nil {
			return err
		}
		offset = min(offset, total)
		for row, err := range thingOrder().Slice(tx, offset, min(count, total-offset)) {
			if err != nil {
				return err
			}
			names = append(names, string(row.Payload))
		}
		return nil
	})
	return names, total, err
}

// check returns an error unless the tables agree with each other and bbolt finds no
// fault in the file.
func check(ctx context.Context, db *DB) error {
	return db.View(ctx, func(tx *Tx) error {
		for err := range tx.bolt.Check() {
			return err
		}
		things := 0
		for row, err := range thingTable.Rows(tx, nil) {
			if err != nil {
				return err
			}
			things++
			name, err := nameTable.Get(tx, row.Payload)
			if err != nil || !slices.Equal(name.Payload, row.Key) {
				return fmt.Errorf("table names has %x for %x, error %w", name.Payload, row.Key, err)
			}
		}
		if n := nameTable.in(tx).Stats().KeyN; n != things {
			return fmt.Errorf("table names has %d rows, want %d", n, things)
		}
		return checkOrder(tx, thingOrder())
	})
}

// checkOrder counts the rows of every block.
func checkOrder(tx *Tx, order OrderIndex) error {
	want, sequences := map[string]map[int]int{}, map[string]uint64{}
	for row, err := range order.Table.Rows(tx, nil) {
		if err != nil {
			return err
		}
		sequence := sequenceOf(row.Key)
		for _, l := range levels() {
			record := string(l.key(sequence))
			if want[record] == nil {
				want[record] = map[int]int{}
			}
			want[record][l.index(sequence)]++
			sequences[record] = sequence
		}
	}
	for record, blocks := range want {
		for _, l := range levels() {
			if record[0] != l.bits {
				continue
			}
			got, err := order.counts(tx, l, sequences[record])
			if err != nil {
				return err
			}
			for i := range got.len() {
				if n := got.at(i); n != blocks[i] {
					return fmt.Errorf("count %d of record %x is %d, want %d", i, record, n, blocks[i])
				}
				delete(blocks, i)
			}
			if len(blocks) > 0 {
				return fmt.Errorf("record %x lacks the counts %v", record, blocks)
			}
		}
	}
	if n := order.Counts.in(tx).Stats().KeyN; n != len(want) {
		return fmt.Errorf("table counts has %d rows, want %d", n, len(want))
	}
	return nil
}

// commits returns the number of transactions that were committed to the file.
func commits(t testing.TB, db *DB) (n int) {
	t.Helper()
	noError(t, db.View(t.Context(), func(tx *Tx) error {
		n = tx.ID()
		return nil
	}))
	return n
}

func update(t testing.TB, db *DB, run func(*Tx) error) {
	t.Helper()
	noError(t, db.Update(t.Context(), run, nil))
}

// wantThings wants the store to have exactly these things in this order, and no damage.
func wantThings(t testing.TB, db *DB, want ...string) {
	t.Helper()
	names, total, err := list(t.Context(), db, 0, len(want)+1)
	noError(t, err)
	equal(t, "number of things", total, len(want))
	if !slices.Equal(names, want) {
		t.Errorf("the things are %q, want %q", names, want)
	}
	for _, name := range want {
		got, err := get(t.Context(), db, name)
		noError(t, err)
		equal(t, "thing", got, name)
	}
	noError(t, check(t.Context(), db))
}

func openTemp(t testing.TB) *DB { return open(t, filepath.Join(t.TempDir(), "file")) }

func open(t testing.TB, path string) *DB {
	t.Helper()
	return openWith(t, path, thingSchema(), Options{})
}

func openWith(t testing.TB, path string, schema *Schema, options Options) *DB {
	t.Helper()
	db, err := Open(path, schema, options)
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	return db
}

// edited returns the content of the bbolt file with the given content after edit. Empty
// content is an empty bbolt file.
func edited(t testing.TB, content []byte, edit func(*bbolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edited")
	noError(t, os.WriteFile(path, content, 0o600))
	db := sample.Must(bbolt.Open(path, 0o600, nil))
	noError(t, db.Update(edit))
	noError(t, db.Close())
	return sample.Must(os.ReadFile(path))
}

// wantError wants an error of one line that contains the text.
func wantError(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", want)
	}
	if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "\n") {
		t.Errorf("the error is\n\t%q\nwant one line with\n\t%q", text, want)
	}
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, name string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", name, got, want)
	}
}
