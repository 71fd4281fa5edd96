package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
)

// DB is an open file. Its methods are safe for concurrent use.
type DB struct {
	path     string
	pageSize int
	schema   *Schema
	options  Options
	bolt     atomic.Pointer[bbolt.DB]
	last     atomic.Int64 // the number of the last transaction that was committed
	readers  *readers
	place    *place
	refusals

	queue   chan *operation // unbuffered: the blocked senders are the queue
	quit    chan struct{}   // closed to stop the writer
	stopped chan struct{}   // closed when the writer has stopped

	// The writer's:
	file    *os.File // of bolt
	inDoubt bool     // see recoverFailedSync

	closed    atomic.Bool // set together with quit, for Ready
	closeOnce func() error
}

// Options are the options of [Open].
type Options struct {
	// Migrate allows Open to migrate a file of an older format. Open calls Migrate
	// from time to time during each migration. If Migrate is nil, Open returns
	// [ErrOldFormat] for such a file.
	Migrate func(Progress)

	// Opened is called with a read transaction after the file was opened, before
	// any other transaction. A caller that keeps data in memory loads the data in
	// this function. If the engine opens the file again after a failed fsync, it
	// calls Opened again before the next write transaction. Opened may be nil.
	Opened func(*Tx) error

	// LockMemory locks the pages of the file in memory; see [CanLockMemory].
	LockMemory bool

	// Log gets a line when the DB begins to refuse every call. It may be nil.
	Log *slog.Logger
}

// Open opens the file at path and locks it. If the file does not exist, Open creates
// it with mode 0600, and its folder with mode 0700.
//
// The error names the folder if another process has locked the file; Open then fails
// within a second. The error names the file if the file is damaged, was not written by
// the program or has a format that the schema does not know; the file is unchanged
// then. Open returns [ErrOldFormat] if the file must be migrated first.
func Open(path string, schema *Schema, options Options) (*DB, error) {
	if err := ensureFile(path, schema); err != nil {
		return nil, err
	}
	bolt, file, err := openFile(path, schema, options.bolt())
	for options.Migrate != nil && errors.Is(err, ErrOldFormat) {
		if err = migrate(path, schema, options.Migrate); err == nil {
			bolt, file, err = openFile(path, schema, options.bolt())
		}
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, bolt.Close())
	}
	db := newDB(path, schema, options, bolt.Info().PageSize, info)
	if err := db.use(bolt, file); err != nil {
		return nil, errors.Join(fmt.Errorf("data file %s: %w", path, err), bolt.Close())
	}
	go db.write()
	go db.watch()
	return db, nil
}

func newDB(path string, schema *Schema, options Options, pageSize int, info os.FileInfo) *DB {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{
		path:     path,
		pageSize: pageSize,
		schema:   schema,
		options:  options,
		place:    &place{path: path, open: info},
		refusals: refusals{path: path, log: options.Log, failed: make(chan struct{})},
		queue:    make(chan *operation),
		quit:     make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	db.readers = &readers{end: db.endRead}
	db.closeOnce = sync.OnceValue(db.close)
	return db
}

// View runs read in a read transaction and returns its error. The transaction sees the
// result of every call of Update that has returned nil. View returns Unavailable if ctx
// has ended, after Close, and while the DB refuses every call: see the package comment.
// View waits for locks of bbolt no longer than until ctx ends.
func (db *DB) View(ctx context.Context, read func(*Tx) error) error {
	if err := db.Ready(ctx); err != nil {
		return err
	}
	tx, err := db.readers.take(func() (*bbolt.Tx, error) { return db.awaitRead(ctx) })
	if err != nil {
		return err
	}
	defer db.readers.give(tx)
	return db.guard(func() error { return read(tx) })
}

// Update runs an operation in a write transaction and returns nil when the
// transaction is on disk, in the file at the path of Open. It returns Unavailable if ctx
// ends first, after Close, while the DB refuses every call, and if the transaction could
// not be written. After Unavailable, the operation may nevertheless take effect.
//
// The operation may share its transaction with others. If it returns an error of kind
// [domain.AlreadyExists], [domain.NotFound], [domain.ChangedMeanwhile] or
// [domain.Conflict], it must not have changed anything. After any other error the
// operation may run a second time.
//
// When the transaction is on disk, and before any operation of a later transaction
// runs, the engine calls committed, which may be nil. It does so even if the caller of
// Update has stopped waiting because ctx ended.
func (db *DB) Update(ctx context.Context, run func(*Tx) error, committed func()) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	op := &operation{ctx: ctx, run: run, committed: committed, done: make(chan error, 1)}
	select {
	case db.queue <- op:
	case <-ctx.Done():
		return unavailable(ctx.Err())
	case <-db.quit:
		return unavailable(errClosed)
	case <-db.failed:
		return db.err()
	}
	select {
	case err := <-op.done:
		return err
	case <-ctx.Done():
		return unavailable(ctx.Err())
	case <-db.failed:
		return db.err()
	}
}

// Ready returns an Unavailable error if ctx has ended, after Close, and while the DB
// refuses every call. A caller that reads its own memory in place of the file calls
// Ready first.
func (db *DB) Ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	if db.closed.Load() {
		return unavailable(errClosed)
	}
	return db.err()
}

// Ping returns nil if the file is at its path and can be read.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.await(ctx, db.checkPlace); err != nil {
		return err
	}
	// A new transaction, because one that is kept does not read the meta pages again.
	tx, err := db.awaitRead(ctx)
	if err != nil {
		return err
	}
	db.readers.discard(&Tx{bolt: tx})
	return db.View(ctx, func(tx *Tx) error {
		_, err := db.schema.formatOf(tx)
		return err
	})
}

// closeTimeout is how long Close waits for a disk that does not answer.
const closeTimeout = 5 * time.Second

// Close waits for the running transactions, at most 5 seconds, and closes the file. After
// a failure it waits for nothing and returns the cause. From then on every method returns
// an Unavailable error. A second call returns the same error as the first.
func (db *DB) Close() error { return db.closeOnce() }

// close does not close a file after a failure, because bbolt may still hold its locks and
// would wait for them. It also leaves the file open if the disk does not answer. The
// operating system releases the file's lock when the process ends.
func (db *DB) close() error {
	closed := make(chan error, 1)
	db.closed.Store(true)
	close(db.quit)
	go func() {
		<-db.stopped // never, if the writer waits for a lock that a panic left
		if db.failure() == nil {
			db.readers.retire() // and never resume
			closed <- db.bolt.Load().Close()
		}
	}()
	select {
	case err := <-closed:
		return err
	case <-db.failed:
		return db.failure()
	case <-time.After(closeTimeout):
		return errors.New("the store was left open: its disk does not answer")
	}
}

// use makes file, which bolt has opened, the open file. It runs before the writer starts,
// or in the writer.
func (db *DB) use(bolt *bbolt.DB, file *os.File) error {
	db.file = file
	return catchPanics(func() error {
		return bolt.View(func(tx *bbolt.Tx) error {
			db.last.Store(int64(tx.ID()))
			db.bolt.Store(bolt)
			if db.options.Opened == nil {
				return nil
			}
			return db.options.Opened(newTx(tx))
		})
	})
}

// guard runs f, which uses bbolt. After a panic the DB has failed, because bbolt may
// still hold its locks and would wait for them without end.
func (db *DB) guard(f func() error) error {
	err := catchPanics(f)
	if err == nil {
		return nil
	}
	if _, panicked := errors.AsType[*panicError](err); panicked || errors.Is(err, errChanged) {
		db.fail(err)
		return db.err()
	}
	return err
}

// await runs f in another goroutine. It returns an Unavailable error if ctx ends or the
// DB fails before f returns, which may wait for a lock of bbolt or for the disk.
func (db *DB) await(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return unavailable(ctx.Err())
	case <-db.failed:
		return db.err()
	}
}

// awaitRead is beginRead, but waits no longer than until ctx ends.
func (db *DB) awaitRead(ctx context.Context) (*bbolt.Tx, error) {
	begun := make(chan *bbolt.Tx, 1)
	err := db.await(ctx, func() error {
		tx, err := db.beginRead()
		begun <- tx
		return err
	})
	if err == nil {
		return <-begun, nil
	}
	go func() {
		if tx := <-begun; tx != nil {
			db.endRead(tx)
		}
	}()
	return nil, err
}

// beginRead begins a read transaction.
func (db *DB) beginRead() (tx *bbolt.Tx, err error) {
	err = db.guard(func() (err error) {
		least := db.last.Load()
		if tx, err = db.bolt.Load().Begin(false); err != nil {
			return unavailable(err)
		}
		// A commit that has not returned yet may be visible.
		return checkLast(int64(tx.ID()), least, db.last.Load()+1)
	})
	return tx, err
}

// endRead ends a read transaction.
func (db *DB) endRead(tx *bbolt.Tx) {
	// Rollback returns an error only if the transaction has ended.
	_ = db.guard(tx.Rollback)
}

// errClosed is the cause of an Unavailable error after Close.
var errClosed = errors.New("the store is closed")

func unavailable(cause error) error {
	return &domain.Error{Kind: domain.Unavailable, Err: cause}
}
