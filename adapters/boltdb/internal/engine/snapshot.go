package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
)

// A snapshot is the state of the file that a read transaction sees. The pages of a snapshot
// do not change until the transaction ends: other transactions write other pages of the
// file. So the pages of a snapshot can be checked like those of a closed file.

// snapshot is a read transaction, and a check of its pages.
type snapshot struct {
	tx    *Tx
	pages *pageCheck
	size  int64 // of the file
}

// maxMetaReads is the maximum number of read transactions that withSnapshot begins. Every
// second commit overwrites the same meta page, so the meta page of a read transaction may be
// overwritten before it is read.
const maxMetaReads = 100

// withSnapshot runs read with a new snapshot, which has the result of every call of Update
// that has returned nil.
func (db *DB) withSnapshot(ctx context.Context, read func(snapshot) error) error {
	file, err := os.Open(db.path)
	if err != nil {
		return err
	}
	defer file.Close()
	for range maxMetaReads {
		if err = db.Ready(ctx); err != nil {
			return err
		}
		var overwritten bool
		overwritten, err = db.trySnapshot(ctx, file, read)
		if !overwritten {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

// trySnapshot runs read with a new snapshot. It returns true and an error, and does not run
// read, if the meta page of the transaction was overwritten or is damaged.
func (db *DB) trySnapshot(ctx context.Context, file *os.File, read func(snapshot) error) (overwritten bool, err error) {
	tx, err := db.awaitRead(ctx)
	if err != nil {
		return false, err
	}
	defer db.endRead(tx)
	info, err := file.Stat()
	switch {
	case err != nil:
		return false, err
	case !os.SameFile(info, db.place.open):
		return false, unavailable(errMisplaced)
	}
	pages, err := db.pagesOf(tx, file)
	if err != nil {
		return true, db.fileError(err)
	}
	return false, db.guard(func() error { return read(snapshot{newTx(tx), pages, info.Size()}) })
}

// pagesOf returns the check of the pages of a read transaction.
func (db *DB) pagesOf(tx *bbolt.Tx, file *os.File) (*pageCheck, error) {
	p := newPageCheck(file, db.schema)
	failed := errors.New("other transactions overwrote the meta page before it was read")
	for id := range uint64(2) {
		found, err := p.readMeta(id, int64(id)*int64(db.pageSize))
		if err != nil {
			failed = err
			continue
		}
		if found.txid == uint64(tx.ID()) { //nolint:gosec // not negative
			p.meta = found
			return p, p.checkMeta()
		}
	}
	return nil, failed
}

// check checks the pages and records of a snapshot. It calls visited with the number of
// pages that were read, and ends with the error of visited.
func (s snapshot) check(visited func(pages int) error) error {
	s.pages.visited = visited
	_, err := s.pages.check(s.size)
	return err
}

// bytes returns the number of bytes of the file that the snapshot uses.
func (s snapshot) bytes() int64 { return s.tx.bolt.Size() }

// fileError adds the path of the file to an error about its content. An Unavailable error is
// not about the content.
func (db *DB) fileError(err error) error {
	if errors.Is(err, domain.Unavailable) {
		return err
	}
	return fmt.Errorf("data file %s: %w", db.path, err)
}
