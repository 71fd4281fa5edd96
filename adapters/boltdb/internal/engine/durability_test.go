package engine

import (
	"path/filepath"
	"reflect"
	"testing"

	"go.etcd.io/bbolt"
)

// TestOpenFileSyncsEveryTransaction checks the options that decide what survives a power
// cut. The tests of power cuts show their effect, where tracing is permitted; this one runs
// everywhere.
func TestOpenFileSyncsEveryTransaction(t *testing.T) {
	t.Parallel()
	for _, lock := range []bool{false, true} {
		want := &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, NoStatistics: true, Mlock: lock, InitialMmapSize: mapBytes()}
		if got := (Options{LockMemory: lock}).bolt(); !reflect.DeepEqual(got, want) {
			t.Errorf("bbolt opens the file with %+v, want %+v: a test of power cuts must show that another option loses nothing", got, want)
		}
	}
	path := filepath.Join(t.TempDir(), "file")
	db := openWith(t, path, thingSchema(), Options{})
	wantSyncs(t, db.bolt.Load())
	first := db.bolt.Load()
	update(t, db, func(tx *Tx) error {
		db.inDoubt = true // so that the next write opens the file again
		return add(thing(1))(tx)
	})
	update(t, db, add(thing(2)))
	if db.bolt.Load() == first {
		t.Error("the file was not opened again")
	}
	wantSyncs(t, db.bolt.Load())
}

// wantSyncs checks an open file.
func wantSyncs(t *testing.T, db *bbolt.DB) {
	t.Helper()
	for option, set := range map[string]bool{
		"NoSync": db.NoSync, "NoGrowSync": db.NoGrowSync, "NoFreelistSync": db.NoFreelistSync,
	} {
		if set {
			t.Errorf("the file is open with %s", option)
		}
	}
}
