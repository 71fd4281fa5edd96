package engine

import (
	"errors"
	"os"

	"go.etcd.io/bbolt"
)

// recoverFailedSync brings a transaction to disk whose last fsync failed. It must
// succeed before the next write transaction.
//
// bbolt commits in two steps. It writes and syncs the pages of the transaction. Then it
// writes and syncs a meta page, which refers to them. If the first step fails, no meta
// page refers to the new pages, and bbolt overwrites them later. If the fsync of the
// meta page fails, readers see the transaction, because the meta page is in the
// system's cache. But the meta page may never reach the disk: after a failed fsync, the
// system need not write it again. The next transaction would reuse pages that this one
// freed, while the meta page on disk still refers to them. A power failure would then
// damage acknowledged data.
//
// Therefore recoverFailedSync writes both meta pages again, as the cache has them, until
// an fsync succeeds. The transaction is then on disk, although its callers got an error.
// It opens the file again, because bbolt believes that the transaction was rolled back.
func (db *DB) recoverFailedSync() error {
	if !db.inDoubt {
		return nil
	}
	if err := db.checkPlace(); err != nil {
		return err
	}
	if err := db.rewriteMeta(); err != nil {
		return err
	}
	if err := db.bolt.Load().Close(); err != nil { // waits for the read transactions
		return err
	}
	bolt, file, err := openFile(db.path, db.schema, db.options.bolt())
	if err != nil {
		return err
	}
	if info, err := file.Stat(); err != nil || !os.SameFile(info, db.place.open) {
		return errors.Join(errMisplaced, err, bolt.Close())
	}
	if err := db.use(bolt, file); err != nil {
		return err
	}
	db.inDoubt = false
	return nil
}

// shows reports whether readers see the result of the transaction with the id.
func (db *DB) shows(id int64) bool {
	shown := id // if the file cannot be read, the transaction is in doubt
	_ = db.bolt.Load().View(func(tx *bbolt.Tx) error {
		shown = int64(tx.ID())
		return nil
	})
	return shown == id
}

// rewriteMeta writes the two meta pages of the file again, unchanged, and syncs them.
// The file may be open and locked.
func (db *DB) rewriteMeta() (err error) {
	file, err := os.OpenFile(db.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !os.SameFile(info, db.place.open):
		return errMisplaced
	}
	meta := make([]byte, 2*db.pageSize)
	if _, err := file.ReadAt(meta, 0); err != nil {
		return err
	}
	if _, err := file.WriteAt(meta, 0); err != nil {
		return err
	}
	return file.Sync()
}
