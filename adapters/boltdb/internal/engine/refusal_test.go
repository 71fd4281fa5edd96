package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/testlog"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// callTimeout is how long a call of a DB may take while the file is damaged.
const callTimeout = 2 * time.Second

// failing is a DB whose file a test damages while it is open.
type failing struct {
	*DB
	path string
	log  *testlog.Buffer
}

// openFilled opens a file that has the things of filledFile.
func openFilled(t *testing.T) failing {
	t.Helper()
	path, log := filepath.Join(t.TempDir(), "file"), &testlog.Buffer{}
	noError(t, os.WriteFile(path, filledFile(t), 0o600))
	db, err := Open(path, thingSchema(), Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	noError(t, err)
	return failing{db, path, log}
}

// wantRefused wants every method to return Unavailable.
func wantRefused(t *testing.T, db *DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	err := db.Update(ctx, add(thing(1)), nil) // looks for the file
	if !errors.Is(err, domain.Unavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Update returned %v, want Unavailable", err)
	}
	for call, err := range everyMethod(ctx, db) {
		if !errors.Is(err, domain.Unavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s returned %v, want Unavailable", call, err)
		}
	}
}

// wantFailed wants every method to return Unavailable, Close to return the cause at
// once, and one line in the log.
func (f failing) wantFailed(t *testing.T, cause string) {
	t.Helper()
	wantRefused(t, f.DB)
	began := time.Now()
	err := f.Close()
	wantError(t, err, "data file "+f.path+": ")
	wantError(t, err, cause)
	if took := time.Since(began); took > callTimeout {
		t.Errorf("Close took %v", took)
	}
	if log := f.log.String(); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, cause) {
		t.Errorf("the log has %s, want one line with %q", log, cause)
	}
}

// uses are the first calls of a DB after its file was damaged.
var uses = map[string]func(context.Context, *DB) error{
	"read":  func(ctx context.Context, db *DB) error { _, err := get(ctx, db, thing(1)); return err },
	"write": func(ctx context.Context, db *DB) error { return db.Update(ctx, add(thing(1000)), nil) },
	"ping":  func(ctx context.Context, db *DB) error { return db.Ping(ctx) },
}

// TestDamageWhileOpen damages the file in ways that every use of it notices.
func TestDamageWhileOpen(t *testing.T) {
	t.Parallel()
	pageSize := os.Getpagesize()
	overwriteAt := func(page, count int, content func(int) []byte) func(*testing.T, failing) {
		return func(t *testing.T, f failing) {
			file := sample.Must(os.OpenFile(f.path, os.O_RDWR, 0))
			defer file.Close()
			sample.Must(file.WriteAt(content(count*pageSize), int64(page*pageSize)))
		}
	}
	zeros := func(n int) []byte { return make([]byte, n) }
	for name, test := range map[string]struct {
		damage       func(*testing.T, failing)
		cause        string
		hasIdleReads bool // a read shares a transaction that began before the damage
	}{
		"cut off":               {func(t *testing.T, f failing) { noError(t, os.Truncate(f.path, 0)) }, "", false},
		"both meta pages":       {overwriteAt(0, 2, garbage), "damaged", false},
		"both meta pages zero":  {overwriteAt(0, 2, zeros), "damaged", false},
		"the newest meta page":  {func(t *testing.T, f failing) { overwriteAt(newestMeta(t, f), 1, zeros)(t, f) }, "changed by another program", true},
		"every page but metas":  {overwriteAt(2, 60, zeros), "damaged", false},
		"garbage but for metas": {overwriteAt(2, 60, garbage), "damaged", false},
		"an older file": {func(t *testing.T, f failing) {
			older := sample.Must(os.ReadFile(f.path))
			for n := range 3 {
				update(t, f.DB, add(thing(500+n)))
			}
			noError(t, os.WriteFile(f.path, older, 0o600))
		}, "changed by another program", false},
	} {
		for use, call := range uses {
			if test.hasIdleReads && use == "read" {
				continue
			}
			t.Run(name+", noticed by a "+use, func(t *testing.T) {
				t.Parallel()
				f := openFilled(t)
				test.damage(t, f)
				ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
				defer cancel()
				if err := call(ctx, f.DB); !errors.Is(err, domain.Unavailable) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the first use returned %v, want Unavailable", err)
				}
				f.wantFailed(t, test.cause)
			})
		}
	}
}

func newestMeta(t *testing.T, f failing) int {
	return commits(t, f.DB) % 2
}

// TestPanicOfAFunction has a function panic that a caller passed to the DB.
func TestPanicOfAFunction(t *testing.T) {
	t.Parallel()
	bang := func(*Tx) error { panic("bang") }
	for name, call := range map[string]func(context.Context, *DB) error{
		"View":   func(ctx context.Context, db *DB) error { return db.View(ctx, bang) },
		"Update": func(ctx context.Context, db *DB) error { return db.Update(ctx, bang, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFilled(t)
			if err := call(t.Context(), f.DB); !errors.Is(err, domain.Unavailable) {
				t.Errorf("%s returned %v, want Unavailable", name, err)
			}
			f.wantFailed(t, "bang")
			if !strings.Contains(f.log.String(), "refusal_test.go") {
				t.Error("the log has no stack")
			}
		})
	}
}

// TestEveryPageDamagedWhileOpen overwrites one page at a time while goroutines read and
// write. No call waits, and no call returns a wrong thing.
func TestEveryPageDamagedWhileOpen(t *testing.T) {
	t.Parallel()
	pageSize := os.Getpagesize()
	pages := len(filledFile(t)) / pageSize
	for page := range pages {
		for _, intact := range []int{0, 8, 16} {
			t.Run(fmt.Sprintf("page %d from byte %d", page, intact), func(t *testing.T) {
				t.Parallel()
				f := openFilled(t)
				file := sample.Must(os.OpenFile(f.path, os.O_RDWR, 0))
				defer file.Close()
				sample.Must(file.WriteAt(garbage(pageSize-intact), int64(page*pageSize+intact)))
				f.useWhileDamaged(t)
			})
		}
	}
}

// useWhileDamaged reads and writes in several goroutines and closes the DB.
func (f failing) useWhileDamaged(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range filled {
				if got, err := get(ctx, f.DB, thing(n)); err == nil && got != thing(n) {
					t.Errorf("get returned %q, want %q", got, thing(n))
				}
			}
		})
		all.Go(func() {
			for n := range 10 {
				_ = f.Update(ctx, add(thing(1000*(i+1)+n)), nil)
				_ = f.Ping(ctx)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		t.Errorf("the calls took more than %v", callTimeout)
	}
	began := time.Now()
	_ = f.Close()
	if took := time.Since(began); took > callTimeout {
		t.Errorf("Close took %v", took)
	}
}

// TestReadsDoNotWaitForALockThatAPanicLeft holds the lock of bbolt that it does not
// release when it panics at the beginning of a read.
func TestReadsDoNotWaitForALockThatAPanicLeft(t *testing.T) {
	t.Parallel()
	f := openFilled(t)
	noError(t, f.View(t.Context(), func(*Tx) error {
		noError(t, f.View(t.Context(), func(*Tx) error { return nil })) // so that one is idle
		return nil
	}))
	noError(t, os.Truncate(f.path, 0))
	var all sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	for range 50 {
		all.Go(func() {
			if err := f.View(ctx, func(*Tx) error { return nil }); errors.Is(err, context.DeadlineExceeded) {
				t.Error("View waited")
			}
		})
		all.Go(func() {
			if err := f.Update(ctx, add(thing(1)), nil); errors.Is(err, context.DeadlineExceeded) {
				t.Error("Update waited")
			}
		})
	}
	all.Wait()
	f.wantFailed(t, "damaged")
}

// misplacements take the file away from its path. The function that they return puts it
// back.
var misplacements = map[string]func(t *testing.T, path string) (back func()){
	"file renamed": func(t *testing.T, path string) func() {
		noError(t, os.Rename(path, path+".away"))
		return func() { noError(t, os.Rename(path+".away", path)) }
	},
	"folder renamed": func(t *testing.T, path string) func() {
		dir := filepath.Dir(path)
		noError(t, os.Rename(dir, dir+".away"))
		return func() { noError(t, os.Rename(dir+".away", dir)) }
	},
	"another file in its place": func(t *testing.T, path string) func() {
		noError(t, os.Rename(path, path+".away"))
		noError(t, os.WriteFile(path, filledFile(t), 0o600))
		return func() { noError(t, os.Rename(path+".away", path)) }
	},
	"another folder in its place": func(t *testing.T, path string) func() {
		dir := filepath.Dir(path)
		noError(t, os.Rename(dir, dir+".away"))
		open(t, path)
		return func() {
			noError(t, os.Rename(dir, dir+".other"))
			noError(t, os.Rename(dir+".away", dir))
		}
	},
	"a copy in its place": func(t *testing.T, path string) func() {
		copied := sample.Must(os.ReadFile(path))
		noError(t, os.Rename(path, path+".away"))
		noError(t, os.WriteFile(path, copied, 0o600))
		return func() { noError(t, os.Rename(path+".away", path)) }
	},
	"file removed": func(t *testing.T, path string) func() {
		noError(t, os.Link(path, path+".kept"))
		noError(t, os.Remove(path))
		return func() { noError(t, os.Rename(path+".kept", path)) }
	},
	"a folder in its place": func(t *testing.T, path string) func() {
		noError(t, os.Rename(path, path+".away"))
		noError(t, os.Mkdir(path, 0o700))
		return func() {
			noError(t, os.Remove(path))
			noError(t, os.Rename(path+".away", path))
		}
	},
}

func TestMisplacedFileIsRefusedUntilItIsBack(t *testing.T) {
	t.Parallel()
	for name, misplace := range misplacements {
		for use, call := range uses {
			if use == "read" { // reads do not look for the file
				continue
			}
			t.Run(name+", noticed by a "+use, func(t *testing.T) {
				t.Parallel()
				path, log := filepath.Join(t.TempDir(), "data", "file"), &testlog.Buffer{}
				db := openWith(t, path, thingSchema(), Options{Log: slog.New(slog.NewTextHandler(log, nil))})
				update(t, db, add(thing(1)))
				back := misplace(t, path)
				if err := call(t.Context(), db); !errors.Is(err, domain.Unavailable) {
					t.Errorf("the first use returned %v, want Unavailable", err)
				}
				wantRefused(t, db)
				equal(t, "number of errors in the log", strings.Count(log.String(), "level=ERROR"), 1)
				back()
				noError(t, db.Ping(t.Context()))
				update(t, db, add(thing(2)))
				equal(t, "number of warnings in the log", strings.Count(log.String(), "level=WARN"), 1)
				noError(t, check(t.Context(), db))
			})
		}
	}
}

// TestMisplacedFileIsNoticedWithoutAUse awaits the check that the engine does once a
// second.
func TestMisplacedFileIsNoticedWithoutAUse(t *testing.T) {
	t.Parallel()
	path, log := filepath.Join(t.TempDir(), "file"), &testlog.Buffer{}
	db := openWith(t, path, thingSchema(), Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	noError(t, os.Rename(path, path+".away"))
	for db.Ready(t.Context()) == nil {
		time.Sleep(watchInterval / 100) // nothing reports this
	}
	noError(t, os.Rename(path+".away", path))
	for db.Ready(t.Context()) != nil {
		time.Sleep(watchInterval / 100)
	}
	noError(t, check(t.Context(), db))
}

// TestAcknowledgedWritesAreInTheFileAtThePath replaces the file again and again while
// goroutines write. A write that begins and ends while another file is at the path is
// refused. All writes that returned nil are in the file when it is back.
func TestAcknowledgedWritesAreInTheFileAtThePath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	db := open(t, path)
	empty := sample.Must(os.ReadFile(path))
	const writers = 24
	acknowledged := make([][]string, writers)
	var away atomic.Int64 // the number of the replacement that is in place, or 0
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				name, wasAway := thing(i*100_000+n), away.Load()
				err := db.Update(t.Context(), add(name), nil)
				if err == nil && wasAway != 0 && wasAway == away.Load() {
					t.Errorf("%s was acknowledged without a file", name)
				}
				if err == nil {
					acknowledged[i] = append(acknowledged[i], name)
				}
			}
		})
	}
	for round := range int64(20) {
		time.Sleep(5 * time.Millisecond) // for some writes
		noError(t, os.WriteFile(path+".other", empty, 0o600))
		noError(t, os.Link(path, path+".away"))
		noError(t, os.Rename(path+".other", path))
		away.Store(round + 1)
		if err := db.Update(t.Context(), add("thing late"), nil); !errors.Is(err, domain.Unavailable) {
			t.Errorf("Update returned %v, want Unavailable", err)
		}
		if !bytes.Equal(sample.Must(os.ReadFile(path)), empty) {
			t.Error("the other file was written to")
		}
		away.Store(0)
		noError(t, os.Rename(path+".away", path))
		noError(t, db.Ping(t.Context()))
	}
	close(stop)
	all.Wait()
	noError(t, db.Close())
	reopened := open(t, path)
	names := slices.Concat(acknowledged...)
	for _, name := range names {
		if got, err := get(t.Context(), reopened, name); err != nil || got != name {
			t.Errorf("%s was acknowledged; get returned %q, %v", name, got, err)
		}
	}
	noError(t, check(t.Context(), reopened))
	if len(names) == 0 {
		t.Error("no write was acknowledged")
	}
}

// TestCommitIsComparedWithTheFile damages the newest meta page between two writes. bbolt
// alone would go on with the transaction before.
func TestCommitIsComparedWithTheFile(t *testing.T) {
	t.Parallel()
	f := openFilled(t)
	for n := range 5 {
		update(t, f.DB, add(thing(1000+n)))
	}
	file := sample.Must(os.OpenFile(f.path, os.O_RDWR, 0))
	defer file.Close()
	sample.Must(file.WriteAt([]byte{0xff}, int64(newestMeta(t, f)*os.Getpagesize()+60)))
	if err := f.Update(t.Context(), add(thing(2000)), nil); !errors.Is(err, domain.Unavailable) {
		t.Errorf("Update returned %v, want Unavailable", err)
	}
	f.wantFailed(t, "changed by another program")
}
