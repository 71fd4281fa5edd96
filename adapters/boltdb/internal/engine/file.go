package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/widgetd/widgetd/adapters/internal/durable"
)

// ErrOldFormat is the error of Open for a file that must be migrated first, if the
// options do not allow it.
var ErrOldFormat = errors.New("must be migrated")

// ErrInUse is the error of Open for a file that another process has locked.
var ErrInUse = errors.New("in use")

// lockTimeout is how long bbolt tries to lock the file. Open locks it twice and must
// fail within a second.
const lockTimeout = 400 * time.Millisecond

// ensureFile creates the file at path and its folder if they do not exist.
func ensureFile(path string, schema *Schema) error {
	dir := filepath.Dir(path)
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		err := durable.CreateFile(path, func(file *os.File) error { return writeEmpty(file.Name(), schema) })
		if err != nil && !errors.Is(err, fs.ErrExist) { // another process may create it at the same time
			return fmt.Errorf("create data file %s: %w", path, err)
		}
	}
	// An existing file needs the sync too: the process that created it may have been
	// killed before it synced the folder.
	return durable.SyncDir(dir)
}

// writeEmpty writes tables without records to the empty file at path.
func writeEmpty(path string, schema *Schema) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return err
	}
	return errors.Join(db.Update(schema.create), db.Close())
}

// create writes the tables and rows of a new file.
func (s *Schema) create(tx *bbolt.Tx) error {
	if err := s.createTables(tx, s.Format); err != nil || s.Create == nil {
		return err
	}
	created := newTx(tx)
	return s.Create(func(row TableRow) error { return row.Table.Put(created, row.Key, row.Record) })
}

// openFile checks the file at path and opens it. It returns ErrOldFormat if the file
// is undamaged but of an older format.
func openFile(path string, schema *Schema, options *bbolt.Options) (*bbolt.DB, *os.File, error) {
	found, err := inspect(path, schema)
	if err != nil {
		return nil, nil, fileError(path, schema, err)
	}
	if found.format < schema.Format {
		return nil, nil, fmt.Errorf("data file %s has format %d, which is older than %d: it %w; start the server once to migrate it",
			path, found.format, schema.Format, ErrOldFormat)
	}
	bolt, file, err := openBolt(path, schema, options)
	if options.InitialMmapSize > 0 && isMapRefused(err) {
		options.InitialMmapSize = 0
		bolt, file, err = openBolt(path, schema, options)
	}
	return bolt, file, fileError(path, schema, err)
}

// fileError adds the path of the file or the folder to an error.
func fileError(path string, schema *Schema, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("data folder %s is %w by another %s", filepath.Dir(path), ErrInUse, schema.Program)
	default:
		return fmt.Errorf("data file %s: %w", path, err)
	}
}

// bolt returns the options of bbolt for a file that is written to.
func (o Options) bolt() *bbolt.Options {
	options := writable()
	options.Mlock = o.LockMemory
	options.InitialMmapSize = mapBytes()
	return options
}

func writable() *bbolt.Options {
	return &bbolt.Options{
		Timeout: lockTimeout,
		// The default is an array. A search in it takes time in proportion to the
		// number of free pages, which is large after many deletions.
		FreelistType: bbolt.FreelistMapType,
		// The statistics are not used, and they cost every read transaction two locks.
		NoStatistics: true,
	}
}

// summary describes an undamaged file.
type summary struct {
	format  int
	records int
	txID    int // of the last transaction
}

// inspect returns an error unless the file was written by the program, is complete and
// undamaged, and has a known format. It opens the file for reading only. With a file
// open for writing, bbolt may write before the check, using pages that are damaged.
func inspect(path string, schema *Schema) (found summary, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return summary{}, err
	}
	if info.Size() == 0 {
		return summary{}, errors.New("damaged: it is empty")
	}
	db, _, err := openBolt(path, schema, &bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
	if err != nil {
		return summary{}, err
	}
	defer db.Close()
	err = catchPanics(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			found, err = schema.inspect(newTx(tx), path)
			return err
		})
	})
	return found, err
}

func (s *Schema) inspect(tx *Tx, path string) (summary, error) {
	file, err := os.Open(path)
	if err != nil {
		return summary{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return summary{}, err
	}
	if missing := tx.bolt.Size() - info.Size(); missing > 0 {
		return summary{}, fmt.Errorf("damaged: %d bytes are missing at its end", missing)
	}
	format, records, err := checkPages(file, info.Size(), s)
	if err != nil {
		return summary{}, err
	}
	return summary{format, records, tx.ID()}, s.checkTables(tx, format)
}

// openBolt is bbolt.Open for a file that may not belong to bbolt. If bbolt panics, the
// file stays open and locked until the process ends, because nothing can close it.
//
// While openBolt waits for the lock, a migration in another process may replace the
// file. openBolt must not return the old one, so it opens the path again then. The
// File is the one that bbolt has opened, and closes.
func openBolt(path string, schema *Schema, options *bbolt.Options) (db *bbolt.DB, file *os.File, err error) {
	options.OpenFile = func(name string, flag int, perm os.FileMode) (*os.File, error) {
		var err error
		file, err = os.OpenFile(name, flag&^os.O_CREATE, perm) // bbolt would create a missing file
		return file, err
	}
	for {
		err = catchPanics(func() error {
			db, err = bbolt.Open(path, 0o600, options)
			return err
		})
		switch {
		case errors.Is(err, bolterrors.ErrInvalid),
			errors.Is(err, bolterrors.ErrVersionMismatch),
			errors.Is(err, bolterrors.ErrChecksum):
			return nil, nil, fmt.Errorf("%w: %w", schema.errForeign(), err)
		case err != nil:
			return nil, nil, err
		}
		info, err := file.Stat()
		if err == nil && (&place{path: path, open: info}).compare() == nil {
			return db, file, nil
		}
		if err := errors.Join(err, db.Close()); err != nil {
			return nil, nil, err
		}
	}
}

// errForeign returns the error for a file that another program may have written.
func (s *Schema) errForeign() error {
	return fmt.Errorf("damaged, or not written by %s", s.Program)
}

// createTables creates the tables of a format and sets the format number, all in the one
// transaction tx, so a file has all tables or none.
func (s *Schema) createTables(tx *bbolt.Tx, format int) error {
	for _, t := range s.tables(format) {
		if _, err := tx.CreateBucket([]byte(t.Table)); err != nil {
			return err
		}
	}
	bucket, err := tx.CreateBucket([]byte(s.formatTable()))
	if err != nil {
		return err
	}
	return bucket.Put([]byte(formatKey), s.formatText(format))
}

// formatOf returns the format of the file.
func (s *Schema) formatOf(tx *Tx) (int, error) {
	bucket := tx.bolt.Bucket([]byte(s.formatTable()))
	if bucket == nil {
		return 0, s.errForeign()
	}
	return s.parseFormat(bucket.Get([]byte(formatKey)))
}

// checkTables returns an error unless the file has the tables of its format.
func (s *Schema) checkTables(tx *Tx, format int) error {
	for _, t := range s.tables(format) {
		if tx.bolt.Bucket([]byte(t.Table)) == nil {
			return fmt.Errorf("damaged: table %s is missing", t.Table)
		}
	}
	if format < s.Format {
		return nil // the order indexes are those of s.Format
	}
	for _, order := range s.Orders {
		if err := order.check(tx); err != nil {
			return err
		}
	}
	return nil
}
