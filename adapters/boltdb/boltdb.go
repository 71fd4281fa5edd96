// Package boltdb implements [ports.Store] in one file on disk, widgetd.db, for a single process:
// the file is locked while it is open.
//
//	db, err := boltdb.Open("widgetd-data", boltdb.Options{})
//	if err != nil {
//		return err // ErrInUse: another process has the folder open
//	}
//	defer db.Close()
//
// A write returns when it is on disk. Simultaneous writes share one transaction and one
// fsync. Reads use the memory-mapped file, except for the token blacklist, which is in memory
// too. A file that an earlier version wrote is migrated if [Options] allow it. DB also
// implements [ports.FileStore]: it can be copied and checked while it is used.
//
// The storage engine is in internal/engine. The tables of the file and its formats are
// described in schema.go, the records in record.go.
package boltdb

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// fileName is the file's name in the data folder.
const fileName = "widgetd.db"

// ErrInUse is the error of [Open] for a data folder that another process has open.
var ErrInUse = engine.ErrInUse

// ErrOldFormat is the error of [Open] for a file that must be migrated first.
var ErrOldFormat = engine.ErrOldFormat

// Progress is the progress of a migration.
type Progress = engine.Progress

// Options are the options of [Open].
type Options struct {
	// Migrate allows Open to migrate a file of an older format. Open calls Migrate
	// from time to time during the migration. If Migrate is nil, Open returns
	// [ErrOldFormat] for such a file.
	Migrate func(Progress)

	// Shadowed is called by Open for each account whose email belongs to an older
	// account too, with its public id. ByEmail does not return the account. There
	// are such accounts where files of format 3 had two accounts that differ only
	// in case: the rule for case was another one. Nil means that they are not
	// reported.
	Shadowed func(domain.UUID)

	// LockMemory keeps the file in memory, locked, so that no read waits for the
	// disk. Call [CanLockMemory] before.
	LockMemory bool

	// Log gets a line when the store begins to refuse everything, and when it no
	// longer does. It may be nil.
	Log *slog.Logger

	// Clock is the clock for the running time of the blacklist. If it is nil, the
	// running time is measured with the monotonic clock.
	Clock ports.Clock
}

// CanLockMemory returns nil if the process can use [Options.LockMemory], else an error
// that says what to do.
func CanLockMemory() error { return engine.CanLockMemory() }

// DB is an open data folder. Its methods and those of its repositories are safe for
// concurrent use.
type DB struct {
	engine    *engine.DB
	dir       string
	users     *users
	widgets   *widgets
	blacklist *blacklist
	cursorKey domain.CursorKey
}

var _ ports.Store = (*DB)(nil)

// Open opens the store in the folder dir. It creates the folder, with mode 0700, and the
// file in it, with mode 0600, if they do not exist.
//
// The error names the folder if another process has it open. The error names the file
// if the file is damaged, was not written by widgetd, or has a format of a later
// widgetd. Open does not change such a file. If the file has an older format and
// options.Migrate is nil, Open returns [ErrOldFormat].
//
// A migration keeps the old file as widgetd.db.format-N, where N is its format. The
// operator may delete it.
func Open(dir string, options Options) (*DB, error) {
	blacklist := &blacklist{process: runningOf(options.Clock)}
	opened, err := engine.Open(filepath.Join(dir, fileName), schema(), engine.Options{
		Migrate:    options.Migrate,
		Opened:     blacklist.load,
		LockMemory: options.LockMemory,
		Log:        options.Log,
	})
	if err != nil {
		return nil, err
	}
	blacklist.engine = opened
	db := &DB{engine: opened, dir: dir, users: &users{opened}, widgets: &widgets{opened}, blacklist: blacklist}
	err = opened.View(context.Background(), func(tx *engine.Tx) (err error) {
		db.cursorKey, err = loadCursorKey(tx)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if options.Shadowed != nil {
		if err := db.users.eachShadowed(options.Shadowed); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

// Users returns the repository of accounts.
func (db *DB) Users() ports.UserRepository { return db.users }

// Widgets returns the repository of widgets.
func (db *DB) Widgets() ports.WidgetRepository { return db.widgets }

// Blacklist returns the token blacklist.
func (db *DB) Blacklist() ports.TokenBlacklist { return db.blacklist }

// Ping implements [ports.Store]. It reads from the file, which must still be in the
// folder.
func (db *DB) Ping(ctx context.Context) error { return db.engine.Ping(ctx) }

// CursorKey implements [ports.Store].
func (db *DB) CursorKey() domain.CursorKey { return db.cursorKey }

// Shared returns false: one process at a time can open a data folder.
func (db *DB) Shared() bool { return false }

// Close implements [ports.Store]. It waits at most 5 seconds for running reads and
// writes.
func (db *DB) Close() error { return db.engine.Close() }
