package engine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestFullDisk(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	update(t, db, add(thing(0)))
	limitSize(t, db, true)
	large := "thing " + strings.Repeat("x", 30_000) // below bbolt's limit for a key
	err := db.Update(t.Context(), add(large), nil)
	if !errors.Is(err, domain.Unavailable) || errors.Unwrap(err) == nil {
		t.Errorf("Update on a full disk returned %v, want Unavailable with a cause", err)
	}
	wantThings(t, db, thing(0))
	limitSize(t, db, false)
	update(t, db, add(large))
	wantThings(t, db, thing(0), large)
}

// TestFailedSyncIsRecoveredBeforeTheNextWrite makes transactions in doubt while other
// goroutines read.
func TestFailedSyncIsRecoveredBeforeTheNextWrite(t *testing.T) {
	t.Parallel()
	path, ctx := filepath.Join(t.TempDir(), "file"), t.Context()
	opened := 0
	db := openWith(t, path, thingSchema(), Options{Opened: func(tx *Tx) error {
		opened++
		_, err := thingOrder().Len(tx)
		return err
	}})
	want := []string{thing(0)}
	update(t, db, add(thing(0)))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := get(ctx, db, thing(0))
				if errors.Is(err, domain.Unavailable) { // while the file is closed and opened
					continue
				}
				if err != nil || got != thing(0) {
					t.Errorf("get = %q, %v", got, err)
					return
				}
			}
		})
	}
	for n := 1; n <= 20; n++ {
		equal(t, "calls of Opened", opened, n)
		noError(t, doubt(ctx, db, thing(100+n)))
		update(t, db, add(thing(n)))
		want = append(want, thing(100+n), thing(n))
	}
	close(stop)
	readers.Wait()
	wantThings(t, db, want...)
	if _, err := Open(path, thingSchema(), Options{}); err == nil {
		t.Error("the file is no longer locked")
	}
	noError(t, doubt(ctx, db, thing(99)))
	noError(t, db.Close())
	wantThings(t, open(t, path), append(want, thing(99))...)
}

func TestFailedSyncIsRecoveredWithoutAWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opened := make(chan struct{}, 2)
		path := filepath.Join(t.TempDir(), "file")
		db := openWith(t, path, thingSchema(), Options{Opened: func(*Tx) error {
			opened <- struct{}{}
			return nil
		}})
		<-opened
		noError(t, doubt(t.Context(), db, thing(1)))
		began := time.Now()
		<-opened
		equal(t, "time until recovery", time.Since(began), recoveryInterval)
		wantThings(t, db, thing(1))
	})
}

// TestRecoveryLeavesAnotherFileAlone replaces the file while a transaction is in doubt.
func TestRecoveryLeavesAnotherFileAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, hidden, ctx := filepath.Join(dir, "file"), filepath.Join(dir, "hidden"), t.Context()
	db := open(t, path)
	noError(t, doubt(ctx, db, thing(0)))
	noError(t, os.Rename(path, hidden))
	for _, other := range [][]byte{nil, filledFile(t)} {
		if other != nil {
			noError(t, os.WriteFile(path, other, 0o600))
		}
		for range 2 {
			wantRefused(t, db)
		}
		if other != nil && !bytes.Equal(sample.Must(os.ReadFile(path)), other) {
			t.Error("the other file was changed")
		}
	}
	noError(t, os.Rename(hidden, path))
	update(t, db, add(thing(1)))
	wantThings(t, db, thing(0), thing(1))
}

// TestRecoveryIsTriedAgainAfterItClosedTheFile makes Opened fail during recovery.
func TestRecoveryIsTriedAgainAfterItClosedTheFile(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	var fail atomic.Bool
	db := openWith(t, filepath.Join(t.TempDir(), "file"), thingSchema(), Options{Opened: func(*Tx) error {
		if fail.Load() {
			return boom
		}
		return nil
	}})
	noError(t, doubt(t.Context(), db, thing(0)))
	fail.Store(true)
	for range 2 {
		err := db.Update(t.Context(), add(thing(1)), nil)
		if !errors.Is(err, domain.Unavailable) || !errors.Is(err, boom) {
			t.Errorf("Update returned %v, want Unavailable with the cause", err)
		}
	}
	fail.Store(false)
	update(t, db, add(thing(1)))
	wantThings(t, db, thing(0), thing(1))
}

// doubt adds a thing in a transaction that is in doubt afterwards, because the fsync of its
// meta page fails.
func doubt(ctx context.Context, db *DB, name string) error {
	err := db.Update(ctx, func(tx *Tx) error {
		failSyncOfMeta(db.bolt.Load(), db.pageSize)
		return add(name)(tx)
	}, nil)
	switch {
	case err == nil:
		return errors.New("Update returned no error, although the fsync failed")
	case errors.Is(err, domain.Unavailable):
		return nil
	}
	return err
}

// failSyncOfMeta lets bbolt write meta pages, and then return an error, until the file is
// opened again. bbolt has no exported field for that.
func failSyncOfMeta(bolt *bbolt.DB, pageSize int) {
	field := reflect.ValueOf(bolt).Elem().FieldByName("ops").FieldByName("writeAt")
	write := (*func([]byte, int64) (int, error))(field.Addr().UnsafePointer())
	original := *write
	*write = func(b []byte, offset int64) (int, error) {
		n, err := original(b, offset)
		if err == nil && offset < int64(2*pageSize) {
			err = errors.New("the fsync failed")
		}
		return n, err
	}
}

// limitSize makes the disk appear full at the current size of the file, or removes that
// limit.
func limitSize(t *testing.T, db *DB, limit bool) {
	t.Helper()
	bolt := db.bolt.Load()
	bolt.MaxSize = 0
	if limit {
		noError(t, bolt.View(func(tx *bbolt.Tx) error {
			bolt.MaxSize = int(tx.Size())
			return nil
		}))
	}
}
