package boltdb

import (
	"context"
	"errors"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
)

// maxBatch bounds the operations of one transaction, and so the time that the
// first of them waits for the last.
const maxBatch = 256

// committer runs write operations, several in one transaction when several are
// waiting, because a transaction costs an fsync however much it writes.
//
// bbolt's own Batch would do that too, but it makes every first comer wait for
// company (MaxBatchDelay, 10 ms). Here nobody waits: one goroutine takes an
// operation together with those that queued up while it was busy with the
// transaction before, so batches grow with the load, and a lone writer has its
// own at once.
type committer struct {
	bolt    *bbolt.DB
	queue   chan *operation // unbuffered: senders that wait are the queue
	quit    chan struct{}   // closed to stop
	stopped chan struct{}   // closed when stopped

	unreadable atomic.Bool // see guard
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
		bolt:    bolt,
		queue:   make(chan *operation),
		quit:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	go c.loop()
	return c
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

// stop lets the transaction under way end and refuses operations from then on.
// It must be called once.
func (c *committer) stop() {
	close(c.quit)
	<-c.stopped
}

// isStopped reports whether stop was called.
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
		select {
		case first := <-c.queue:
			c.commit(c.batch(first))
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
// was written: Unavailable when the file is to blame, else one operation is.
func (c *committer) transact(batch []*operation) error {
	return c.guard(func() error {
		var ran error
		err := c.bolt.Update(func(tx *bbolt.Tx) error {
			ran = runAll(tx, batch)
			return ran
		})
		switch {
		case err == nil, errors.Is(ran, errNothingToWrite):
			return nil
		case ran != nil:
			return ran
		}
		return unavailable(err)
	})
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
