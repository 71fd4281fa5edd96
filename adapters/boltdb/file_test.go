package boltdb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
)

func TestOpenMakesFolderAndFilePrivate(t *testing.T) {
	t.Parallel()
	outer := filepath.Join(t.TempDir(), "outer")
	dir := filepath.Join(outer, "data")
	open(t, dir)
	for path, want := range map[string]fs.FileMode{
		outer:                            fs.ModeDir | 0o700,
		dir:                              fs.ModeDir | 0o700,
		filepath.Join(dir, "widgetd.db"): 0o600,
	} {
		info, err := os.Stat(path)
		noError(t, err)
		equal(t, path, info.Mode(), want)
	}
	equal(t, "number of files", len(must(os.ReadDir(dir))), 1)
}

func TestOpenOfFolderInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	start := time.Now()
	_, err := boltdb.Open(dir)
	if took := time.Since(start); took > time.Second {
		t.Errorf("Open of a folder in use took %s", took)
	}
	wantError(t, err, "data folder "+dir+" is in use by another widgetd")

	noError(t, db.Close())
	open(t, dir)
}

// TestOpenAtOnce has several processes, as far as the file's lock can tell, make
// the same folder.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	const openers = 8
	dbs, errs := make([]*boltdb.DB, openers), make([]error, openers)
	var done sync.WaitGroup
	for i := range openers {
		done.Go(func() { dbs[i], errs[i] = boltdb.Open(dir) })
	}
	done.Wait()
	opened := 0
	for i, err := range errs {
		if err != nil {
			wantError(t, err, "in use")
			continue
		}
		opened++
		noError(t, dbs[i].Users.Add(t.Context(), user(1)))
		noError(t, dbs[i].Close())
	}
	equal(t, "number of processes that opened the folder", opened, 1)
	_, err := open(t, dir).Users.ByPublicID(t.Context(), user(1).PublicID)
	noError(t, err)
}

func TestOpenAfterCrashInCreation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noError(t, os.WriteFile(filepath.Join(dir, "widgetd.db.new-1"), make([]byte, 5000), 0o600))
	noError(t, os.WriteFile(filepath.Join(dir, "widgetd.db.new-2"), nil, 0o600))
	noError(t, open(t, dir).Users.Add(t.Context(), user(1)))
}

func TestOpenOfImpossibleFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	noError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "data")} {
		_, err := boltdb.Open(dir)
		wantError(t, err, dir)
	}
}

func TestOpenRefusesFiles(t *testing.T) {
	t.Parallel()
	good := filledFile(t)
	pageSize := os.Getpagesize()
	for name, refused := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":            {nil, "damaged"},
		"text":             {[]byte("hello\n"), "not written by widgetd"},
		"garbage":          {garbage(10 * pageSize), "not written by widgetd"},
		"zeros":            {make([]byte, 10*pageSize), "not written by widgetd"},
		"SQLite":           {append([]byte("SQLite format 3\x00"), garbage(3*pageSize)...), "not written by widgetd"},
		"both metas":       {overwrite(good, 0, garbage(2*pageSize)), "not written by widgetd"},
		"lost its tail":    {good[:sizeOf(t, good)-1], "damaged: 1 bytes are missing at its end"},
		"only metas":       {good[:2*pageSize], "damaged"},
		"only half a page": {good[:pageSize/2], "damaged"},
		"no other pages":   {overwrite(good, 2*pageSize, garbage(len(good)-2*pageSize)), "damaged"},
		"empty bbolt":      {edited(t, nil, func(*bbolt.Tx) error { return nil }), "not written by widgetd"},
		"foreign bbolt": {edited(t, nil, func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("users"))
			return err
		}), "not written by widgetd"},
		"later format": {edited(t, good, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("widgetd")).Put([]byte("format"), []byte("3"))
		}), `its format is "3"`},
		"earlier format": {edited(t, good, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("widgetd")).Put([]byte("format"), []byte("1"))
		}), `its format is "1"`},
		"no format": {edited(t, good, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("widgetd")).Delete([]byte("format"))
		}), `its format is ""`},
		"no table": {edited(t, good, func(tx *bbolt.Tx) error {
			return tx.DeleteBucket([]byte("counts"))
		}), "table counts is missing"},
		"damaged blacklist": {edited(t, good, damage("blacklist")), "table blacklist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "widgetd.db")
			noError(t, os.WriteFile(path, refused.content, 0o600))
			_, err := boltdb.Open(filepath.Dir(path))
			wantError(t, err, "data file "+path)
			wantError(t, err, refused.want)
			if !bytes.Equal(must(os.ReadFile(path)), refused.content) {
				t.Error("the file was changed")
			}
			equal(t, "number of files", len(must(os.ReadDir(filepath.Dir(path)))), 1)
		})
	}
}

// TestEveryPageDamaged overwrites one page at a time. The store may open, if the
// page is not needed, but it never crashes, and what it says is true.
func TestEveryPageDamaged(t *testing.T) {
	t.Parallel()
	good := filledFile(t)
	pageSize := os.Getpagesize()
	for page := 0; page < len(good)/pageSize; page++ {
		// bbolt notices a wrong page id, which is in the first 8 bytes, or type,
		// in the next 8. What follows it takes for offsets within the page.
		for _, intact := range []int{0, 8, 16} {
			path := filepath.Join(t.TempDir(), "widgetd.db")
			bad := overwrite(good, page*pageSize+intact, garbage(pageSize-intact))
			noError(t, os.WriteFile(path, bad, 0o600))
			db, err := boltdb.Open(filepath.Dir(path))
			if err == nil {
				wantTruth(t, db)
				continue
			}
			wantError(t, err, path)
			if !bytes.Equal(must(os.ReadFile(path)), bad) {
				t.Errorf("the file with page %d damaged was changed", page)
			}
		}
	}
}

// wantTruth wants the records of filledFile, or errors that are faults.
func wantTruth(t *testing.T, db *boltdb.DB) {
	t.Helper()
	defer db.Close()
	truth := func(what string, err error, right bool) {
		t.Helper()
		kind := (*domain.Error)(nil)
		if err == nil && !right || errors.As(err, &kind) || errors.Is(err, domain.NotFound) {
			t.Errorf("%s of a damaged file is wrong, error %v", what, err)
		}
	}
	for n := range filled {
		byID, err := db.Users.ByPublicID(t.Context(), id(n))
		truth("ByPublicID", err, byID == user(n))
		byEmail, err := db.Users.ByEmail(t.Context(), user(n).Email)
		truth("ByEmail", err, byEmail == user(n))
		byName, err := db.Widgets.ByName(t.Context(), widget(n).Name)
		truth("ByName", err, byName == widget(n))
		blacklisted, err := db.Blacklist.Contains(t.Context(), token(n, time.Hour))
		truth("Contains", err, blacklisted)
	}
	page, err := db.Widgets.List(t.Context(), must(domain.ParsePageRequest("1", "100")))
	truth("List", err, page.TotalItems == filled && len(page.Items) == filled)
	// What is free, and the next number, show when it is written to.
	truth("Add", db.Widgets.Add(t.Context(), widget(filled)), true)
	truth("Check", db.Check(), true)
}

// FuzzDamagedFile changes bytes of a store file. What is written over is drawn
// from the seed, or zeros where that is 0; a length of 0 cuts the file off.
func FuzzDamagedFile(f *testing.F) {
	good := filledFile(f)
	used := int(sizeOf(f, good))
	f.Add(uint32(0), uint16(0), uint64(0))
	for n := range 200 {
		random := rand.New(rand.NewPCG(7, uint64(n)))
		f.Add(random.Uint32(), uint16(1<<random.IntN(13)), random.Uint64()*uint64(n%4))
	}
	f.Fuzz(func(t *testing.T, at uint32, length uint16, seed uint64) {
		bad, from := bytes.Clone(good), int(at)%used
		if length == 0 {
			bad = bad[:from]
		}
		for i, random := from, rand.New(rand.NewPCG(seed, 0)); i < min(from+int(length), used); i++ {
			bad[i] = byte(random.Uint32())
			if seed == 0 {
				bad[i] = 0
			} else if length == 1 {
				bad[i] = good[i] ^ 1<<(seed%8)
			}
		}
		path := filepath.Join(t.TempDir(), "widgetd.db")
		noError(t, os.WriteFile(path, bad, 0o600))
		db, err := boltdb.Open(filepath.Dir(path))
		if err == nil {
			wantTruth(t, db)
			return
		}
		wantError(t, err, path)
		if !bytes.Equal(must(os.ReadFile(path)), bad) {
			t.Error("the file was changed")
		}
	})
}

// TestEveryBitOfHeadersFlipped leaves out no bit of a page's header and of that of
// its first element.
func TestEveryBitOfHeadersFlipped(t *testing.T) {
	t.Parallel()
	good := filledFile(t)
	path := filepath.Join(t.TempDir(), "widgetd.db")
	noError(t, os.WriteFile(path, good, 0o600))
	file := must(os.OpenFile(path, os.O_RDWR, 0))
	defer file.Close()
	for at := int64(0); at < sizeOf(t, good); at += int64(os.Getpagesize()) {
		for bit := range int64(8 * 32) {
			byteAt := at + bit/8
			must(file.WriteAt([]byte{good[byteAt] ^ 1<<(bit%8)}, byteAt))
			if db, err := boltdb.Open(filepath.Dir(path)); err == nil {
				wantTruth(t, db)
				noError(t, os.WriteFile(path, good, 0o600))
			}
			must(file.WriteAt(good[byteAt:byteAt+1], byteAt))
		}
	}
}

func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	good := filledFile(t)
	read := map[string]func(*boltdb.DB) error{
		"ByPublicID": func(db *boltdb.DB) error {
			_, err := db.Users.ByPublicID(t.Context(), id(0))
			return err
		},
		"ByEmail": func(db *boltdb.DB) error {
			_, err := db.Users.ByEmail(t.Context(), user(0).Email)
			return err
		},
		"ByName": func(db *boltdb.DB) error {
			_, err := db.Widgets.ByName(t.Context(), widget(0).Name)
			return err
		},
		"List": func(db *boltdb.DB) error {
			_, err := db.Widgets.List(t.Context(), must(domain.ParsePageRequest("1", "5")))
			return err
		},
		"Delete": func(db *boltdb.DB) error { return db.Widgets.Delete(t.Context(), widget(0).Name) },
	}
	for table, methods := range map[string][]string{
		"users":   {"ByPublicID", "ByEmail"},
		"emails":  {"ByEmail"},
		"widgets": {"ByName", "List"},
		"names":   {"ByName", "Delete"},
		"counts":  {"List", "Delete"},
	} {
		db := openFilled(t, good)
		noError(t, db.Update(t.Context(), damage(table), nil)) // while it is open; opening it would refuse it
		for _, method := range methods {
			err := read[method](db)
			wantError(t, err, "damaged record in table "+table)
			if kind := (*domain.Error)(nil); errors.As(err, &kind) {
				t.Errorf("%s of a damaged record in %s is of kind %s", method, table, kind.Kind)
			}
		}
	}
	for table, lost := range map[string]struct{ method, want string }{
		"users":   {"ByEmail", "it is missing"},
		"widgets": {"ByName", "it is missing"},
		"counts":  {"Delete", "table counts disagrees"},
	} {
		db := openFilled(t, good)
		noError(t, db.Update(t.Context(), lose(table), nil))
		wantError(t, read[lost.method](db), lost.want)
	}
}

func openFilled(t *testing.T, good []byte) *boltdb.DB {
	t.Helper()
	dir := t.TempDir()
	noError(t, os.WriteFile(filepath.Join(dir, "widgetd.db"), good, 0o600))
	return open(t, dir)
}

// filled is how many users, widgets and tokens filledFile has.
const filled = 40

func filledFile(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	db := open(t, dir)
	var done sync.WaitGroup
	for n := range filled {
		done.Go(func() {
			err := errors.Join(
				db.Users.Add(t.Context(), user(n)),
				db.Widgets.Add(t.Context(), widget(n)),
				db.Blacklist.Add(t.Context(), token(n, time.Hour)))
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	noError(t, db.Close())
	return must(os.ReadFile(filepath.Join(dir, "widgetd.db")))
}

// edited returns the bbolt file content after edit, an empty one if it is nil.
func edited(t testing.TB, content []byte, edit func(*bbolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edited")
	noError(t, os.WriteFile(path, content, 0o600))
	db := must(bbolt.Open(path, 0o600, nil))
	noError(t, db.Update(edit))
	noError(t, db.Close())
	return must(os.ReadFile(path))
}

// sizeOf returns how much of a bbolt file is in use.
func sizeOf(t testing.TB, content []byte) (n int64) {
	t.Helper()
	edited(t, content, func(tx *bbolt.Tx) error {
		n = tx.Size()
		return nil
	})
	return n
}

// damage flips a bit of every value of a table.
func damage(table string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(table))
		values := map[string][]byte{}
		err := b.ForEach(func(key, value []byte) error {
			values[string(key)] = bytes.Clone(value)
			return nil
		})
		for key, value := range values {
			value[len(value)-1] ^= 0x10
			err = errors.Join(err, b.Put([]byte(key), value))
		}
		return err
	}
}

// lose empties a table.
func lose(table string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket([]byte(table)); err != nil {
			return err
		}
		_, err := tx.CreateBucket([]byte(table))
		return err
	}
}

func overwrite(content []byte, at int, with []byte) []byte {
	content = bytes.Clone(content)
	copy(content[at:], with)
	return content
}

func garbage(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		b = binary.BigEndian.AppendUint64(b, random.Uint64())
	}
	return b[:n]
}

// wantError wants an error of one line that has the given text in it.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", want)
	}
	if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "\n") {
		t.Errorf("the error is\n\t%q\nwant one line with\n\t%q", text, want)
	}
}

func TestFileCutShortWhileOpen(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(context.Context, *boltdb.DB) error{
		"by a read":  func(ctx context.Context, db *boltdb.DB) error { _, err := db.Users.HasAdmin(ctx); return err },
		"by a write": func(ctx context.Context, db *boltdb.DB) error { return db.Widgets.Add(ctx, widget(1)) },
	} {
		t.Run("noticed "+name, func(t *testing.T) {
			t.Parallel()
			dir, ctx := t.TempDir(), t.Context()
			db, err := boltdb.Open(dir)
			noError(t, err)
			if err := os.Truncate(filepath.Join(dir, "widgetd.db"), 0); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := use(ctx, db); !errors.Is(err, domain.Unavailable) {
					t.Errorf("first: %v, want Unavailable", err)
				}
				if err := db.Widgets.Add(ctx, widget(2)); !errors.Is(err, domain.Unavailable) {
					t.Errorf("Add: %v, want Unavailable", err)
				}
				if _, err := db.Widgets.ByName(ctx, widget(1).Name); !errors.Is(err, domain.Unavailable) {
					t.Errorf("ByName: %v, want Unavailable", err)
				}
			}
			if err := db.Close(); err == nil {
				t.Error("Close: no error")
			}
		})
	}
}
