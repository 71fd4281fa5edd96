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

// maxBatch is the maximum number of operations in one transaction. It limits how long
// the first operation waits for the last one.
const maxBatch = 256

// recoveryInterval is the time between two calls of recoverFailedSync while there are no
// writes.
const recoveryInterval = time.Second

// operation is one call of Update.
type operation struct {
	ctx       context.Context
	run       func(*Tx) error
	committed func()     // may be nil
	result    error      // used by the writer only, until it is sent to done
	done      chan error // buffered: the caller may have stopped waiting
}

// write runs the operations from the queue until the DB is closed.
//
// bbolt has group commit too (DB.Batch), but its first caller always waits for others,
// 10 ms by default. Here an operation runs at once, together with the operations that
// waited in the queue during the last transaction.
func (db *DB) write() {
	defer close(db.stopped)
	for {
		var recovery <-chan time.Time
		if db.inDoubt {
			// Without writes, readers would see the transaction in doubt for an
			// unlimited time.
			recovery = time.After(recoveryInterval)
		}
		select {
		case first := <-db.queue:
			db.commit(db.batch(first))
		case <-recovery:
			_ = db.transact(nil) // an error leaves inDoubt set, so it is tried again
		case <-db.quit:
			return
		case <-db.failed:
			return
		}
	}
}

// batch returns first and the operations that are queued.
func (db *DB) batch(first *operation) []*operation {
	batch := []*operation{first}
	for len(batch) < maxBatch {
		select {
		case op := <-db.queue:
			batch = append(batch, op)
		default:
			return batch
		}
	}
	return batch
}

// commit runs the operations and sends each its result.
func (db *DB) commit(batch []*operation) {
	err := db.transact(batch)
	if err != nil && len(batch) > 1 && !errors.Is(err, domain.Unavailable) {
		// One operation failed. The others must not fail because of it.
		for _, op := range batch {
			db.commit([]*operation{op})
		}
		return
	}
	var misplaced error
	if err == nil {
		misplaced = db.checkPlace()
	}
	for _, op := range batch {
		if err != nil {
			// The error replaces also a NotFound of the operation, because the
			// operation may have seen changes that were rolled back.
			op.result = err
		}
		if op.result == nil && op.committed != nil {
			op.committed()
		}
		if misplaced != nil {
			op.result = misplaced // the transaction is on disk, in a file that the next start does not read
		}
		op.done <- op.result
	}
}

// transact runs the operations in one transaction. An Unavailable error means that
// writing failed; the transaction may be on disk nevertheless. Any other error is the
// error of an operation; the transaction was then rolled back.
func (db *DB) transact(batch []*operation) error {
	if err := db.checkRefusals(); err != nil {
		return err
	}
	return db.guard(func() error {
		db.readers.retire() // also before recoverFailedSync, which may close the file
		defer db.readers.resume()
		if err := db.recoverFailedSync(); err != nil {
			return unavailable(err)
		}
		if err := db.checkHead(); err != nil {
			return err
		}
		var ran error
		var id int64
		err := db.bolt.Load().Update(func(tx *bbolt.Tx) error {
			id = int64(tx.ID())
			setGrowth(tx)
			if ran = checkLast(id, db.last.Load()+1, db.last.Load()+1); ran == nil {
				ran = runAll(newTx(tx), batch)
			}
			return ran
		})
		switch {
		case err == nil:
			db.last.Store(id)
			return nil
		case errors.Is(ran, errNothingToWrite):
			return nil
		case ran != nil:
			return ran
		}
		db.inDoubt = db.shows(id)
		return unavailable(err)
	})
}

// checkHead returns an error if the beginning of the file is damaged.
func (db *DB) checkHead() error {
	err := checkHead(db.file)
	if err == nil {
		return nil
	}
	if _, failed := errors.AsType[*os.PathError](err); failed { // the disk may work again
		return unavailable(err)
	}
	return fmt.Errorf("%w: %w", errChanged, err)
}

// checkRefusals returns an error while the DB refuses every call. If the file was
// misplaced, it looks for the file again.
func (db *DB) checkRefusals() error {
	if err := db.err(); err == nil {
		return nil
	}
	return db.checkPlace()
}

// errNothingToWrite makes bbolt roll back a transaction without changes, which saves
// the fsync.
var errNothingToWrite = errors.New("nothing to write")

// runAll runs the operations and sets their results. It returns nil if there is
// something to commit.
func runAll(tx *Tx, batch []*operation) error {
	end := errNothingToWrite
	for _, op := range batch {
		op.result = op.runIn(tx)
		switch {
		case op.result == nil:
			end = nil
		case !op.changedNothing():
			return op.result
		}
	}
	return end
}

// runIn runs the operation unless its caller has stopped waiting.
func (op *operation) runIn(tx *Tx) error {
	if err := op.ctx.Err(); err != nil {
		return unavailable(err)
	}
	return op.run(tx)
}

// changedNothing reports whether the operation returned an error of a kind that
// promises that it has changed nothing; see Update. After Unavailable, it did not run.
func (op *operation) changedNothing() bool {
	switch domain.KindOf(op.result) {
	case domain.AlreadyExists, domain.NotFound, domain.ChangedMeanwhile, domain.Conflict, domain.Unavailable:
		return true
	}
	return false
}
