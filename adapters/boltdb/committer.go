package boltdb

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
)

// maxBatch bounds the operations of one transaction, and so the time that the
// first of them waits for the last.
const maxBatch = 256

// settleInterval is how often settle is tried while nobody writes.
const settleInterval = time.Second

// committer runs write operations, several in one transaction when several are
// waiting, because a transaction costs an fsync however much it writes.
//
// bbolt's own Batch would do that too, but it makes every first comer wait for
// company (MaxBatchDelay, 10 ms). Here nobody waits: one goroutine takes an
// operation together with those that queued up while it was busy with the
// transaction before, so batches grow with the load, and a lone writer has its
// own at once.
type committer struct {
	path     string
	pageSize int
	bolt     atomic.Pointer[bbolt.DB] // the open file
	readers  *readers
	queue    chan *operation // unbuffered: senders that wait are the queue
	quit     chan struct{}   // closed to stop
	stopped  chan struct{}   // closed when stopped

	unreadable atomic.Bool // see guard

	inDoubt  bool         // the loop's; see settle
	reopened func() error // called when settle has opened the file again
}

// operation is a write on its way through the committer.
type operation struct {
	ctx       context.Context
	run       func(*bbolt.Tx) error
	committed func()     // may be nil
	result    error      // the committer's until it is sent to done
	done      chan error // buffered, for callers that no longer wait
}

func newCommitter(bolt *bbolt.DB) *committer {
	c := &committer{
		path:     bolt.Path(),
		pageSize: bolt.Info().PageSize,
		queue:    make(chan *operation),
		quit:     make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	c.bolt.Store(bolt)
	c.readers = &readers{begin: c.beginRead}
	return c
}

// beginRead begins a transaction for readers.
func (c *committer) beginRead() (tx *bbolt.Tx, err error) {
	err = c.guard(func() (err error) {
		if tx, err = c.bolt.Load().Begin(false); err != nil {
			return unavailable(err)
		}
		return nil
	})
	return tx, err
}

// start lets operations run.
func (c *committer) start(reopened func() error) {
	c.reopened = reopened
	go c.loop()
}

// update runs an operation in a write transaction and returns nil when that is
// on disk. The operation may share the transaction with others, so it must have
// changed nothing yet when it returns AlreadyExists or NotFound; after any other
// error it may run again.
//
// When the transaction is on disk, and before any operation that comes after it,
// the committer calls committed, which may be nil, even if the caller of update
// has given up waiting.
func (c *committer) update(ctx context.Context, run func(*bbolt.Tx) error, committed func()) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	op := &operation{ctx: ctx, run: run, committed: committed, done: make(chan error, 1)}
	select {
	case c.queue <- op:
	case <-ctx.Done():
		return unavailable(ctx.Err())
	case <-c.quit:
		return unavailable(errClosed)
	}
	select {
	case err := <-op.done:
		return err
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

// isStopped reports whether quit is closed.
func (c *committer) isStopped() bool {
	select {
	case <-c.quit:
		return true
	default:
		return false
	}
}

func (c *committer) loop() {
	defer close(c.stopped)
	for {
		var again <-chan time.Time
		if c.inDoubt {
			again = time.After(settleInterval) // else readers would wait for a write
		}
		select {
		case first := <-c.queue:
			c.commit(c.batch(first))
		case <-again:
			_ = c.transact(nil)
		case <-c.quit:
			return
		}
	}
}

// batch returns first and the operations that are waiting already.
func (c *committer) batch(first *operation) []*operation {
	batch := []*operation{first}
	for len(batch) < maxBatch {
		select {
		case op := <-c.queue:
			batch = append(batch, op)
		default:
			return batch
		}
	}
	return batch
}

// commit runs the operations and answers each.
func (c *committer) commit(batch []*operation) {
	err := c.transact(batch)
	if err != nil && len(batch) > 1 && !errors.Is(err, domain.Unavailable) {
		// One of them spoilt the transaction: it must not harm the others.
		for _, op := range batch {
			c.commit([]*operation{op})
		}
		return
	}
	for _, op := range batch {
		if err != nil {
			op.result = err // also if refused: what it saw did not come to pass
		}
		if op.result == nil && op.committed != nil {
			op.committed()
		}
		op.done <- op.result
	}
}

// transact runs the operations in one transaction. An error means that nothing
// was acknowledged: Unavailable when the file is to blame, and then it may have
// been written all the same, else one operation is, and nothing was written.
func (c *committer) transact(batch []*operation) error {
	return c.guard(func() error {
		c.readers.retire() // before settle too, which may close the file
		defer c.readers.resume()
		if err := c.settle(); err != nil {
			return unavailable(err)
		}
		var ran error
		var id int
		err := c.bolt.Load().Update(func(tx *bbolt.Tx) error {
			id = tx.ID()
			ran = runAll(tx, batch)
			return ran
		})
		switch {
		case err == nil, errors.Is(ran, errNothingToWrite):
			return nil
		case ran != nil:
			return ran
		}
		c.inDoubt = c.shows(id)
		return unavailable(err)
	})
}

// shows reports whether the file, as its memory map has it, is as the transaction
// with that id left it.
func (c *committer) shows(id int) bool {
	shown := id
	_ = c.bolt.Load().View(func(tx *bbolt.Tx) error {
		shown = tx.ID()
		return nil
	})
	return shown == id
}

// settle finds out what became of a transaction whose fsync failed, before there
// is another.
//
// As long as only its pages were written nothing refers to them, and bbolt writes
// them anew. But once its meta page was written too, the system shows it to every
// reader, while the disk may have it or not: after a failed fsync the system need
// not try again. The next transaction would use the pages that this one set free,
// which the disk may still refer to, and a power cut amid that would damage what
// was acknowledged. So settle has the system write the meta pages, as they are
// shown, until an fsync of them succeeds: the transaction happened then, though
// nobody was told. Then it opens the file again, because bbolt believes that it
// was rolled back.
func (c *committer) settle() error {
	if !c.inDoubt {
		return nil
	}
	if err := rewriteMeta(c.path, c.pageSize); err != nil {
		return err
	}
	if err := c.bolt.Load().Close(); err != nil { // waits for those who read
		return err
	}
	bolt, err := openFile(c.path)
	if err != nil {
		return err
	}
	c.bolt.Store(bolt)
	if err := c.reopened(); err != nil {
		return err
	}
	c.inDoubt = false
	return nil
}

// errNothingToWrite ends a transaction without an fsync.
var errNothingToWrite = errors.New("nothing to write")

// runAll runs the operations and leaves each its result. It returns nil when
// there is something to commit.
func runAll(tx *bbolt.Tx, batch []*operation) error {
	end := errNothingToWrite
	for _, op := range batch {
		op.result = op.runIn(tx)
		switch {
		case op.result == nil:
			end = nil
		case !op.refused():
			return op.result
		}
	}
	return end
}

// runIn runs the operation unless its caller has given up.
func (op *operation) runIn(tx *bbolt.Tx) error {
	if err := op.ctx.Err(); err != nil {
		return unavailable(err)
	}
	return op.run(tx)
}

// refused reports whether the operation ended with an error before it changed
// anything.
func (op *operation) refused() bool {
	return errors.Is(op.result, domain.AlreadyExists) ||
		errors.Is(op.result, domain.NotFound) ||
		errors.Is(op.result, domain.Unavailable)
}
