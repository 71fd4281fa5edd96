// Package boltdb keeps accounts, widgets and logged-out tokens in one file on
// disk, with bbolt. It implements the persistence ports for a single process:
// the file is locked while it is open.
//
// A write is acknowledged once it is on disk. Writers that come at the same time
// share one transaction and so one fsync; see committer. Reads go straight to
// the memory-mapped file, save [Blacklist.Contains], which stays in memory.
//
// The layout of the file is described with the tables, in table.go.
package boltdb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// fileName is the file's name in the data folder.
const fileName = "widgetd.db"

// DB is an open data folder. Its methods and those of its repositories are safe
// for concurrent use.
type DB struct {
	Users     *Users
	Widgets   *Widgets
	Blacklist *Blacklist

	close func() error
}

// Open opens the store in the folder dir and creates what is missing of it: the
// folder with mode 0700, the file in it with mode 0600.
//
// It returns an error that names the folder when another process has it open,
// and one that names the file, which it leaves as it is, when the file is
// damaged, was written by something else or has a format unknown to this
// program.
func Open(dir string) (*DB, error) {
	path := filepath.Join(dir, fileName)
	if err := ensureFile(path); err != nil {
		return nil, err
	}
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	s := &store{newCommitter(file)}
	db := &DB{
		Users:     &Users{s},
		Widgets:   &Widgets{s},
		Blacklist: &Blacklist{store: s},
		close:     sync.OnceValue(s.close),
	}
	s.start(db.Blacklist.load)
	if err := db.Blacklist.load(); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("data file %s: %w", path, err)
	}
	return db, nil
}

// closeTimeout is how long Close waits for a disk that does not answer.
const closeTimeout = 5 * time.Second

// Close waits for the reads and writes under way, 5 seconds at the most, and
// closes the file. From then on every method of the repositories returns a
// [domain.Unavailable] error. Closing again does nothing and returns the same
// error, if any.
func (db *DB) Close() error { return db.close() }

// store is what the repositories share.
type store struct {
	*committer
}

// view runs read in a read transaction: read sees one state of the whole store.
// Bytes it gets from there are gone when it returns.
func (s *store) view(ctx context.Context, read func(*readTx) error) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	if err := s.readable(); err != nil {
		return err
	}
	tx, err := s.readers.take()
	if err != nil {
		return err
	}
	defer s.readers.give(tx)
	err = guard(func() error { return read(tx) })
	if errors.Is(err, errUnreadable) {
		return unavailable(err)
	}
	return err
}

// close leaves a file alone that could not be read, for bbolt may still hold its
// locks, and one whose disk does not answer. The system unlocks it when the
// process ends.
func (s *store) close() error {
	closed := make(chan error, 1)
	close(s.quit)
	go func() {
		<-s.stopped
		if s.unreadable.Load() {
			closed <- errUnreadable
			return
		}
		s.readers.retire() // for good
		closed <- s.bolt.Load().Close()
	}()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeTimeout):
		return errors.New("the store was left open: its disk does not answer")
	}
}

// errClosed is the cause of a domain.Unavailable error after Close.
var errClosed = errors.New("the store is closed")

func unavailable(cause error) error {
	return &domain.Error{Kind: domain.Unavailable, Err: cause}
}

// errUnreadable means that the memory which the file is mapped to could not be
// read: the disk failed, or somebody cut the file short.
var errUnreadable = errors.New("damaged, or its disk failed")

// readable returns an Unavailable error once the file is not to be touched again.
func (c *committer) readable() error {
	if c.unreadable.Load() {
		return unavailable(errUnreadable)
	}
	return nil
}

// guard is guard for what locks the open file. After a memory fault in there
// bbolt may still hold its locks, so nobody must take them again.
func (c *committer) guard(f func() error) error {
	if err := c.readable(); err != nil {
		return err
	}
	err := guard(f)
	if errors.Is(err, errUnreadable) {
		c.unreadable.Store(true)
		return unavailable(err)
	}
	return err
}

// guard runs f, which uses bbolt, and turns a panic into an error: bbolt panics
// when it comes across a damaged page. It also turns a memory fault into one,
// which would end the process otherwise: errUnreadable.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // a fault, see debug.SetPanicOnFault
			err = fmt.Errorf("%w: %v", errUnreadable, p)
		default:
			err = fmt.Errorf("damaged, or a fault of the program: %v", p)
		}
	}()
	return f()
}
