package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

// openCopy opens a copy of a file.
func openCopy(t *testing.T, content []byte) *DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	noError(t, os.WriteFile(path, content, 0o600))
	return open(t, path)
}

// TestBackupDuringWrites makes copies while things are added and removed. Each copy has what
// was acknowledged before the call.
func TestBackupDuringWrites(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	acknowledged := make(chan int)
	go func() {
		defer close(acknowledged)
		for n := 0; ctx.Err() == nil; n++ {
			for _, run := range []func(*Tx) error{add(thing(n)), add(fmt.Sprintf("thing gone %d", n)), remove(fmt.Sprintf("thing gone %d", n))} {
				if err := db.Update(ctx, run, nil); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
			select {
			case acknowledged <- n:
			case <-ctx.Done():
			}
		}
	}()
	for range 5 {
		var last int
		for range 20 {
			last = <-acknowledged
		}
		var content bytes.Buffer
		var done, total int64
		noError(t, db.Backup(t.Context(), &content, func(d, n int64) { done, total = d, n }))
		equal(t, "bytes", done, total)
		equal(t, "length of the copy", int64(content.Len()), total)
		backup := openCopy(t, content.Bytes())
		noError(t, check(t.Context(), backup))
		for n := range last + 1 {
			if _, err := get(t.Context(), backup, thing(n)); err != nil {
				t.Fatalf("%s: %v", thing(n), err)
			}
		}
		noError(t, db.Check(t.Context(), nil, thingOrder().CheckCounts))
	}
}

// blockedWriter takes nothing until the test closes open.
type blockedWriter struct {
	bytes.Buffer
	begun chan struct{}
	open  chan struct{}
}

func (w *blockedWriter) Write(p []byte) (int, error) {
	if w.Len() == 0 {
		close(w.begun)
		<-w.open
	}
	return w.Buffer.Write(p)
}

// TestWritesDoNotWaitForABackup lets the file grow to many times its size while the reader of
// a backup takes nothing.
func TestWritesDoNotWaitForABackup(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	update(t, db, add(thing(0)))
	out := &blockedWriter{begun: make(chan struct{}), open: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- db.Backup(t.Context(), out, nil) }()
	<-out.begun
	long := strings.Repeat("x", 10_000)
	for n := range 100 {
		update(t, db, add(thing(n+1)+long))
	}
	close(out.open)
	noError(t, <-ended)
	wantThings(t, openCopy(t, out.Bytes()), thing(0))
}

func TestBackupEnds(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	update(t, db, add(thing(0)))
	full := errors.New("disk full")
	if err := db.Backup(t.Context(), failingWriter{full}, nil); !errors.Is(err, full) || errors.Is(err, domain.Unavailable) {
		t.Errorf("Backup to a full disk returned %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := func(done, total int64) { cancel() }
	if err := db.Backup(ctx, new(bytes.Buffer), ended); !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Backup returned %v, want Unavailable caused by the context", err)
	}
	if err := db.Check(ctx, nil, func(Checked) error { return nil }); !errors.Is(err, domain.Unavailable) {
		t.Errorf("Check returned %v, want Unavailable", err)
	}
	update(t, db, add(thing(1)))
	noError(t, db.Close())
	if err := db.Backup(t.Context(), new(bytes.Buffer), nil); !errors.Is(err, domain.Unavailable) {
		t.Errorf("Backup after Close returned %v, want Unavailable", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestBackupAndCheckFindDamage damages each page of an open file that is in use.
func TestBackupAndCheckFindDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	noError(t, os.WriteFile(path, filledFile(t), 0o600))
	db := open(t, path)
	noError(t, db.Check(t.Context(), nil, thingOrder().CheckCounts))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	noError(t, err)
	defer file.Close()
	root := db.rootPage(t)
	at := int64(root)*int64(db.pageSize) + pageHeader
	before := make([]byte, 8)
	_, err = file.ReadAt(before, at)
	noError(t, err)
	_, err = file.WriteAt(garbage(8), at)
	noError(t, err)
	var out bytes.Buffer
	wantError(t, db.Backup(t.Context(), &out, nil), "data file "+path+": damaged")
	equal(t, "bytes of the copy", out.Len(), 0)
	wantError(t, db.Check(t.Context(), nil, func(Checked) error { return nil }), "data file "+path+": damaged")
	_, err = file.WriteAt(before, at)
	noError(t, err)
	noError(t, db.Check(t.Context(), nil, thingOrder().CheckCounts))
}

// rootPage returns the number of a page with records.
func (db *DB) rootPage(t *testing.T) (id uint64) {
	t.Helper()
	noError(t, db.View(t.Context(), func(tx *Tx) error {
		id = uint64(thingTable.in(tx).Root())
		return nil
	}))
	return id
}
