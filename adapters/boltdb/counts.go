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
func countAll(tx *bbolt.Tx) (total int, err error) {
	counts, err := levels()[0].counts(tx, 0)
	for _, n := range counts {
		total += int(n)
	}
	return total, err
}

// recount counts a widget that was added, else one that was deleted, in the blocks
// that its sequence number is in.
func recount(tx *bbolt.Tx, seq uint64, added bool) error {
	for _, l := range levels() {
		counts, err := l.counts(tx, seq)
		if err != nil {
			return err
		}
		i := l.index(seq)
		for uint64(len(counts)) <= i {
			counts = append(counts, 0)
		}
		switch {
		case added:
			counts[i]++
		case counts[i] == 0:
			return errMiscounted
		default:
			counts[i]--
		}
		if err := l.setCounts(tx, seq, counts); err != nil {
			return err
		}
	}
	return nil
}

// blockOf returns the first sequence number of the innermost block that the nth
// widget (from 0) is in, and how many widgets of that block come before it.
func blockOf(tx *bbolt.Tx, n int) (first uint64, before int, err error) {
	for _, l := range levels() {
		counts, err := l.counts(tx, first)
		if err != nil {
			return 0, 0, err
		}
		i := 0
		for ; i < len(counts) && n >= int(counts[i]); i++ {
			n -= int(counts[i])
		}
		if i == len(counts) {
			return 0, 0, errMiscounted
		}
		first += uint64(i) << l.bits
	}
	return first, n, nil
}

// key returns that of the record with the count of the block that seq is in.
func (l level) key(seq uint64) []byte {
	return append([]byte{l.bits}, number(seq>>l.outer)...)
}

// index returns which count of its record is that of the block that seq is in.
func (l level) index(seq uint64) uint64 {
	return seq>>l.bits - seq>>l.outer<<(l.outer-l.bits)
}

// counts returns what setCounts set.
func (l level) counts(tx *bbolt.Tx, seq uint64) ([]uint32, error) {
	payload, err := countTable.get(tx, l.key(seq))
	if err != nil {
		return nil, err
	}
	counts := make([]uint32, len(payload)/4)
	for i := range counts {
		counts[i] = binary.BigEndian.Uint32(payload[4*i:])
	}
	return counts, nil
}

// setCounts replaces the record with the count of the block that seq is in.
func (l level) setCounts(tx *bbolt.Tx, seq uint64, counts []uint32) error {
	sum := 0
	payload := make([]byte, 0, 4*len(counts))
	for _, n := range counts {
		sum += int(n)
		payload = binary.BigEndian.AppendUint32(payload, n)
	}
	if sum == 0 {
		return countTable.delete(tx, l.key(seq))
	}
	return countTable.put(tx, l.key(seq), payload)
}
