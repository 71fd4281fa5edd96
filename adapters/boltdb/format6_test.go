package boltdb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// manyWidgets returns widgets of a few owners, with deadlines in a random order. Some
// deadlines are equal.
func manyWidgets(n int) []domain.Widget {
	random := rand.New(rand.NewPCG(6, 6))
	widgets := make([]domain.Widget, n)
	for i := range widgets {
		w := sample.Widget(fmt.Sprintf("w%d", i))
		w.Deadline = domain.RestoreDeadline(time.UnixMilli(int64(random.IntN(n) - n/2)))
		w.Owner = domain.OwnerOf(sample.User(random.IntN(5)))
		w.Version = domain.FirstVersion(w.CreatedAt)
		widgets[i] = w
	}
	return widgets
}

// TestMigrationOfManyWidgets migrates a file of format 5 with more rows than a transaction
// of a migration writes. The rows are those of a store to which the widgets were added.
func TestMigrationOfManyWidgets(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	widgets := manyWidgets(11_000)
	db := sample.Must(Open(dir, Options{}))
	noError(t, db.Fill(ctx, len(widgets), func(i int) domain.Widget { return widgets[i] }))
	gone := domain.CutOff{Subject: sample.ID(4), Value: domain.AccountDeleted, ExpiresAt: sample.Time(), Lifetime: time.Hour}
	active := domain.CutOff{Subject: sample.ID(3), Value: sample.ID(30), ExpiresAt: sample.Time(), Lifetime: time.Hour}
	noError(t, db.Blacklist().EndTokens(ctx, gone))
	noError(t, db.Blacklist().EndTokens(ctx, active))
	indexTables := []engine.Table{deadlineTable, ownerTable, ownerDeadlineTable}
	want := tables(t, db, indexTables...)
	key := db.CursorKey()
	noError(t, db.Close())
	makeFormat(t, dir, 5)

	last, steps := Progress{}, map[int]bool{}
	db = sample.Must(Open(dir, Options{Migrate: func(p Progress) {
		if p.Done < last.Done || p.Done > p.Total {
			t.Errorf("%d of %d after %d", p.Done, p.Total, last.Done)
		}
		last = p
		steps[p.Done/11_000] = true
	}}))
	t.Cleanup(func() { _ = db.Close() })
	equal(t, "rows written", last.Done, last.Total)
	if len(steps) < 4 {
		t.Errorf("the progress was reported for %v of 11000 rows, want reports also for the indexes", steps)
	}
	noError(t, db.CheckAll(ctx))
	got := tables(t, db, indexTables...)
	equal(t, "rows of the indexes", len(got), len(want))
	for key, payload := range want {
		if row, found := got[key]; !found || row != payload {
			t.Fatalf("the row %x is missing", key)
		}
	}
	if departed := sample.Must(db.Users().Departed(ctx)); !slices.Equal(departed, []domain.UUID{gone.Subject}) {
		t.Errorf("Departed returned %v, want %v", departed, gone.Subject)
	}
	if db.CursorKey() == (domain.CursorKey{}) || db.CursorKey() == key {
		t.Error("the migration made no new key for cursors")
	}
	query := domain.WidgetQuery{Sort: domain.ByDeadline, Owner: new(sample.ID(2))}
	slice := sample.Must(db.Widgets().Slice(ctx, query, "", 20_000))
	var owned []domain.Widget
	for _, w := range widgets {
		if query.Includes(w) {
			owned = append(owned, w)
		}
	}
	slices.SortStableFunc(owned, func(a, b domain.Widget) int { return a.Deadline.Time().Compare(b.Deadline.Time()) })
	if !slices.Equal(slice.Items, owned) {
		t.Error("the widgets of an owner are not those that were added, by deadline")
	}
}

// TestIndexedValuesOfOldRecords compares the values that the migration reads from a record
// with those of the decoded widget.
func TestIndexedValuesOfOldRecords(t *testing.T) {
	t.Parallel()
	key := []byte{0, 0, 0, 0, 0, 0, 0, 7}
	for _, w := range append(manyWidgets(5), recordedWidget()) {
		record := encodeWidget(w)
		record.Version, record.Payload = 1, record.Payload[:len(record.Payload)-8]
		got, err := decodeIndexed(engine.Row{Key: key, Record: record})
		noError(t, err)
		for _, index := range widgetIndexes() {
			if !bytes.Equal(index.key(got), index.key(indexed(key, w))) {
				t.Errorf("the key is %x, want %x", index.key(got), index.key(indexed(key, w)))
			}
		}
	}
	if _, err := decodeIndexed(engine.Row{Key: key, Record: engine.Record{Version: 1, Payload: make([]byte, 31)}}); err == nil {
		t.Error("a record without an owner is decoded")
	}
}
