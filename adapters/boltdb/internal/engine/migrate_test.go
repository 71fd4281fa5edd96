package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/adapters/internal/durable"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// The tests of this file migrate files of thingSchema, which is format 1. In format 2 a
// thing may have a color, and there is a new table. Format 3 has one more table, which the
// migration fills.
const (
	noteTable   Table = "notes"
	lengthTable Table = "lengths" // length of the name (1 byte), name → nothing
)

func schemaOf(format int) *Schema {
	s := thingSchema()
	s.Format = format
	s.Tables[0].Decode = func(_ []byte, record Record) error {
		_, _, err := decodeColored(record)
		return err
	}
	accept := func([]byte, Record) error { return nil }
	s.Tables = append(s.Tables, TableSchema{Table: noteTable, Since: 2, Decode: accept}, TableSchema{Table: lengthTable, Since: 3, Decode: accept})
	s.Migrations = []Migration{{From: 1}, {From: 2, Prepare: always(addLength)}}[:format-1]
	return s
}

// always returns a function Prepare that does not read the old file.
func always(convert Convert) func(*Tx) (Convert, error) {
	return func(*Tx) (Convert, error) { return convert, nil }
}

// colored returns a record of version 2.
func colored(name, color string) Record { return Record{2, []byte(name + "\x00" + color)} }

// decodeColored reads version 1, without a color, and version 2.
func decodeColored(record Record) (name, color string, err error) {
	if record.Version > 1 {
		name, color, _ = strings.Cut(string(record.Payload), "\x00")
		return name, color, nil
	}
	return string(record.Payload), "", decodeThing(nil, record)
}

// addLength adds a row of lengthTable for each thing. Its keys do not come in order.
func addLength(old TableRow, emit func(TableRow) error) error {
	if old.Table == thingTable {
		name, _, err := decodeColored(old.Record)
		if err != nil {
			return err
		}
		key := append([]byte{byte(len(name))}, name...)
		if err := emit(TableRow{lengthTable, Row{key, Record{1, nil}}}); err != nil {
			return err
		}
	}
	return emit(old)
}

func TestMigrationKeepsOldRecordsReadable(t *testing.T) {
	t.Parallel()
	path := oldFile(t, 3)
	db := openWith(t, path, schemaOf(2), Options{Migrate: func(Progress) {}})
	update(t, db, func(tx *Tx) error {
		_, err := thingOrder().Append(tx, colored("thing 3", "red"))
		return err
	})
	noError(t, db.Close())

	db = openWith(t, path, schemaOf(2), Options{})
	var got []string
	noError(t, db.View(t.Context(), func(tx *Tx) error {
		for row, err := range thingOrder().Slice(tx, 0, 4) {
			if err != nil {
				return err
			}
			name, color, err := decodeColored(row.Record)
			if err != nil {
				return err
			}
			got = append(got, name+" "+color)
		}
		return nil
	}))
	if want := []string{"thing 0 ", "thing 1 ", "thing 2 ", "thing 3 red"}; !slices.Equal(got, want) {
		t.Errorf("the things are %q, want %q", got, want)
	}
}

func TestMigrationAddsATable(t *testing.T) {
	t.Parallel()
	path := oldFile(t, 3)
	db := openWith(t, path, schemaOf(2), Options{Migrate: func(Progress) {}})
	update(t, db, func(tx *Tx) error { return noteTable.Put(tx, []byte("key"), Record{1, []byte("note")}) })
	noError(t, db.Close())
	db = openWith(t, path, schemaOf(2), Options{})
	noError(t, db.View(t.Context(), func(tx *Tx) error {
		_, err := noteTable.Get(tx, []byte("key"))
		return err
	}))
	wantThings(t, db, thing(0), thing(1), thing(2))
}

// TestMigrationInTwoSteps checks the converted rows, the old files and the progress.
func TestMigrationInTwoSteps(t *testing.T) {
	t.Parallel()
	const things = maxMigrationRows/2 + 1 // two tables, so at least two transactions
	path := oldFile(t, things)
	original := sample.Must(os.ReadFile(path))
	var reports []Progress
	db := openWith(t, path, schemaOf(3), Options{Migrate: func(p Progress) { reports = append(reports, p) }})
	_, total, err := list(t.Context(), db, 0, 1)
	noError(t, err)
	equal(t, "number of things", total, things)
	noError(t, check(t.Context(), db))

	lengths := 0
	noError(t, db.View(t.Context(), func(tx *Tx) error {
		for row, err := range lengthTable.Rows(tx, nil) {
			if err != nil {
				return err
			}
			if int(row.Key[0]) != len(row.Key)-1 || !nameTable.Has(tx, row.Key[1:]) {
				return fmt.Errorf("table lengths has the key %q", row.Key)
			}
			lengths++
		}
		return nil
	}))
	equal(t, "number of rows in table lengths", lengths, things)

	if !bytes.Equal(sample.Must(os.ReadFile(path+".format-1")), original) {
		t.Error("the file of format 1 was not kept")
	}
	wantFiles(t, path, "file", "file.format-1", "file.format-2")
	wantProgress(t, reports, things)

	// New rows continue the sequence.
	update(t, db, add("thing new"))
	noError(t, check(t.Context(), db))
}

// wantProgress wants rising numbers up to the total in each of two steps.
func wantProgress(t *testing.T, reports []Progress, things int) {
	t.Helper()
	for from := 1; from <= 2; from++ {
		last, n := Progress{}, 0
		for _, p := range reports {
			if p.From != from {
				continue
			}
			if p.To != from+1 || p.Done < last.Done || p.Done > p.Total || n > 0 && p.Total != last.Total {
				t.Errorf("progress %+v after %+v", p, last)
			}
			last = p
			n++
		}
		if n < 2 || last.Done != last.Total || last.Total < 2*things {
			t.Errorf("%d reports of the migration from format %d end with %+v", n, from, last)
		}
	}
}

func TestMigrationOfAnEmptyStore(t *testing.T) {
	t.Parallel()
	path := oldFile(t, 0)
	reports := 0
	db := openWith(t, path, schemaOf(2), Options{Migrate: func(Progress) { reports++ }})
	equal(t, "number of reports", reports, 1)
	wantThings(t, db)
}

func TestMigrationOfUnversionedRecords(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	noError(t, os.WriteFile(path, edited(t, sample.Must(os.ReadFile(oldFile(t, 3))), removeVersions), 0o600))
	schema := schemaOf(2)
	schema.Unversioned = 1
	if _, err := Open(path, schema, Options{}); !errors.Is(err, ErrOldFormat) {
		t.Errorf("Open returned %v, want ErrOldFormat", err)
	}
	wantThings(t, openWith(t, path, schema, Options{Migrate: func(Progress) {}}), thing(0), thing(1), thing(2))
}

// removeVersions rewrites the records of a file in the layout without versions.
func removeVersions(tx *bbolt.Tx) error {
	return tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
		values := map[string][]byte{}
		err := bucket.ForEach(func(key, value []byte) error {
			if string(name) != "thingd" {
				payload := bytes.Clone(value[checksumSize+1:])
				values[string(key)] = append(binary.BigEndian.AppendUint32(nil, checksum(key, payload)), payload...)
			}
			return nil
		})
		for key, value := range values {
			err = errors.Join(err, bucket.Put([]byte(key), value))
		}
		return err
	})
}

func TestOldFormatIsRefusedWithoutMigrate(t *testing.T) {
	t.Parallel()
	path := oldFile(t, 3)
	before := sample.Must(os.ReadFile(path))
	_, err := Open(path, schemaOf(2), Options{})
	if !errors.Is(err, ErrOldFormat) {
		t.Errorf("Open returned %v, want ErrOldFormat", err)
	}
	wantError(t, err, "data file "+path+" has format 1, which is older than 2: ")
	wantUntouched(t, path, before)
}

// TestLaterFormatIsRefused opens a file that has one more table.
func TestLaterFormatIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	noError(t, openWith(t, path, schemaOf(3), Options{}).Close())
	before := sample.Must(os.ReadFile(path))
	_, err := Open(path, schemaOf(2), Options{Migrate: func(Progress) {}})
	wantError(t, err, "data file "+path+": has format 3, which a later thingd wrote; this one knows up to 2")
	wantUntouched(t, path, before)
}

func TestTooOldFormatIsRefused(t *testing.T) {
	t.Parallel()
	path := oldFile(t, 1)
	schema := schemaOf(3)
	schema.Migrations = schema.Migrations[1:]
	_, err := Open(path, schema, Options{Migrate: func(Progress) {}})
	wantError(t, err, "has format 1, which is too old; this thingd knows formats from 2 to 3")
}

func TestDamagedFileIsNotMigrated(t *testing.T) {
	t.Parallel()
	path := oldFile(t, 3)
	bad := edited(t, sample.Must(os.ReadFile(path)), damage(nameTable))
	noError(t, os.WriteFile(path, bad, 0o600))
	_, err := Open(path, schemaOf(2), Options{Migrate: func(Progress) {}})
	wantError(t, err, "data file "+path+": damaged record in table names")
	wantUntouched(t, path, bad)
}

// TestFailedMigrationChangesNothing runs migrations that fail.
func TestFailedMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	for want, convert := range map[string]Convert{
		"boom": func(TableRow, func(TableRow) error) error { return errors.New("boom") },
		"bang": func(TableRow, func(TableRow) error) error { panic("bang") },
		"the new file is wrong: damaged record in table things": func(row TableRow, emit func(TableRow) error) error {
			row.Record = Record{1, []byte("nonsense")}
			return emit(row)
		},
		"records": func(row TableRow, emit func(TableRow) error) error { // all in one row
			row.Key = sequenceKey(1)
			return emit(row)
		},
		"the new format has no table lengths": func(row TableRow, emit func(TableRow) error) error {
			row.Table = lengthTable
			return emit(row)
		},
	} {
		path := oldFile(t, 3)
		before := sample.Must(os.ReadFile(path))
		schema := schemaOf(2)
		schema.Migrations[0].Prepare = always(convert)
		_, err := Open(path, schema, Options{Migrate: func(Progress) {}})
		wantError(t, err, "data file "+path+": migration from format 1: ")
		wantError(t, err, want)
		wantUntouched(t, path, before)
		open(t, path) // the file is not locked any more
	}
}

func TestPrepareReadsTheOldFileBeforeItsRowsAreConverted(t *testing.T) {
	t.Parallel()
	path, schema, rows := oldFile(t, 3), schemaOf(2), 0
	schema.Migrations[0] = Migration{From: 1, Prepare: func(old *Tx) (Convert, error) {
		for _, err := range thingTable.Rows(old, nil) {
			noError(t, err)
			rows++
		}
		converted := 0
		return func(row TableRow, emit func(TableRow) error) error {
			if row.Table == thingTable {
				converted++
				if converted > rows {
					t.Errorf("row %d of %d is converted", converted, rows)
				}
			}
			return emit(row)
		}, nil
	}}
	noError(t, sample.Must(Open(path, schema, Options{Migrate: func(Progress) {}})).Close())
	equal(t, "rows that Prepare read", rows, 3)

	path = oldFile(t, 3)
	before := sample.Must(os.ReadFile(path))
	schema.Migrations[0].Prepare = func(*Tx) (Convert, error) { return nil, errors.New("unprepared") }
	_, err := Open(path, schema, Options{Migrate: func(Progress) {}})
	wantError(t, err, "migration from format 1: unprepared")
	wantUntouched(t, path, before)
}

// TestExtendFillsANewOrderIndex migrates to a format with one more order index, and then
// appends to it.
func TestExtendFillsANewOrderIndex(t *testing.T) {
	t.Parallel()
	byName := OrderIndex{Table: "by-name", Counts: "by-name-counts"}
	extended := func(fail error) *Schema {
		schema := schemaOf(2)
		schema.Tables = append(schema.Tables,
			TableSchema{Table: byName.Table, Since: 2, Decode: func([]byte, Record) error { return nil }},
			TableSchema{Table: byName.Counts, Since: 2, Decode: DecodeCounts})
		schema.Orders = append(schema.Orders, byName)
		schema.Migrations[0].Extend = func(old *Tx, emit func(TableRow) error) error {
			builder := OrderBuilder{Index: byName}
			for row, err := range nameTable.Rows(old, nil) {
				noError(t, err)
				if err := emit(builder.Append(Record{1, row.Key})); err != nil {
					return err
				}
			}
			return errors.Join(builder.EmitCounts(emit), fail)
		}
		return schema
	}
	for _, things := range []int{0, 1, 40} {
		path := oldFile(t, things)
		db := openWith(t, path, extended(nil), Options{Migrate: func(Progress) {}})
		update(t, db, func(tx *Tx) error {
			_, err := byName.Append(tx, Record{1, []byte("last")})
			return err
		})
		noError(t, db.View(t.Context(), func(tx *Tx) error {
			equal(t, "rows", sample.Must(byName.Len(tx)), things+1)
			for row, err := range byName.Slice(tx, things, 1) {
				noError(t, err)
				equal(t, "last row", string(row.Payload), "last")
			}
			return nil
		}))
		noError(t, db.Close())
		noError(t, openWith(t, path, extended(nil), Options{}).Close()) // it checks the sequence number
	}

	path := oldFile(t, 3)
	before := sample.Must(os.ReadFile(path))
	_, err := Open(path, extended(errors.New("not extended")), Options{Migrate: func(Progress) {}})
	wantError(t, err, "migration from format 1: not extended")
	wantUntouched(t, path, before)
}

func TestMigrationDoesNotReplaceAKeptFile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"shorter": "another file", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := oldFile(t, 3)
			before := sample.Must(os.ReadFile(path))
			noError(t, os.WriteFile(path+".format-1", []byte(content), 0o600))
			_, err := Open(path, schemaOf(2), Options{Migrate: func(Progress) {}})
			wantError(t, err, path+".format-1 exists and is another file: move it to another folder")
			equal(t, "kept file", string(sample.Must(os.ReadFile(path+".format-1"))), content)
			if !bytes.Equal(sample.Must(os.ReadFile(path)), before) {
				t.Error("the data file was changed")
			}
			wantFiles(t, path, "file", "file.format-1")
		})
	}
}

const (
	// crashPoint is the environment variable that makes the test program run
	// crashChild: the number of the point at which the process ends, from 1.
	crashPoint = "ENGINE_CRASH_POINT"
	// crashCopy simulates a file system without hard links if it is not empty.
	crashCopy = "ENGINE_CRASH_COPY"
	// crashed is the exit code of a process that ended at the point.
	crashed = 3
)

// crashChild migrates the file in the current folder and ends the process at one point,
// without any cleanup.
func crashChild() {
	point := sample.Must(strconv.Atoi(os.Getenv(crashPoint)))
	m := testMigration("file", os.Getenv(crashCopy) != "")
	m.reached = func(string) {
		if point--; point == 0 {
			os.Exit(crashed)
		}
	}
	if err := m.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// testMigration returns a migration in several transactions.
func testMigration(path string, copies bool) *migration {
	m := newMigration(path, schemaOf(2), func(Progress) {})
	m.maxRows = 50
	if copies {
		m.link = copyFile
	}
	return m
}

// copyFile is durable.LinkOrCopy on a file system without hard links.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	return durable.CreateFile(to, func(file *os.File) error {
		_, err := io.Copy(file, source)
		return err
	})
}

// TestCrashDuringMigration ends a process at each point of a migration. At each point
// either the old file or the new one must be in place, and the next migration must finish.
func TestCrashDuringMigration(t *testing.T) {
	t.Parallel()
	const things = 60
	template := oldFile(t, things)
	old := sample.Must(os.ReadFile(template))
	var want []string
	for n := range things {
		want = append(want, thing(n))
	}
	for _, copies := range []bool{false, true} {
		for point := 1; ; point++ {
			path := filepath.Join(t.TempDir(), "file")
			noError(t, os.WriteFile(path, old, 0o600))
			ended := crashAt(t, path, point, copies)
			found, err := inspect(path, schemaOf(2)) // the file is complete and undamaged
			noError(t, err)
			if found.format == 1 {
				if again := crashAt(t, path, point, copies); again { // the same crash a second time
					t.Errorf("point %d was not reached again", point)
				}
			}
			wantThings(t, openWith(t, path, schemaOf(2), Options{Migrate: func(Progress) {}}), want...)
			wantFiles(t, path, "file", "file.format-1")
			if !bytes.Equal(sample.Must(os.ReadFile(path+".format-1")), old) {
				t.Errorf("after a crash at point %d the old file was not kept", point)
			}
			if ended {
				if point < 8 {
					t.Errorf("the migration has %d points, want create, 3 times write, check, keep, rename and end", point-1)
				}
				break
			}
		}
	}
}

// crashAt runs a migration in another process and reports whether it ended before the
// point.
func crashAt(t *testing.T, path string, point int, copies bool) (ended bool) {
	t.Helper()
	child := exec.Command(sample.Must(os.Executable()))
	child.Dir = filepath.Dir(path)
	child.Env = append(os.Environ(), crashPoint+"="+strconv.Itoa(point))
	if copies {
		child.Env = append(child.Env, crashCopy+"=yes")
	}
	output, err := child.CombinedOutput()
	if err != nil && child.ProcessState.ExitCode() != crashed {
		t.Fatalf("the migration failed: %v, %s", err, output)
	}
	return err == nil
}

func TestMigrationWithoutHardLinks(t *testing.T) {
	t.Parallel()
	path := oldFile(t, 60)
	before := sample.Must(os.ReadFile(path))
	noError(t, testMigration(path, true).run())
	if !bytes.Equal(sample.Must(os.ReadFile(path+".format-1")), before) {
		t.Error("the old file was not kept")
	}
	openWith(t, path, schemaOf(2), Options{})
}

// TestFileIsLockedDuringMigration tries to open the file at the first and the last point.
func TestFileIsLockedDuringMigration(t *testing.T) {
	t.Parallel()
	path := oldFile(t, 60)
	m := testMigration(path, false)
	points := 0
	m.reached = func(point string) {
		if point != "create" && point != "rename" { // the first and the last point are enough
			return
		}
		points++
		_, err := Open(path, thingSchema(), Options{})
		wantError(t, err, "is in use by another thingd")
		if err := newMigration(path, schemaOf(2), func(Progress) {}).run(); err == nil {
			t.Errorf("a second migration at the point %q succeeded", point)
		}
	}
	noError(t, m.run())
	equal(t, "number of tested points", points, 2)
	openWith(t, path, schemaOf(2), Options{})
}

func TestSimultaneousMigrations(t *testing.T) {
	t.Parallel()
	path := oldFile(t, 60)
	const openers = 8
	var done sync.WaitGroup
	for range openers {
		done.Go(func() {
			db, err := Open(path, schemaOf(2), Options{Migrate: func(Progress) {}})
			if err != nil {
				wantError(t, err, "in use")
				return
			}
			if err := errors.Join(check(t.Context(), db), db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	db := openWith(t, path, schemaOf(2), Options{Migrate: func(Progress) {}})
	_, total, err := list(t.Context(), db, 0, 1)
	noError(t, err)
	equal(t, "number of things", total, 60)
	wantFiles(t, path, "file", "file.format-1")
}

// TestReplacedFileIsNotOpened replaces a file while a call of openBolt waits for its lock.
func TestReplacedFileIsNotOpened(t *testing.T) {
	t.Parallel()
	path, replacement := oldFile(t, 1), oldFile(t, 2)
	holder := sample.Must(bbolt.Open(path, 0o600, nil))
	type result struct {
		things int
		err    error
	}
	opened := make(chan result)
	go func() {
		bolt, _, err := openBolt(path, thingSchema(), writable())
		if err != nil {
			opened <- result{0, err}
			return
		}
		var things int
		err = bolt.View(func(tx *bbolt.Tx) error {
			things, err = thingOrder().Len(newTx(tx))
			return err
		})
		opened <- result{things, errors.Join(err, bolt.Close())}
	}()
	time.Sleep(50 * time.Millisecond) // the call now probably waits; if not, the test still passes
	noError(t, os.Rename(path, path+".old"))
	noError(t, os.Rename(replacement, path))
	noError(t, holder.Close())
	got := <-opened
	noError(t, got.err)
	equal(t, "number of things in the opened file", got.things, 2)
}

func TestMigrationUsesTransactionsOfBoundedSize(t *testing.T) {
	t.Parallel()
	const things = 3 * maxMigrationRows
	path := oldFile(t, things)
	db := openWith(t, path, schemaOf(2), Options{Migrate: func(Progress) {}})
	// Two tables have a row for each thing.
	if n, least := commits(t, db), 2*things/maxMigrationRows; n < least {
		t.Errorf("the migration had %d transactions, want at least %d", n, least)
	}
}

// BenchmarkMigrate migrates a million things, which have two million rows. It reports by
// how much the heap grows. Run it with -benchtime 1x.
func BenchmarkMigrate(b *testing.B) {
	template := oldFile(b, 1_000_000)
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	for b.Loop() {
		b.StopTimer()
		path := filepath.Join(b.TempDir(), "file")
		noError(b, copyFile(template, path))
		runtime.GC()
		before, peak := heap(), uint64(0)
		b.StartTimer()
		noError(b, newMigration(path, schemaOf(2), func(Progress) { peak = max(peak, heap()) }).run())
		b.ReportMetric(float64(peak-before)/1e6, "MB-heap")
	}
}

// BenchmarkOpen opens a file with a million things, and so checks it.
func BenchmarkOpen(b *testing.B) {
	path := oldFile(b, 1_000_000)
	for b.Loop() {
		db, err := Open(path, thingSchema(), Options{})
		noError(b, err)
		noError(b, db.Close())
	}
}

// oldFile returns the path of a file of format 1 with things, in a folder of its own.
func oldFile(t testing.TB, things int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	db, err := Open(path, thingSchema(), Options{})
	noError(t, err)
	const batch = 10_000
	for first := 0; first < things; first += batch {
		update(t, db, addThings(first, min(first+batch, things)))
	}
	noError(t, db.Close())
	return path
}

// wantUntouched wants the file to have its content and to be alone in its folder.
func wantUntouched(t *testing.T, path string, content []byte) {
	t.Helper()
	if !bytes.Equal(sample.Must(os.ReadFile(path)), content) {
		t.Error("the file was changed")
	}
	wantFiles(t, path, filepath.Base(path))
}

// wantFiles wants the folder of path to have these files only.
func wantFiles(t *testing.T, path string, want ...string) {
	t.Helper()
	var got []string
	for _, entry := range sample.Must(os.ReadDir(filepath.Dir(path))) {
		got = append(got, entry.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the folder has the files %q, want %q", got, want)
	}
}
