package boltdb

import (
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"
)

// The nth widget in order of creation is not the one with the nth sequence
// number once widgets have been deleted. So that nobody need walk over n widgets
// to find it, countTable has the number of widgets in every block of 16 sequence
// numbers, in every block of 64 such blocks, and so on up to everything. A page
// costs about the same wherever it is: finding it reads one record of each level
// and walks over no more than 15 widgets.
//
// One record has the counts of all blocks of a level within one block of the
// level above (4 bytes each, those after the last may be left out); without
// widgets in there is no record.

// level is a size of blocks: 2^bits sequence numbers, in blocks of 2^outer.
type level struct{ bits, outer byte }

// levels returns the outermost first, whose blocks lie in everything there is.
func levels() [4]level { return [...]level{{22, 64}, {16, 22}, {10, 16}, {4, 10}} }

// errMiscounted means that countTable does not agree with widgetTable.
var errMiscounted = errors.New("boltdb: table counts disagrees with table widgets")

// countAll returns how many widgets there are.
func countAll(tx *readTx) (total int, err error) {
	counts, err := levels()[0].counts(tx, 0)
	return counts.sum(), err
}

// recount counts a widget that was added, else one that was deleted, in the blocks
// that its sequence number is in.
func recount(tx *bbolt.Tx, seq uint64, added bool) error {
	read := reading(tx)
	for _, l := range levels() {
		kept, err := l.counts(read, seq)
		if err != nil {
			return err
		}
		i := l.index(seq)
		counts := make(counts, max(len(kept), 4*(i+1)))
		copy(counts, kept)
		switch n := counts.at(i); {
		case added:
			counts.set(i, n+1)
		case n == 0:
			return errMiscounted
		default:
			counts.set(i, n-1)
		}
		if err := l.setCounts(tx, seq, counts); err != nil {
			return err
		}
	}
	return nil
}

// blockOf returns the first sequence number of the innermost block that the nth
// widget (from 0) is in, and how many widgets of that block come before it.
func blockOf(tx *readTx, n int) (first uint64, before int, err error) {
	for _, l := range levels() {
		counts, err := l.counts(tx, first)
		if err != nil {
			return 0, 0, err
		}
		i := 0
		for ; i < counts.len() && n >= counts.at(i); i++ {
			n -= counts.at(i)
		}
		if i == counts.len() {
			return 0, 0, errMiscounted
		}
		first += uint64(i) << l.bits
	}
	return first, n, nil
}

// key returns that of the record with the count of the block that seq is in.
func (l level) key(seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 9), l.bits), seq>>l.outer)
}

// index returns which count of its record is that of the block that seq is in.
func (l level) index(seq uint64) int {
	return int(seq>>l.bits - seq>>l.outer<<(l.outer-l.bits)) //nolint:gosec // all sequence numbers are far below 1<<63
}

// counts returns what setCounts set. They live as long as the transaction, and must
// not be changed.
func (l level) counts(tx *readTx, seq uint64) (counts, error) {
	return countTable.get(tx, l.key(seq))
}

// setCounts replaces the record with the count of the block that seq is in.
func (l level) setCounts(tx *bbolt.Tx, seq uint64, counts counts) error {
	if counts.sum() == 0 {
		return countTable.delete(tx, l.key(seq))
	}
	return countTable.put(tx, l.key(seq), counts)
}

// counts are the payload of a record.
type counts []byte

func (c counts) len() int { return len(c) / 4 }

func (c counts) at(i int) int { return int(binary.BigEndian.Uint32(c[4*i:])) }

func (c counts) set(i, n int) { binary.BigEndian.PutUint32(c[4*i:], uint32(n)) } //nolint:gosec // of a block: one has 1<<22 widgets at the most

func (c counts) sum() (sum int) {
	for i := range c.len() {
		sum += c.at(i)
	}
	return sum
}
