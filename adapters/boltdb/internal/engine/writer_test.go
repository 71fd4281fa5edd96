package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// Several tests of this file block the writer in a transaction while other operations
// wait in the queue. synctest.Wait returns when every goroutine is blocked.

func TestWritersShareCommits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		before := commits(t, db)
		release := hold(t, db)
		const writers = 100
		var done sync.WaitGroup
		for n := range writers {
			done.Go(func() {
				if err := db.Update(t.Context(), add(thing(n)), nil); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		release()
		done.Wait()
		equal(t, "commits", commits(t, db)-before, 2) // one of them is that of hold
		_, total, err := list(t.Context(), db, 0, 1)
		noError(t, err)
		equal(t, "number of things", total, writers)
	})
}

func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		before := commits(t, db)
		release := hold(t, db)
		var done sync.WaitGroup
		for n := range maxBatch + 44 {
			done.Go(func() { _ = db.Update(t.Context(), add(thing(n)), nil) })
		}
		synctest.Wait()
		release()
		done.Wait()
		equal(t, "commits", commits(t, db)-before, 3)
	})
}

// TestSingleWriterDoesNotWait uses the clock of synctest, which advances only when
// every goroutine waits for it.
func TestSingleWriterDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		start := time.Now()
		for n := range 3 {
			update(t, db, add(thing(n)))
		}
		equal(t, "time waited", time.Since(start), 0)
	})
}

func TestRefusedOperationsDoNotCommit(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	update(t, db, add(thing(1)))
	before := commits(t, db)
	for want, run := range map[domain.Kind]func(*Tx) error{
		domain.AlreadyExists: add(thing(1)),
		domain.NotFound:      remove(thing(2)),
	} {
		if err := db.Update(t.Context(), run, nil); !errors.Is(err, want) {
			t.Errorf("Update returned %v, want %s", err, want)
		}
	}
	equal(t, "commits", commits(t, db), before)
}

// TestFailedOperationsDoNotHarmOthers runs failing and successful operations in one
// batch.
func TestFailedOperationsDoNotHarmOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		update(t, db, add(thing(0)))
		release := hold(t, db)
		addThen := func(n int, end func() error) func(*Tx) error {
			return func(tx *Tx) error { return errors.Join(add(thing(n))(tx), end()) }
		}
		operations := []struct {
			run  func(*Tx) error
			want string // a part of the error
		}{
			{add(thing(1)), ""},
			{addThen(11, func() error { return errors.New("boom") }), "boom"},
			{add(thing(0)), "already exists"},
			{addThen(12, func() error { return errors.New("bang") }), "bang"},
			{remove(thing(9)), "not found"},
			{add(thing(2)), ""},
		}
		errs := make([]error, len(operations))
		committed := make([]bool, len(operations))
		var done sync.WaitGroup
		for i, op := range operations {
			done.Go(func() {
				errs[i] = db.Update(t.Context(), op.run, func() { committed[i] = true })
			})
			synctest.Wait() // so that the operations queue in this order
		}
		release()
		done.Wait()
		for i, op := range operations {
			if got := fmt.Sprint(errs[i]); (errs[i] == nil) != (op.want == "") || !strings.Contains(got, op.want) {
				t.Errorf("operation %d: %s, want %q", i, got, op.want)
			}
			if committed[i] != (op.want == "") {
				t.Errorf("operation %d: committed was called: %t", i, committed[i])
			}
		}
		wantThings(t, db, thing(0), thing(1), thing(2))
		update(t, db, add(thing(3)))
	})
}

func TestContextEndsInQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		release := hold(t, db)
		giveUp(t, func(ctx context.Context) error { return db.Update(ctx, add(thing(1)), nil) }, func() {})
		release()
		update(t, db, add(thing(2)))
		wantThings(t, db, thing(2))
	})
}

// TestContextEndsInBatch ends the context of an operation while an earlier operation of
// the same transaction is running.
func TestContextEndsInBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		release := hold(t, db)
		proceed := make(chan struct{})
		go func() {
			_ = db.Update(t.Context(), func(*Tx) error {
				<-proceed
				return nil
			}, nil)
		}()
		synctest.Wait()
		giveUp(t, func(ctx context.Context) error { return db.Update(ctx, add(thing(1)), nil) }, release)
		close(proceed)
		update(t, db, add(thing(2)))
		wantThings(t, db, thing(2))
	})
}

// TestContextEndsInOperation ends the context while the operation is running. The
// operation must be committed, and committed must be called.
func TestContextEndsInOperation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		proceed := make(chan struct{})
		committed := false
		giveUp(t, func(ctx context.Context) error {
			return db.Update(ctx, func(tx *Tx) error {
				<-proceed
				return add(thing(1))(tx)
			}, func() { committed = true })
		}, func() {})
		close(proceed)
		update(t, db, add(thing(2)))
		wantThings(t, db, thing(1), thing(2))
		equal(t, "committed", committed, true)
	})
}

func TestEndedContextIsUnavailable(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := commits(t, db)
	for call, err := range everyMethod(ctx, db) {
		if !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s returned %v, want Unavailable caused by the context", call, err)
		}
	}
	equal(t, "commits", commits(t, db), before)
}

func TestCloseMakesEverythingUnavailable(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	update(t, db, add(thing(1)))
	noError(t, db.Close())
	noError(t, db.Close())
	for call, err := range everyMethod(t.Context(), db) {
		if !errors.Is(err, domain.Unavailable) {
			t.Errorf("%s after Close returned %v, want Unavailable", call, err)
		}
	}
}

// TestCloseWaitsForWrites closes the store while goroutines write. Every acknowledged
// write must be there afterwards.
func TestCloseWaitsForWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	db := open(t, path)
	const writers = 16
	written := make([]int, writers)
	var begun, ended sync.WaitGroup
	begun.Add(writers)
	for i := range writers {
		ended.Go(func() {
			for n := 0; ; n++ {
				err := db.Update(t.Context(), add(thing(1000*i+n)), nil)
				if n == 0 {
					begun.Done()
				}
				if err != nil {
					if !errors.Is(err, domain.Unavailable) {
						t.Errorf("Update during Close returned %v, want Unavailable", err)
					}
					return
				}
				written[i]++
			}
		})
	}
	begun.Wait()
	noError(t, db.Close())
	ended.Wait()

	db = open(t, path)
	noError(t, check(t.Context(), db))
	want := 0
	for i, n := range written {
		want += n
		for n := range n {
			_, err := get(t.Context(), db, thing(1000*i+n))
			noError(t, err)
		}
	}
	_, total, err := list(t.Context(), db, 0, 1)
	noError(t, err)
	equal(t, "number of things", total, want)
}

// TestCloseDoesNotWaitForAHangingDisk simulates the disk by an operation that does not
// return.
func TestCloseDoesNotWaitForAHangingDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(filepath.Join(t.TempDir(), "file"), thingSchema(), Options{})
		noError(t, err)
		release := hold(t, db)
		began := time.Now()
		wantError(t, db.Close(), "its disk does not answer")
		equal(t, "time waited", time.Since(began), 5*time.Second)
		release()
		synctest.Wait()
	})
}

func everyMethod(ctx context.Context, db *DB) map[string]error {
	return map[string]error{
		"View":   db.View(ctx, func(*Tx) error { return nil }),
		"Update": db.Update(ctx, add(thing(9)), nil),
		"Ready":  db.Ready(ctx),
		"Ping":   db.Ping(ctx),
	}
}

// hold returns while a transaction is open, with a function that ends the transaction.
func hold(t *testing.T, db *DB) (release func()) {
	entered, proceed := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- db.Update(t.Context(), func(*Tx) error {
			close(entered)
			<-proceed
			return nil
		}, nil)
	}()
	<-entered
	return func() {
		close(proceed)
		noError(t, <-ended)
	}
}

// giveUp runs call, runs meanwhile when call waits, and then ends the context of call.
func giveUp(t *testing.T, call func(context.Context) error, meanwhile func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- call(ctx) }()
	synctest.Wait()
	meanwhile()
	synctest.Wait()
	cancel()
	if err := <-ended; !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a call whose context ended returned %v, want Unavailable", err)
	}
}
