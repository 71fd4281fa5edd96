package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestOpenMakesFolderAndFilePrivate(t *testing.T) {
	t.Parallel()
	outer := filepath.Join(t.TempDir(), "outer")
	dir := filepath.Join(outer, "data")
	open(t, filepath.Join(dir, "file"))
	for path, want := range map[string]fs.FileMode{
		outer:                      fs.ModeDir | 0o700,
		dir:                        fs.ModeDir | 0o700,
		filepath.Join(dir, "file"): 0o600,
	} {
		info, err := os.Stat(path)
		noError(t, err)
		equal(t, path, info.Mode(), want)
	}
	equal(t, "number of files", len(sample.Must(os.ReadDir(dir))), 1)
}

func TestOpenOfLockedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	db := open(t, path)
	start := time.Now()
	_, err := Open(path, thingSchema(), Options{})
	if took := time.Since(start); took > time.Second {
		t.Errorf("Open of a locked file took %s", took)
	}
	wantError(t, err, "data folder "+dir+" is in use by another thingd")

	noError(t, db.Close())
	open(t, path)
}

// TestSimultaneousOpens opens one new folder several times. The lock treats each call
// like another process.
func TestSimultaneousOpens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "file")
	const openers = 8
	dbs, errs := make([]*DB, openers), make([]error, openers)
	var done sync.WaitGroup
	for i := range openers {
		done.Go(func() { dbs[i], errs[i] = Open(path, thingSchema(), Options{}) })
	}
	done.Wait()
	opened := 0
	for i, err := range errs {
		if err != nil {
			wantError(t, err, "in use")
			continue
		}
		opened++
		update(t, dbs[i], add(thing(1)))
		noError(t, dbs[i].Close())
	}
	equal(t, "number of calls that opened the file", opened, 1)
	wantThings(t, open(t, path), thing(1))
}

func TestOpenAfterCrashDuringCreation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	noError(t, os.WriteFile(path+".new-1", make([]byte, 5000), 0o600))
	noError(t, os.WriteFile(path+".new-2", nil, 0o600))
	update(t, open(t, path), add(thing(1)))
}

// TestOpenAfterEveryRowWasDeleted deletes the rows of tables with many pages, in one
// transaction and in several. Open refuses a page without elements, so bbolt must leave none.
func TestOpenAfterEveryRowWasDeleted(t *testing.T) {
	t.Parallel()
	const rows = 3000
	for _, batch := range []int{1, 7, 500, rows} {
		path := filepath.Join(t.TempDir(), "file")
		db := open(t, path)
		random := rand.New(rand.NewPCG(3, uint64(batch)))
		each := func(change func(string) func(*Tx) error, batch int) {
			t.Helper()
			for numbers := range slices.Chunk(random.Perm(rows), batch) {
				update(t, db, func(tx *Tx) error {
					for _, n := range numbers {
						if err := change(thing(n))(tx); err != nil {
							return err
						}
					}
					return nil
				})
			}
		}
		each(add, rows)
		each(remove, batch)
		noError(t, db.Close())
		db = open(t, path)
		wantThings(t, db)
		noError(t, check(t.Context(), db))
	}
}

func TestOpenOfImpossibleFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	noError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "data")} {
		_, err := Open(filepath.Join(dir, "file"), thingSchema(), Options{})
		wantError(t, err, dir)
	}
}

func TestOpenReturnsTheErrorOfOpened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	boom := errors.New("boom")
	_, err := Open(path, thingSchema(), Options{Opened: func(*Tx) error { return boom }})
	if !errors.Is(err, boom) {
		t.Errorf("Open returned %v, want the error of Opened", err)
	}
	wantError(t, err, "data file "+path)
	open(t, path) // the file is not locked any more
}

func TestOpenRefusesFiles(t *testing.T) {
	t.Parallel()
	good := filledFile(t)
	pageSize := os.Getpagesize()
	setFormat := func(format string) []byte {
		return edited(t, good, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("thingd")).Put([]byte("format"), []byte(format))
		})
	}
	for name, refused := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":            {nil, "damaged"},
		"text":             {[]byte("hello\n"), "not written by thingd"},
		"garbage":          {garbage(10 * pageSize), "not written by thingd"},
		"zeros":            {make([]byte, 10*pageSize), "not written by thingd"},
		"SQLite":           {append([]byte("SQLite format 3\x00"), garbage(3*pageSize)...), "not written by thingd"},
		"both metas":       {overwrite(good, 0, garbage(2*pageSize)), "not written by thingd"},
		"lost its tail":    {good[:sizeOf(t, good)-1], "damaged: 1 bytes are missing at its end"},
		"only metas":       {good[:2*pageSize], "damaged"},
		"only half a page": {good[:pageSize/2], "damaged"},
		"no other pages":   {overwrite(good, 2*pageSize, garbage(len(good)-2*pageSize)), "damaged"},
		"empty bbolt":      {edited(t, nil, func(*bbolt.Tx) error { return nil }), "not written by thingd"},
		"foreign bbolt": {edited(t, nil, func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("things"))
			return err
		}), "not written by thingd"},
		"later format":   {setFormat("2"), "has format 2, which a later thingd wrote; this one knows up to 1"},
		"negative":       {setFormat("-1"), `its format is "-1"`},
		"format as word": {setFormat("one"), `its format is "one"`},
		"no format": {edited(t, good, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("thingd")).Delete([]byte("format"))
		}), `its format is ""`},
		"missing table": {edited(t, good, func(tx *bbolt.Tx) error {
			return tx.DeleteBucket([]byte(countTable))
		}), "table counts is missing"},
		"unknown table": {edited(t, good, func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("unknown"))
			return err
		}), `table "unknown"`},
		"damaged records":                  {edited(t, good, damage(thingTable)), "damaged record in table things"},
		"damaged records of a small table": {edited(t, good, damage(countTable)), "damaged record in table counts"},
		"undecodable record": {edited(t, good, func(tx *bbolt.Tx) error {
			return thingTable.Put(newTx(tx), sequenceKey(1), Record{1, []byte("nonsense")})
		}), "damaged record in table things, key 0000000000000001: it is not a thing"},
		"record of a later version": {edited(t, good, func(tx *bbolt.Tx) error {
			return thingTable.Put(newTx(tx), sequenceKey(1), Record{2, []byte(thing(0))})
		}), "damaged record in table things"},
		"wrong sequence number": {edited(t, good, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(thingTable)).SetSequence(filled - 1)
		}), "table things has a wrong sequence number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "file")
			noError(t, os.WriteFile(path, refused.content, 0o600))
			for _, migrate := range []func(Progress){nil, func(Progress) {}} {
				_, err := Open(path, thingSchema(), Options{Migrate: migrate})
				wantError(t, err, "data file "+path)
				wantError(t, err, refused.want)
			}
			if !bytes.Equal(sample.Must(os.ReadFile(path)), refused.content) {
				t.Error("the file was changed")
			}
			equal(t, "number of files", len(sample.Must(os.ReadDir(filepath.Dir(path)))), 1)
		})
	}
}

// TestEveryPageDamaged overwrites one page at a time. The store may open the file if the
// page is not in use, but it never crashes and never returns a wrong answer.
func TestEveryPageDamaged(t *testing.T) {
	t.Parallel()
	good := filledFile(t)
	pageSize := os.Getpagesize()
	for page := 0; page < len(good)/pageSize; page++ {
		// bbolt detects a wrong page id in the first 8 bytes and a wrong kind in the next
		// 8. It uses the bytes after them as offsets without a check.
		for _, intact := range []int{0, 8, 16} {
			path := filepath.Join(t.TempDir(), "file")
			bad := overwrite(good, page*pageSize+intact, garbage(pageSize-intact))
			noError(t, os.WriteFile(path, bad, 0o600))
			wantTruthOrRefusal(t, path, bad)
		}
	}
}

// FuzzDamagedFile changes bytes of a file. The new bytes are random numbers from the
// seed, or zeros if the seed is 0. A length of 1 flips one bit. A length of 0 cuts the
// file off.
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
		path := filepath.Join(t.TempDir(), "file")
		noError(t, os.WriteFile(path, bad, 0o600))
		wantTruthOrRefusal(t, path, bad)
	})
}

// TestEveryBitOfHeadersFlipped flips each bit of the header of every page, and of the
// header of its first element.
func TestEveryBitOfHeadersFlipped(t *testing.T) {
	t.Parallel()
	good := filledFile(t)
	path := filepath.Join(t.TempDir(), "file")
	noError(t, os.WriteFile(path, good, 0o600))
	file := sample.Must(os.OpenFile(path, os.O_RDWR, 0))
	defer file.Close()
	for at := int64(0); at < sizeOf(t, good); at += int64(os.Getpagesize()) {
		for bit := range int64(8 * 32) {
			byteAt := at + bit/8
			sample.Must(file.WriteAt([]byte{good[byteAt] ^ 1<<(bit%8)}, byteAt))
			if db, err := Open(path, thingSchema(), Options{}); err == nil {
				wantTruth(t, db)
				noError(t, os.WriteFile(path, good, 0o600))
			}
			sample.Must(file.WriteAt(good[byteAt:byteAt+1], byteAt))
		}
	}
}

// TestEveryPageWithoutElements sets the number of elements of one page at a time to 0.
func TestEveryPageWithoutElements(t *testing.T) {
	t.Parallel()
	good := filledFile(t)
	pageSize := os.Getpagesize()
	for page := range int(sizeOf(t, good)) / pageSize {
		path := filepath.Join(t.TempDir(), "file")
		bad := overwrite(good, page*pageSize+10, []byte{0, 0})
		noError(t, os.WriteFile(path, bad, 0o600))
		wantTruthOrRefusal(t, path, bad)
	}
}

// wantTruthOrRefusal opens a damaged file. Open must refuse the file and leave it as it
// is, or wantTruth must hold.
func wantTruthOrRefusal(t *testing.T, path string, bad []byte) {
	t.Helper()
	db, err := Open(path, thingSchema(), Options{})
	if err == nil {
		wantTruth(t, db)
		return
	}
	wantError(t, err, path)
	if !bytes.Equal(sample.Must(os.ReadFile(path)), bad) {
		t.Error("the damaged file was changed")
	}
}

// wantTruth wants each read to return the things of filledFile or an error of no kind.
func wantTruth(t *testing.T, db *DB) {
	t.Helper()
	defer db.Close()
	truth := func(call string, err error, right bool) {
		t.Helper()
		if err == nil && !right || domain.KindOf(err) != "" {
			t.Errorf("%s on a damaged file is wrong, error %v", call, err)
		}
	}
	for n := range filled {
		got, err := get(t.Context(), db, thing(n))
		truth("get", err, got == thing(n))
	}
	names, total, err := list(t.Context(), db, 0, filled+1)
	truth("list", err, total == filled && len(names) == filled)
	// A wrong list of free pages or a wrong sequence number has an effect on writes.
	truth("add", db.Update(t.Context(), add(thing(filled)), nil), true)
	truth("check", check(t.Context(), db), true)
}

func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	reads := map[string]func(*DB) error{
		"get": func(db *DB) error { _, err := get(t.Context(), db, thing(0)); return err },
		"list": func(db *DB) error {
			_, _, err := list(t.Context(), db, 0, 5)
			return err
		},
		"remove": func(db *DB) error { return db.Update(t.Context(), remove(thing(0)), nil) },
	}
	for table, calls := range map[Table][]string{
		thingTable: {"get", "list"},
		nameTable:  {"get", "remove"},
		countTable: {"list", "remove"},
	} {
		db := openTemp(t)
		update(t, db, add(thing(0)))
		// Open would refuse a damaged file, so the damage is done to an open one.
		update(t, db, func(tx *Tx) error { return damage(table)(tx.bolt) })
		for _, call := range calls {
			err := reads[call](db)
			wantError(t, err, "damaged record in table "+string(table))
			equal(t, "kind of the error of "+call, domain.KindOf(err), "")
		}
	}
	db := openTemp(t)
	update(t, db, add(thing(0)))
	update(t, db, func(tx *Tx) error { return empty(tx, thingTable) })
	wantError(t, reads["get"](db), "it is missing")
}

// filled is the number of things in filledFile.
const filled = 100

// filledFile returns a file whose tables have small and large pages.
func filledFile(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	db := open(t, path)
	var done sync.WaitGroup
	for n := range filled {
		done.Go(func() {
			if err := db.Update(t.Context(), add(thing(n)), nil); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	noError(t, db.Close())
	return sample.Must(os.ReadFile(path))
}

// sizeOf returns the number of bytes of a bbolt file that are in use.
func sizeOf(t testing.TB, content []byte) (n int64) {
	t.Helper()
	edited(t, content, func(tx *bbolt.Tx) error {
		n = tx.Size()
		return nil
	})
	return n
}

// damage flips a bit of every value of a table.
func damage(t Table) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(t))
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

func overwrite(content []byte, at int, data []byte) []byte {
	content = bytes.Clone(content)
	copy(content[at:], data)
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
