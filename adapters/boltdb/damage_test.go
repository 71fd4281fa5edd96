package boltdb_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// reads are the methods that read a record of filledStore, by name.
func reads(t *testing.T) map[string]func(*boltdb.DB) error {
	return map[string]func(*boltdb.DB) error{
		"ByPublicID": func(db *boltdb.DB) error {
			_, err := db.Users().ByPublicID(t.Context(), sample.ID(0))
			return err
		},
		"ByEmail": func(db *boltdb.DB) error {
			_, err := db.Users().ByEmail(t.Context(), sample.User(0).Email)
			return err
		},
		"ByName": func(db *boltdb.DB) error {
			_, err := db.Widgets().ByName(t.Context(), widget(0).Name)
			return err
		},
		"List": func(db *boltdb.DB) error {
			_, err := db.Widgets().List(t.Context(), sample.Page(1, 5))
			return err
		},
		"Delete": func(db *boltdb.DB) error { return deleteWidget(t.Context(), db, widget(0).Name) },
		"Users.List": func(db *boltdb.DB) error {
			_, err := db.Users().List(t.Context(), sample.Page(1, 5))
			return err
		},
		"Users.Update": func(db *boltdb.DB) error {
			return db.Users().Update(t.Context(), sample.User(0), sample.User(0))
		},
		"Users.Delete": func(db *boltdb.DB) error { return db.Users().Delete(t.Context(), sample.User(0)) },
		"EndTokens":    func(db *boltdb.DB) error { return db.Blacklist().EndTokens(t.Context(), cutOff(0, 2, 0)) },
		"Purge": func(db *boltdb.DB) error {
			_, err := db.Blacklist().Purge(t.Context(), sample.Time())
			return err
		},
	}
}

// TestRecordsThatCannotBeDecoded damages an open store, because Open refuses a damaged
// file.
func TestRecordsThatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	for table, methods := range map[string][]string{
		"users":     {"ByPublicID", "ByEmail", "Users.List", "Users.Update", "Users.Delete"},
		"widgets":   {"ByName", "List", "Delete"},
		"blacklist": {"Purge"},
		"cut-offs":  {"Purge", "EndTokens"},
	} {
		db := filledStore(t)
		noError(t, db.Garble(t.Context(), table))
		for _, method := range methods {
			err := reads(t)[method](db)
			wantError(t, err, "damaged record in table "+table)
			equal(t, "kind of the error of "+method, domain.KindOf(err), "")
		}
	}
}

func TestMissingRecords(t *testing.T) {
	t.Parallel()
	for _, lost := range []struct{ table, method, want string }{
		{"users", "ByEmail", "it is missing"},
		{"users", "Users.List", "it is missing"},
		{"places", "Users.Delete", "it is missing"},
		{"registration-counts", "Users.Delete", "table registration-counts disagrees"},
		{"widgets", "ByName", "it is missing"},
		{"counts", "Delete", "table counts disagrees"},
	} {
		db := filledStore(t)
		noError(t, db.Empty(t.Context(), lost.table))
		wantError(t, reads(t)[lost.method](db), lost.want)
	}
}

func TestOpenRefusesFiles(t *testing.T) {
	t.Parallel()
	current := boltdb.CurrentFormat()
	setFormat := func(format int) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("widgetd")).Put([]byte("format"), []byte(strconv.Itoa(format)))
		}
	}
	for name, refused := range map[string]struct {
		edit func(*bbolt.Tx) error
		want string
	}{
		"later format": {setFormat(current + 1),
			fmt.Sprintf("has format %d, which a later widgetd wrote; this one knows up to %d", current+1, current)},
		"earlier format": {setFormat(1),
			fmt.Sprintf("has format 1, which is too old; this widgetd knows formats from 2 to %d", current)},
		"foreign file": {func(tx *bbolt.Tx) error {
			return tx.DeleteBucket([]byte("widgetd"))
		}, "not written by widgetd"},
		"damaged record": {func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("blacklist")).Put([]byte("key"), []byte("value"))
		}, "damaged record in table blacklist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "widgetd.db")
			noError(t, sample.Must(boltdb.Open(dir, boltdb.Options{})).Close())
			file := sample.Must(bbolt.Open(path, 0o600, nil))
			noError(t, file.Update(refused.edit))
			noError(t, file.Close())
			before := sample.Must(os.ReadFile(path))

			_, err := boltdb.Open(dir, boltdb.Options{Migrate: func(boltdb.Progress) {}})
			wantError(t, err, "data file "+path)
			wantError(t, err, refused.want)
			if !bytes.Equal(sample.Must(os.ReadFile(path)), before) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenOfFolderInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	_, err := boltdb.Open(dir, boltdb.Options{})
	wantError(t, err, "data folder "+dir+" is in use by another widgetd")
}

// filledStore returns a store with one account, one widget, one expired token and one
// expired cut-off.
func filledStore(t *testing.T) *boltdb.DB {
	t.Helper()
	db := openTemp(t)
	noError(t, db.Users().Add(t.Context(), sample.User(0)))
	noError(t, db.Widgets().Add(t.Context(), widget(0)))
	noError(t, db.Blacklist().Add(t.Context(), sample.Token(0, 0)))
	noError(t, db.Blacklist().EndTokens(t.Context(), cutOff(0, 1, 0)))
	return db
}
