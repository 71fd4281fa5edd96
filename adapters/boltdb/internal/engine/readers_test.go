package engine

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// testReaders returns readers on a bbolt file, and a function that takes a transaction
// from them and counts those that begin.
func testReaders(t *testing.T) (r *readers, db *bbolt.DB, take func() *Tx, begun *int) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "file"), 0o600, &bbolt.Options{NoSync: true})
	noError(t, err)
	begun = new(int)
	r = &readers{end: func(tx *bbolt.Tx) { _ = tx.Rollback() }}
	take = func() *Tx {
		t.Helper()
		tx, err := r.take(func() (*bbolt.Tx, error) {
			*begun++
			return db.Begin(false)
		})
		noError(t, err)
		return tx
	}
	t.Cleanup(func() {
		r.retire()
		if err := db.Close(); err != nil { // waits for every transaction
			t.Error(err)
		}
	})
	return r, db, take, begun
}

func TestReadsShareATransactionUntilAWrite(t *testing.T) {
	t.Parallel()
	r, db, take, begun := testReaders(t)
	for range 3 {
		r.give(take())
	}
	equal(t, "number of transactions for three reads", *begun, 1)
	for round := range 3 {
		r.retire()
		noError(t, db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte{byte(round)})
			return err
		}))
		r.resume()
		tx := take()
		if tx.bolt.Bucket([]byte{byte(round)}) == nil {
			t.Error("a read does not see a write that ended before it")
		}
		r.give(tx)
	}
}

func TestReadsDuringAWriteAreNotKept(t *testing.T) {
	t.Parallel()
	r, _, take, _ := testReaders(t)
	before, endsDuring := take(), take()
	r.retire()
	during, both := take(), take()
	r.give(endsDuring)
	r.give(both)
	r.resume()
	r.give(before)
	r.give(during)
	equal(t, "number of kept transactions that may not see the write", len(r.idle), 0)
}

// TestIdleReadsDoNotBlockWrites makes the file grow. Before it grows, bbolt waits until
// no read transaction is open.
func TestIdleReadsDoNotBlockWrites(t *testing.T) {
	t.Parallel()
	db, err := Open(filepath.Join(t.TempDir(), "file"), thingSchema(), Options{})
	noError(t, err)
	done := make(chan error, 1)
	go func() {
		for n := range 4 {
			_, _, err := list(t.Context(), db, 0, 1)
			if err == nil {
				err = db.Update(t.Context(), add("thing "+strings.Repeat("x", 1<<14+n)), nil)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- db.Close()
	}()
	select {
	case err = <-done:
	case <-time.After(20 * time.Second):
		err = errors.New("a write waits for a read that has ended")
	}
	noError(t, err)
}
