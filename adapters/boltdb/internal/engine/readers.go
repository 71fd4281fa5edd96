package engine

import (
	"sync"

	"go.etcd.io/bbolt"
)

// readers keeps read transactions and their cursors open between reads. Without it,
// a third of the work of a lookup is to begin and end a transaction and to create its
// cursors.
//
// bbolt cannot reuse pages that an open read transaction sees, and a write that makes
// the file grow waits for it. So idle transactions end before every write, and none is
// kept during a write.
//
// A transaction that is not kept ends in another goroutine: bbolt waits for a lock then,
// which stays locked after some panics.
type readers struct {
	end func(*bbolt.Tx)

	mu      sync.Mutex
	idle    []*Tx
	writes  int // the number of writes that have begun
	writing bool
}

// duringWrite is the begunAfter of a transaction that began during a write. The
// transaction may or may not see that write.
const duringWrite = -1

// take returns a transaction that sees every write that has ended. It calls begin if
// none is kept.
func (r *readers) take(begin func() (*bbolt.Tx, error)) (*Tx, error) {
	idle, writes := r.pop()
	if idle != nil {
		return idle, nil
	}
	bolt, err := begin()
	if err != nil {
		return nil, err
	}
	tx := newTx(bolt)
	tx.begunAfter = writes
	return tx, nil
}

// give keeps the transaction for another read, or ends it.
func (r *readers) give(tx *Tx) {
	if !r.push(tx) {
		r.discard(tx)
	}
}

// discard ends the transaction and does not wait for that.
func (r *readers) discard(tx *Tx) { go r.end(tx.bolt) }

// retire ends the idle transactions. From now until resume no transaction is kept.
func (r *readers) retire() {
	r.mu.Lock()
	idle := r.idle
	r.idle = nil
	r.writes++
	r.writing = true
	r.mu.Unlock()
	for _, tx := range idle {
		r.end(tx.bolt)
	}
}

// resume is called after a write.
func (r *readers) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writing = false
}

// pop returns an idle transaction, or nil and the begunAfter of a new one.
func (r *readers) pop() (idle *Tx, writes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writing {
		return nil, duringWrite
	}
	if last := len(r.idle) - 1; last >= 0 {
		idle, r.idle = r.idle[last], r.idle[:last]
	}
	return idle, r.writes
}

// push keeps the transaction if it sees every write that has begun, and reports
// whether it did.
func (r *readers) push(tx *Tx) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writing || tx.begunAfter != r.writes {
		return false
	}
	r.idle = append(r.idle, tx)
	return true
}
