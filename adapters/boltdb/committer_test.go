package boltdb_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
)

// The tests of this file hold the committer in a transaction to know what queues
// up behind it. synctest tells when every goroutine waits.

func TestWritersShareCommits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		before := db.Commits()
		release := hold(t, db)
		const writers = 100
		var done sync.WaitGroup
		for n := range writers {
			done.Go(func() {
				if err := db.Widgets.Add(t.Context(), widget(n)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		release()
		done.Wait()
		equal(t, "commits", db.Commits()-before, 2) // one of them is hold's
		equal(t, "total", list(t, db, 1, 5).TotalItems, writers)
	})
}

func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		before := db.Commits()
		release := hold(t, db)
		var done sync.WaitGroup
		for n := range 300 {
			done.Go(func() { _ = db.Blacklist.Add(t.Context(), token(n, time.Hour)) })
		}
		synctest.Wait()
		release()
		done.Wait()
		equal(t, "commits", db.Commits()-before, 3)
	})
}

// TestLoneWriterWaitsForNobody runs on synctest's clock, which stands still
// unless everybody waits for it.
func TestLoneWriterWaitsForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		start := time.Now()
		for n := range 3 {
			noError(t, db.Widgets.Add(t.Context(), widget(n)))
		}
		equal(t, "time waited", time.Since(start), 0)
	})
}

func TestRefusalsCostNoCommit(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	noError(t, db.Widgets.Add(t.Context(), widget(1)))
	noError(t, db.Blacklist.Add(t.Context(), token(1, time.Hour)))
	before := db.Commits()
	for _, err := range []error{
		db.Widgets.Add(t.Context(), widget(1)),
		db.Widgets.Delete(t.Context(), widget(2).Name),
		db.Users.SetCredentials(t.Context(), user(1), ""),
	} {
		if !errors.Is(err, domain.AlreadyExists) && !errors.Is(err, domain.NotFound) {
			t.Errorf("refused with %v", err)
		}
	}
	noError(t, db.Blacklist.Add(t.Context(), token(1, time.Hour)))
	equal(t, "commits", db.Commits(), before)
}

// TestBadOperationsHarmNoOther has bad ones in a batch with good ones.
func TestBadOperationsHarmNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		noError(t, db.Widgets.Add(t.Context(), widget(0)))
		release := hold(t, db)
		boom := errors.New("boom")
		addThen := func(n int, end func() error) func() error {
			return func() error {
				return db.Update(t.Context(), func(tx *bbolt.Tx) error {
					if err := tx.Bucket([]byte("users")).Put([]byte{byte(n)}, nil); err != nil {
						return err
					}
					return end()
				}, func() { t.Error("an operation that failed was committed") })
			}
		}
		operations := []struct {
			run  func() error
			want string
		}{
			{func() error { return db.Widgets.Add(t.Context(), widget(1)) }, ""},
			{addThen(1, func() error { return boom }), "boom"},
			{func() error { return db.Widgets.Add(t.Context(), widget(0)) }, "already exists"},
			{addThen(2, func() error { panic("bang") }), "bang"},
			{func() error { return db.Widgets.Delete(t.Context(), widget(9).Name) }, "not found"},
			{func() error { return db.Widgets.Add(t.Context(), widget(2)) }, ""},
		}
		errs := make([]error, len(operations))
		var done sync.WaitGroup
		for i, operation := range operations {
			done.Go(func() { errs[i] = operation.run() })
			synctest.Wait() // so that they queue in this order
		}
		release()
		done.Wait()
		for i, operation := range operations {
			if got := fmt.Sprint(errs[i]); (errs[i] == nil) != (operation.want == "") || !strings.Contains(got, operation.want) {
				t.Errorf("operation %d: %s, want %q", i, got, operation.want)
			}
		}
		equal(t, "total", list(t, db, 1, 5).TotalItems, 3)
		noError(t, db.Check())
		noError(t, db.Widgets.Add(t.Context(), widget(3)))
	})
}

func TestContextEndsInQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		release := hold(t, db)
		giveUp(t, func(ctx context.Context) error { return db.Widgets.Add(ctx, widget(1)) }, func() {})
		release()
		wantNoneBut(t, db, widget(2))
	})
}

// TestContextEndsInBatch has the context of an operation end while one that
// comes before it in the same transaction is running.
func TestContextEndsInBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		release := hold(t, db)
		proceed := make(chan struct{})
		go func() {
			_ = db.Update(t.Context(), func(*bbolt.Tx) error {
				<-proceed
				return nil
			}, nil)
		}()
		synctest.Wait()
		giveUp(t, func(ctx context.Context) error { return db.Widgets.Add(ctx, widget(1)) }, release)
		close(proceed)
		wantNoneBut(t, db, widget(2))
	})
}

// TestContextEndsInCommit has the context of an operation end while it is
// running: it is committed, and memory follows, though its caller is gone.
func TestContextEndsInCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := openTemp(t)
		proceed := make(chan struct{})
		committed := false
		giveUp(t, func(ctx context.Context) error {
			return db.Update(ctx, func(*bbolt.Tx) error {
				<-proceed
				return nil
			}, func() { committed = true })
		}, func() {})
		close(proceed)
		wantNoneBut(t, db, widget(2))
		equal(t, "committed", committed, true)
	})
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	noError(t, db.Users.Add(t.Context(), user(0)))
	db.LimitSize(true)
	large := user(1)
	large.PasswordHash = strings.Repeat("x", 1<<20)
	err := db.Users.Add(t.Context(), large)
	if !errors.Is(err, domain.Unavailable) || errors.Unwrap(err) == nil {
		t.Errorf("Add on a full disk: %v, want unavailable with a cause", err)
	}
	if _, err := db.Users.ByEmail(t.Context(), large.Email); !errors.Is(err, domain.NotFound) {
		t.Errorf("ByEmail after Add failed: %v, want not found", err)
	}
	noError(t, db.Check())
	db.LimitSize(false)
	noError(t, db.Users.Add(t.Context(), large))
	noError(t, db.Check())
}

// TestDoubtIsSettledBeforeTheNextWrite has a transaction in doubt while others read.
func TestDoubtIsSettledBeforeTheNextWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, ctx := open(t, dir), t.Context()
	noError(t, db.Widgets.Add(ctx, widget(0)))
	noError(t, db.Blacklist.Add(ctx, token(0, time.Hour)))
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
				got, err := db.Widgets.ByName(ctx, widget(0).Name)
				if errors.Is(err, domain.Unavailable) { // for the moment between closing and opening
					continue
				}
				if err != nil || got != widget(0) {
					t.Errorf("ByName = %v, %v", got, err)
					return
				}
			}
		})
	}
	for n := 1; n <= 20; n++ {
		noError(t, db.Doubt(ctx))
		wantBlacklisted(t, db, token(n, time.Hour), false)
		noError(t, db.Blacklist.Add(ctx, token(n, time.Hour)))
		noError(t, db.Widgets.Add(ctx, widget(n)))
		for m := range n + 1 {
			wantBlacklisted(t, db, token(m, time.Hour), true)
		}
	}
	close(stop)
	readers.Wait()
	noError(t, db.Check())
	equal(t, "total", list(t, db, 1, 25).TotalItems, 21)
	if _, err := boltdb.Open(dir); err == nil {
		t.Error("the file is no longer locked")
	}
	noError(t, db.Doubt(ctx))
	noError(t, db.Close())
	noError(t, open(t, dir).Check())
}

// TestDoubtThatCannotBeSettled lets nobody write, and everybody read.
func TestDoubtThatCannotBeSettled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, ctx := open(t, dir), t.Context()
	noError(t, db.Widgets.Add(ctx, widget(0)))
	noError(t, db.Doubt(ctx))
	file, hidden := filepath.Join(dir, "widgetd.db"), filepath.Join(dir, "hidden")
	noError(t, os.Rename(file, hidden)) // so that nothing can be written to it
	for range 2 {
		if err := db.Widgets.Add(ctx, widget(1)); !errors.Is(err, domain.Unavailable) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Add while in doubt: %v, want unavailable with the cause", err)
		}
		equal(t, "total", list(t, db, 1, 5).TotalItems, 1)
	}
	noError(t, os.Rename(hidden, file))
	noError(t, db.Widgets.Add(ctx, widget(1)))
	equal(t, "total", list(t, db, 1, 5).TotalItems, 2)
	noError(t, db.Check())
}

// TestCloseDoesNotWaitForADiskThatHangs for ever.
func TestCloseDoesNotWaitForADiskThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, err := boltdb.Open(t.TempDir())
		noError(t, err)
		release := hold(t, db)
		began := time.Now()
		if err := db.Close(); err == nil || !strings.Contains(err.Error(), "its disk does not answer") {
			t.Errorf("Close = %v", err)
		}
		equal(t, "time waited", time.Since(began), 5*time.Second)
		release()
		synctest.Wait()
	})
}

// hold returns while a transaction is open, and then a function that ends it.
func hold(t *testing.T, db *boltdb.DB) (release func()) {
	entered, proceed := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- db.Update(t.Context(), func(*bbolt.Tx) error {
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

// giveUp ends the context of a call once it waits and meanwhile has been called.
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
		t.Errorf("a call whose context ended: %v, want unavailable", err)
	}
}

// wantNoneBut adds a widget, after everything that is under way, and wants it to
// be the only one.
func wantNoneBut(t *testing.T, db *boltdb.DB, w domain.Widget) {
	t.Helper()
	noError(t, db.Widgets.Add(t.Context(), w))
	page := list(t, db, 1, 5)
	equal(t, "total", page.TotalItems, 1)
	equal(t, "widget", page.Items[0], w)
}
