package boltdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long bbolt tries to lock the file. Opening locks it twice,
// and should fail within a second.
const lockTimeout = 400 * time.Millisecond

// ensureFile creates the file at path, and its folder, unless they are there,
// such that a power cut does not lose them.
func ensureFile(path string) error {
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := createFile(path); err != nil {
			return fmt.Errorf("create data file %s: %w", path, err)
		}
	}
	// Also when the file was there: whoever created it may have been killed
	// before getting here.
	return syncDir(dir)
}

// makeDir is os.MkdirAll with every folder it makes synced into its parent.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // which cannot sync a folder, nor needs to
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// createFile makes the file under another name and gives it its own when it is
// complete and on disk, so that a file at path is never half made. A crash
// leaves at most the other name behind.
func createFile(path string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), fileName+".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := temp.Close(); err != nil {
		return err
	}
	if err := writeEmpty(temp.Name()); err != nil {
		return err
	}
	// Unlike a rename, a link never replaces the file of another process that
	// is starting at the same moment.
	err = os.Link(temp.Name(), path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return os.Rename(temp.Name(), path) // a file system without links
}

// writeEmpty writes an empty store to the empty file at path.
func writeEmpty(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return err
	}
	return errors.Join(db.Update(createTables), db.Close())
}

// openFile opens the file at path once it has proved to be one of ours.
func openFile(path string) (db *bbolt.DB, err error) {
	err = inspect(path)
	if err == nil {
		db, err = openBolt(path, &bbolt.Options{
			Timeout: lockTimeout,
			// Finding free pages in the default, an array, takes time in
			// proportion to their number: many, after many deletes.
			FreelistType: bbolt.FreelistMapType,
			// Nobody reads the statistics, for which every read
			// transaction would take two more locks.
			NoStatistics: true,
		})
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("data folder %s is in use by another widgetd", filepath.Dir(path))
	case err != nil:
		return nil, fmt.Errorf("data file %s: %w", path, err)
	}
	return db, nil
}

// rewriteMeta has the system write the file's two meta pages once more, as they
// are, and returns nil when they are on disk. That the file is open and locked
// does no harm.
func rewriteMeta(path string, pageSize int) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	meta := make([]byte, 2*pageSize)
	if _, err := file.ReadAt(meta, 0); err != nil {
		return err
	}
	if _, err := file.WriteAt(meta, 0); err != nil {
		return err
	}
	return file.Sync()
}

// inspect returns an error unless the file is one of ours, complete and of a
// known format. It opens the file for reading only: bbolt, opening one to write,
// may initialize it, and reads pages that a damaged file need not have.
func inspect(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return errors.New("damaged: it is empty")
	}
	db, err := openBolt(path, &bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			if err := checkContent(tx, path); err != nil {
				return err
			}
			return checkTables(tx)
		})
	})
}

// checkContent wants the file to be there in full, and every page of it in order.
func checkContent(tx *bbolt.Tx, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if missing := tx.Size() - info.Size(); missing > 0 {
		return fmt.Errorf("damaged: %d bytes are missing at its end", missing)
	}
	return checkPages(file, info.Size())
}

// openBolt is bbolt.Open for a file that may not be bbolt's. When bbolt panics
// there, nobody can close the file, so it stays locked until the process ends.
func openBolt(path string, options *bbolt.Options) (db *bbolt.DB, err error) {
	err = guard(func() error {
		db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrInvalid),
		errors.Is(err, bolterrors.ErrVersionMismatch),
		errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("%w: %w", errNotOurs, err)
	case err != nil:
		return nil, err
	}
	return db, nil
}

var errNotOurs = errors.New("damaged, or not written by widgetd")
