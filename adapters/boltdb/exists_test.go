package boltdb_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/widgetd/widgetd/adapters/boltdb"
)

func TestExistsReportsWhetherTheFolderHoldsAStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	want := func(want bool) {
		t.Helper()
		if got, err := boltdb.Exists(dir); got != want || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	want(false)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	want(false)
	db, err := boltdb.Open(dir, boltdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want(true)
	if _, err := boltdb.Exists(os.DevNull); err == nil {
		t.Error("no error for a folder that is a file")
	}
	if _, err := boltdb.Open(dir, boltdb.Options{}); !errors.Is(err, boltdb.ErrInUse) {
		t.Errorf("the second Open returned %v", err)
	}
}
