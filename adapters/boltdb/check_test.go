package boltdb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// variedStore returns a store in the folder dir with rows in every table that Check compares.
func variedStore(t *testing.T, dir string) *boltdb.DB {
	t.Helper()
	db, ctx := open(t, dir), t.Context()
	for n := range 3 {
		noError(t, db.Widgets().Add(ctx, widget(n)))
		noError(t, db.Users().Add(ctx, sample.User(n)))
	}
	noError(t, db.Users().Add(ctx, sample.Admin(3)))
	noError(t, db.Users().Add(ctx, sample.User(4)))
	noError(t, db.Users().Delete(ctx, sample.User(4)))
	noError(t, db.Blacklist().Add(ctx, sample.Token(0, time.Hour)))
	noError(t, db.Blacklist().EndTokens(ctx, cutOff(0, 1, time.Hour)))
	noError(t, db.CheckAll(ctx))
	return db
}

// TestCheckNamesTheWrongRow removes, adds and changes a row of each table that depends on
// others.
func TestCheckNamesTheWrongRow(t *testing.T) {
	t.Parallel()
	sequence := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	id := sample.ID(77)
	for table, rows := range map[string]struct{ key, payload []byte }{
		"names":           {[]byte("w77"), sequence(77)},
		"deadlines":       {bytes.Repeat([]byte{1}, 16), nil},
		"owners":          {bytes.Repeat([]byte{1}, 24), nil},
		"owner-deadlines": {bytes.Repeat([]byte{1}, 32), nil},
		"emails":          {[]byte("nobody@example.com"), id[:]},
		"admins":          {id[:], nil},
		"places":          {id[:], sequence(77)},
		"registrations":   {sequence(0), id[:]},
	} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			db := variedStore(t, t.TempDir())
			noError(t, db.PutRow(ctx, table, rows.key, rows.payload))
			wantError(t, db.Check(ctx, nil), "table "+table)
			wantError(t, db.Check(ctx, nil), "it belongs to no record")

			db = variedStore(t, t.TempDir())
			key, payload, err := db.TakeRow(ctx, table)
			noError(t, err)
			wantError(t, db.Check(ctx, nil), "damaged record in table "+table)
			wantError(t, db.Check(ctx, nil), "it is missing")
			noError(t, db.PutRow(ctx, table, key, payload))
			noError(t, db.Check(ctx, nil))

			// As many rows as before, but one of them is wrong.
			_, _, err = db.TakeRow(ctx, table)
			noError(t, err)
			noError(t, db.PutRow(ctx, table, rows.key, rows.payload))
			wantError(t, db.Check(ctx, nil), "damaged record in table "+table)
		})
	}
}

// TestOpenCountsTheRowsOfIndexes opens a file in which an index has a row too few.
func TestOpenCountsTheRowsOfIndexes(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"names", "deadlines", "owners", "owner-deadlines", "places"} {
		dir := t.TempDir()
		db := variedStore(t, dir)
		_, _, err := db.TakeRow(t.Context(), table)
		noError(t, err)
		noError(t, db.Close())
		_, err = boltdb.Open(dir, boltdb.Options{})
		wantError(t, err, "table "+table+" has ")
	}
}

func TestCheckFindsRecordsThatDisagree(t *testing.T) {
	t.Parallel()
	for table, want := range map[string]string{
		"names":  "it refers to ",
		"emails": "it refers to ",
	} {
		db := variedStore(t, t.TempDir())
		noError(t, db.SwapPayloads(t.Context(), table))
		wantError(t, db.Check(t.Context(), nil), "damaged record in table "+table)
		wantError(t, db.Check(t.Context(), nil), want)
	}
	for table, want := range map[string]string{
		"users": "damaged record in table users", "widgets": "damaged record in table widgets",
		"cut-offs": "damaged record in table cut-offs", "cursor-key": "damaged record in table cursor-key",
	} {
		db := variedStore(t, t.TempDir())
		noError(t, db.Garble(t.Context(), table))
		wantError(t, db.Check(t.Context(), nil), want)
	}
	db := variedStore(t, t.TempDir())
	noError(t, db.Empty(t.Context(), "cursor-key"))
	wantError(t, db.Check(t.Context(), nil), "table cursor-key")
}

func TestCheckFindsFilesThatOthersCanRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := variedStore(t, dir)
	other := filepath.Join(dir, "other")
	noError(t, os.WriteFile(other, nil, 0o600))
	noError(t, db.Check(t.Context(), nil))
	for _, mode := range []os.FileMode{0o640, 0o604} {
		noError(t, os.Chmod(other, mode))
		wantError(t, db.Check(t.Context(), nil), "file "+other+" has mode 0")
	}
}

func TestCheckReportsItsProgress(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	noError(t, db.Fill(t.Context(), 20_000, widget))
	last, reports := int64(-1), 0
	noError(t, db.Check(t.Context(), func(done, total int64) {
		if done < last || done > total {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last, reports = done, reports+1
	}))
	if reports < 5 {
		t.Errorf("there were %d reports, want several", reports)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Check(ctx, func(int64, int64) { cancel() })
	equal(t, "kind of the error", domain.KindOf(err), domain.Unavailable)
}

// TestBackupIsADataFolder opens a copy that was made while 8 writers were adding widgets. It
// has every widget that was acknowledged before the call.
func TestBackupIsADataFolder(t *testing.T) {
	t.Parallel()
	db := variedStore(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	acknowledged := make(chan domain.WidgetName, 1)
	ended := make(chan struct{}, 8)
	for worker := range 8 {
		go func() {
			defer func() { ended <- struct{}{} }()
			for n := 1000 * (worker + 1); ctx.Err() == nil; n++ {
				if db.Widgets().Add(ctx, widget(n)) == nil {
					select {
					case acknowledged <- widget(n).Name:
					case <-ctx.Done():
					}
				}
			}
		}()
	}
	for range 3 {
		var names []domain.WidgetName
		for range 50 {
			names = append(names, <-acknowledged)
		}
		var content bytes.Buffer
		noError(t, db.Backup(t.Context(), &content, nil))
		dir := t.TempDir()
		noError(t, os.WriteFile(filepath.Join(dir, "widgetd.db"), content.Bytes(), 0o600))
		backup := open(t, dir)
		noError(t, backup.CheckAll(t.Context()))
		equal(t, "key for cursors", backup.CursorKey(), db.CursorKey())
		for _, name := range names {
			noError(t, errorOf(backup.Widgets().ByName(t.Context(), name)))
		}
	}
	cancel()
	for range 8 {
		<-ended
	}
}
