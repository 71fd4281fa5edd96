package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/widgetd/widgetd/adapters/internal/durable"
)

// Progress is the progress of a migration.
type Progress struct {
	From, To    int // formats
	Done, Total int // records of the old file, and of the indexes that are added
}

// A write transaction of a migration ends when it reaches either limit. The limits bound
// the memory of a migration. They also bound its time: with unsorted keys, the time of a
// transaction grows with the square of its size.
const (
	maxMigrationRows  = 10_000
	maxMigrationBytes = 4 << 20
)

// migration is one step from the format of the file at path to the next format. The
// steps are: build a new file, check it, keep the old file under another name, and
// rename the new file. The old file is locked all the time, so that no other process
// uses it. After a crash at any moment, path is either the old file or the finished new
// file.
type migration struct {
	path     string
	schema   *Schema
	progress func(Progress)
	maxRows  int                         // maxMigrationRows, or fewer in tests
	link     func(from, to string) error // durable.LinkOrCopy, or a function of a test
	reached  func(point string)          // called before each change on disk, for tests

	step  Migration
	old   *bbolt.DB
	done  int
	total int // see Progress
}

// migrate runs the step that reads the format of the file at path.
func migrate(path string, schema *Schema, progress func(Progress)) error {
	return newMigration(path, schema, progress).run()
}

func newMigration(path string, schema *Schema, progress func(Progress)) *migration {
	return &migration{
		path:     path,
		schema:   schema,
		progress: progress,
		maxRows:  maxMigrationRows,
		link:     durable.LinkOrCopy,
		reached:  func(string) {},
	}
}

func (m *migration) run() (err error) {
	locked, err := m.open()
	if err != nil || !locked {
		return fileError(m.path, m.schema, err)
	}
	defer func() { err = errors.Join(err, m.old.Close()) }()
	if err := catchPanics(m.replace); err != nil {
		return fmt.Errorf("data file %s: migration from format %d: %w", m.path, m.step.From, err)
	}
	return nil
}

// open checks the old file and opens and locks it. It returns false if the file has the
// newest format already, because another process has migrated it.
func (m *migration) open() (locked bool, err error) {
	found, err := inspect(m.path, m.schema)
	if err != nil || found.format == m.schema.Format {
		return false, err
	}
	m.step, m.total = m.schema.migrationFrom(found.format), found.records
	m.old, _, err = openBolt(m.path, m.schema, writable())
	if err != nil {
		return false, err
	}
	err = m.old.View(func(tx *bbolt.Tx) error {
		format, err := m.schema.formatOf(newTx(tx))
		if err == nil && (format != found.format || tx.ID() != found.txID) {
			return bolterrors.ErrTimeout // another process wrote to the file between the check and the lock
		}
		return err
	})
	if err != nil {
		return false, errors.Join(err, m.old.Close())
	}
	return true, nil
}

// replace replaces the old file by a new one.
func (m *migration) replace() error {
	keep := fmt.Sprintf("%s.format-%d", m.path, m.step.From)
	kept, err := m.isKept(keep)
	if err != nil {
		return err
	}
	if err := m.removeLeftovers(); err != nil {
		return err
	}
	m.reached("create")
	temp, err := m.createTemp()
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := m.build(temp); err != nil {
		return err
	}
	if !kept {
		m.reached("keep")
		if err := m.link(m.path, keep); err != nil {
			return fmt.Errorf("keep the old file as %s: %w", keep, err)
		}
	}
	if runtime.GOOS == "windows" {
		// Windows cannot replace an open file. It protects the file of another
		// process in the same way.
		if err := m.old.Close(); err != nil {
			return err
		}
	}
	m.reached("rename")
	if err := durable.Rename(temp, m.path); err != nil {
		return err
	}
	m.reached("end")
	return nil
}

// isKept reports whether the old file already has the name keep: an earlier migration
// did not finish. It returns an error if another file has this name.
func (m *migration) isKept(keep string) (bool, error) {
	kept, err := os.Stat(keep)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	old, err := os.Stat(m.path)
	if err != nil {
		return false, err
	}
	if os.SameFile(old, kept) {
		return true, nil
	}
	same, err := sameContent(m.path, keep) // a copy, on a file system without hard links
	if err == nil && !same {
		err = fmt.Errorf("%s exists and is another file: move it to another folder, then start again", keep)
	}
	return same, err
}

// removeLeftovers removes the unfinished files of earlier migrations.
func (m *migration) removeLeftovers() error {
	entries, err := os.ReadDir(filepath.Dir(m.path))
	if err != nil {
		return err
	}
	name := filepath.Base(m.path)
	for _, entry := range entries {
		// The suffix is ".new-…", or ".format-….new-…" if durable.LinkOrCopy made a copy.
		suffix, ours := strings.CutPrefix(entry.Name(), name)
		if ours && (strings.HasPrefix(suffix, durable.TempInfix) || strings.HasPrefix(suffix, ".format-") && strings.Contains(suffix, durable.TempInfix)) {
			if err := os.Remove(filepath.Join(filepath.Dir(m.path), entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// createTemp creates an empty file next to the old one and returns its path.
func (m *migration) createTemp() (string, error) {
	temp, err := os.CreateTemp(filepath.Dir(m.path), filepath.Base(m.path)+durable.TempInfix+"*") // with mode 0600
	if err != nil {
		return "", err
	}
	return temp.Name(), temp.Close()
}

// build writes the new file and checks it.
func (m *migration) build(temp string) error {
	emitted, err := m.write(temp)
	if err != nil {
		return err
	}
	m.reached("check")
	found, err := inspect(temp, m.schema)
	switch {
	case err != nil:
		return fmt.Errorf("the new file is wrong: %w", err)
	case found.records != emitted || found.format != m.step.From+1:
		return fmt.Errorf("the new file has format %d and %d records, want format %d and %d records",
			found.format, found.records, m.step.From+1, emitted)
	}
	return nil
}

// write writes and syncs the new file and returns the number of its records.
func (m *migration) write(temp string) (emitted int, err error) {
	options := writable()
	options.NoSync = true // one sync at the end is enough: a crash loses the file anyway
	db, err := bbolt.Open(temp, 0o600, options)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.Update(func(tx *bbolt.Tx) error { return m.schema.createTables(tx, m.step.From+1) })
	if err != nil {
		return 0, err
	}
	w := &rowWriter{db: db, maxRows: m.maxRows, reached: m.reached}
	err = m.old.View(func(tx *bbolt.Tx) error {
		if err := m.copyRows(tx, w); err != nil {
			return err
		}
		if err := m.copySequences(tx, db); err != nil {
			return err
		}
		return m.beginSequences(db)
	})
	if err != nil {
		return 0, err
	}
	return w.emitted, db.Sync()
}

// copyRows converts every row of the old file and reports the progress.
func (m *migration) copyRows(old *bbolt.Tx, w *rowWriter) error {
	convert, err := m.convert(old)
	if err != nil {
		return err
	}
	unseal := m.schema.unsealer(m.step.From)
	if m.step.Added != nil {
		added, err := m.step.Added(newTx(old))
		if err != nil {
			return err
		}
		m.total += added
	}
	w.flushed = m.report
	for _, t := range m.schema.tables(m.step.From) {
		err := old.Bucket([]byte(t.Table)).ForEach(func(key, value []byte) error {
			record, err := unseal(t.Table, key, value)
			if err != nil {
				return err
			}
			m.done++
			return convert(TableRow{t.Table, Row{key, record}}, w.emit)
		})
		if err != nil {
			return err
		}
	}
	if err := m.extend(old, w); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	m.report()
	return nil
}

// extend writes the rows that the new format adds.
func (m *migration) extend(old *bbolt.Tx, w *rowWriter) error {
	if m.step.Extend == nil {
		return nil
	}
	emit := func(row TableRow) error {
		m.done++
		return w.emit(row)
	}
	if m.step.Added == nil {
		emit, w.flushed = w.emit, func() {} // the progress does not count these rows
	}
	return m.step.Extend(newTx(old), emit)
}

func (m *migration) report() {
	m.progress(Progress{From: m.step.From, To: m.step.From + 1, Done: m.done, Total: m.total})
}

// convert returns the function that converts the rows of the old file.
func (m *migration) convert(old *bbolt.Tx) (Convert, error) {
	if m.step.Prepare != nil {
		return m.step.Prepare(newTx(old))
	}
	return func(row TableRow, emit func(TableRow) error) error { return emit(row) }, nil
}

// copySequences copies the last sequence number of every table. Rows do not show it: the
// row with this number may have been deleted.
func (m *migration) copySequences(old *bbolt.Tx, db *bbolt.DB) error {
	return db.Update(func(tx *bbolt.Tx) error {
		for _, t := range m.schema.tables(m.step.From) {
			name := []byte(t.Table)
			if err := tx.Bucket(name).SetSequence(old.Bucket(name).Sequence()); err != nil {
				return err
			}
		}
		return nil
	})
}

// beginSequences sets the last sequence number of each order index that the new format
// adds: that of its last row.
func (m *migration) beginSequences(db *bbolt.DB) error {
	return db.Update(func(tx *bbolt.Tx) error {
		for _, order := range m.schema.Orders {
			if m.schema.since(order.Table) != m.step.From+1 {
				continue
			}
			bucket := tx.Bucket([]byte(order.Table))
			last, _ := bucket.Cursor().Last()
			if last == nil {
				continue
			}
			if err := bucket.SetSequence(binary.BigEndian.Uint64(last)); err != nil {
				return err
			}
		}
		return nil
	})
}

// rowWriter writes rows in transactions of bounded size, sorted by key in each.
type rowWriter struct {
	db      *bbolt.DB
	maxRows int
	reached func(point string)
	flushed func() // called after each transaction that is not the last one
	rows    []TableRow
	bytes   int
	emitted int
}

func (w *rowWriter) emit(row TableRow) error {
	w.rows = append(w.rows, row)
	w.bytes += len(row.Key) + len(row.Payload)
	w.emitted++
	if len(w.rows) < w.maxRows && w.bytes < maxMigrationBytes {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.flushed()
	return nil
}

func (w *rowWriter) flush() error {
	w.reached("write")
	slices.SortFunc(w.rows, func(a, b TableRow) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), bytes.Compare(a.Key, b.Key))
	})
	err := w.db.Update(func(tx *bbolt.Tx) error {
		for _, row := range w.rows {
			bucket := tx.Bucket([]byte(row.Table))
			if bucket == nil {
				return fmt.Errorf("the new format has no table %s", row.Table)
			}
			bucket.FillPercent = appendFill
			if err := bucket.Put(row.Key, seal(row.Key, row.Record)); err != nil {
				return err
			}
		}
		return nil
	})
	clear(w.rows)
	w.rows, w.bytes = w.rows[:0], 0
	return err
}

// sameContent reports whether two files are equal.
func sameContent(path, other string) (bool, error) {
	a, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := os.Open(other)
	if err != nil {
		return false, err
	}
	defer b.Close()
	const chunk = 1 << 16
	left, right := make([]byte, chunk), make([]byte, chunk)
	for {
		n, errA := io.ReadFull(a, left)
		k, errB := io.ReadFull(b, right)
		if !bytes.Equal(left[:n], right[:k]) {
			return false, nil
		}
		ended := errors.Is(errA, io.EOF) || errors.Is(errA, io.ErrUnexpectedEOF)
		switch {
		case ended:
			return errors.Is(errB, io.EOF) || errors.Is(errB, io.ErrUnexpectedEOF), nil
		case errA != nil || errB != nil:
			return false, errors.Join(errA, errB)
		}
	}
}
