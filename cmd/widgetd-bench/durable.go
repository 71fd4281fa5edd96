package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

// durableWrites are the opponents of durable writes. They run in this program, without
// HTTP: bbolt's own group commit, [bbolt.DB.Batch], with the tables of the program, and
// the writes and fsyncs of a transaction alone.
//
// MaxBatchSize is the number of goroutines, so that a transaction begins as soon as all
// of them wait for it. This was the fastest of MaxBatchSize 1000 (bbolt's default), 64,
// 32 and 16 with MaxBatchDelay from 50 µs to 10 ms (the default), with 64 goroutines and
// one put each: some 110,000 writes per second. It was 5,000 with both defaults, 20,000
// with a delay of 1 ms alone, and 40,000 with the best delay alone (200 µs).
// FreelistType, NoFreelistSync and InitialMmapSize made no difference. MaxBatchDelay
// matters only for the end of a round, when fewer goroutines write.
type durableWrites struct {
	goroutines int
	db         *bbolt.DB
	file       *os.File // for the fsyncs
	last       atomic.Uint64
}

// Tables of the program that a create or a log-out writes to; see adapters/boltdb. A value
// has five bytes, the checksum and the version, before its content.
const (
	widgetTable        = "widgets"         // sequence number → record
	nameTable          = "names"           // name → sequence number
	deadlineTable      = "deadlines"       // deadline, sequence number → nothing
	ownerTable         = "owners"          // owner, sequence number → nothing
	ownerDeadlineTable = "owner-deadlines" // owner, deadline, sequence number → nothing
	countTable         = "counts"          // level, block → numbers of widgets, for the numbered pages
	blacklistTable     = "blacklist"       // expiry, token id → end of the retention, lifetime

	sealBytes = 5
	pageBytes = 4096
)

// newDurableWrites creates the files, with the given number of logged-out tokens.
func newDurableWrites(folder string, goroutines, tokens int) (*durableWrites, error) {
	db, err := bbolt.Open(filepath.Join(folder, "batch.db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, NoStatistics: true})
	if err != nil {
		return nil, err
	}
	db.MaxBatchSize, db.MaxBatchDelay = goroutines, time.Millisecond
	w := &durableWrites{goroutines: goroutines, db: db}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, table := range []string{widgetTable, nameTable, deadlineTable, ownerTable, ownerDeadlineTable, countTable, blacklistTable} {
			if _, err := tx.CreateBucket([]byte(table)); err != nil {
				return err
			}
		}
		for range tokens {
			if err := putToken(tx, time.Now().Add(24*time.Hour)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		w.file, err = os.Create(filepath.Join(folder, "fsync"))
	}
	if err == nil {
		_, err = w.file.Write(make([]byte, syncedPages*pageBytes))
	}
	if err == nil {
		err = w.file.Sync()
	}
	return w, err
}

func (w *durableWrites) close() error { return errors.Join(w.db.Close(), w.file.Close()) }

// creates returns a side that writes the rows of a new widget.
func (w *durableWrites) creates() side {
	return side{name: "bbolt Batch", run: simultaneous(w.goroutines, func() error {
		n := w.last.Add(1)
		return w.db.Batch(func(tx *bbolt.Tx) error { return putWidget(tx, n) })
	})}
}

// logOuts returns a side that writes the row of a logged-out token.
func (w *durableWrites) logOuts() side {
	return side{name: "bbolt Batch", run: simultaneous(w.goroutines, func() error {
		return w.db.Batch(func(tx *bbolt.Tx) error { return putToken(tx, time.Now().Add(time.Hour)) })
	})}
}

// putWidget writes the rows of the n-th widget.
func putWidget(tx *bbolt.Tx, n uint64) error {
	var owner [16]byte
	var deadline [8]byte
	sequence, empty := binary.BigEndian.AppendUint64(nil, n), make([]byte, sealBytes)
	widgets := tx.Bucket([]byte(widgetTable))
	widgets.FillPercent = 0.9 // the keys are appended
	return errors.Join(
		widgets.Put(sequence, make([]byte, sealBytes+recordBytes)),
		tx.Bucket([]byte(nameTable)).Put([]byte(widgetName(int(n))), append(empty, sequence...)), //nolint:gosec // far below 1<<63
		tx.Bucket([]byte(deadlineTable)).Put(append(deadline[:], sequence...), empty),
		tx.Bucket([]byte(ownerTable)).Put(append(owner[:], sequence...), empty),
		tx.Bucket([]byte(ownerDeadlineTable)).Put(append(append(owner[:], deadline[:]...), sequence...), empty),
		putCounts(tx.Bucket([]byte(countTable)), n),
	)
}

// putCounts writes a row of each level of blocks of widgets.
func putCounts(counts *bbolt.Bucket, n uint64) (err error) {
	const countBytes = 4
	for _, level := range [][2]byte{{22, 64}, {16, 22}, {10, 16}, {4, 10}} {
		inner, outer := level[0], level[1]
		before := n>>inner - n>>outer<<(outer-inner) // smaller blocks before that of n in the larger block
		key := binary.BigEndian.AppendUint64([]byte{inner}, n>>outer)
		err = errors.Join(err, counts.Put(key, make([]byte, sealBytes+countBytes*(before+1))))
	}
	return err
}

// putToken writes the row of a logged-out token.
func putToken(tx *bbolt.Tx, expiry time.Time) error {
	key := binary.BigEndian.AppendUint64(nil, uint64(expiry.Unix())) //nolint:gosec // after 1970
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return tx.Bucket([]byte(blacklistTable)).Put(append(key, id[:]...), make([]byte, sealBytes+16))
}

// syncedPages is the size of the file that is synced, which does not grow.
const syncedPages = 4096

// oneSync returns a side that writes one page and syncs it, as bbolt does: with pwrite and
// fdatasync.
func (w *durableWrites) oneSync() side {
	return side{name: "one fsync", run: simultaneous(1, func() error { return w.sync(1) })}
}

// commit returns a side that writes and syncs as bbolt does when it commits a transaction
// with one widget: all data pages, and then the meta page, because a meta page must not be
// on the disk before the pages that it refers to.
func (w *durableWrites) commit() side {
	const dataPages = 13 // one or two of each table, the root and the list of free pages
	return side{name: "writes and 2 fsyncs", run: simultaneous(1, func() error {
		return errors.Join(w.sync(dataPages), w.sync(1))
	})}
}

// sync writes pages and syncs them.
func (w *durableWrites) sync(pages int) error {
	var page [pageBytes]byte
	for range pages {
		const step = 7 // not one after the other, as pages of a tree
		n := w.last.Add(step)
		binary.BigEndian.PutUint64(page[:], n)
		if _, err := w.file.WriteAt(page[:], int64(n%syncedPages)*pageBytes); err != nil {
			return err
		}
	}
	return syscall.Fdatasync(int(w.file.Fd()))
}
