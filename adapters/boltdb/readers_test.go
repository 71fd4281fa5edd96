package boltdb

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// testReaders are those of a file of their own, which counts what they begin.
func testReaders(t *testing.T) (r *readers, db *bbolt.DB, begun *int) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "file"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	begun = new(int)
	r = &readers{begin: func() (*bbolt.Tx, error) {
		*begun++
		return db.Begin(false)
	}}
	t.Cleanup(func() {
		r.retire()
		if err := db.Close(); err != nil { // which waits for every transaction
			t.Error(err)
		}
	})
	return r, db, begun
}

func taken(t *testing.T, r *readers) *readTx {
	t.Helper()
	tx, err := r.take()
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestReadsShareATransactionUntilAWrite(t *testing.T) {
	t.Parallel()
	r, db, begun := testReaders(t)
	for range 3 {
		r.give(taken(t, r))
	}
	if *begun != 1 {
		t.Errorf("%d transactions for three reads", *begun)
	}
	for round := range 3 {
		r.retire()
		err := db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte{byte(round)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r.resume()
		tx := taken(t, r)
		if tx.Bucket([]byte{byte(round)}) == nil {
			t.Error("a read does not see what was written before it")
		}
		r.give(tx)
	}
}

// TestReadsDuringAWriteAreNotKept, whenever they begin and end.
func TestReadsDuringAWriteAreNotKept(t *testing.T) {
	t.Parallel()
	r, _, _ := testReaders(t)
	before, endsDuring := taken(t, r), taken(t, r)
	r.retire()
	during, both := taken(t, r), taken(t, r)
	r.give(endsDuring)
	r.give(both)
	r.resume()
	r.give(before)
	r.give(during)
	if len(r.idle) != 0 {
		t.Errorf("%d transactions are kept that may not see the write", len(r.idle))
	}
}

// TestIdleReadsHoldNoWriteUp has a file grow, for which bbolt waits until nobody
// reads.
func TestIdleReadsHoldNoWriteUp(t *testing.T) {
	t.Parallel()
	db, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for n := range 4 {
			_, err := db.Users.HasAdmin(t.Context())
			if err == nil {
				err = db.Users.update(t.Context(), func(tx *bbolt.Tx) error {
					return userTable.put(tx, []byte{byte(n)}, make([]byte, 1<<(18+n)))
				}, nil)
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
	if err != nil {
		t.Error(err)
	}
}
