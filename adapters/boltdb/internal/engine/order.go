package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// OrderIndex keeps the rows of a table in order of creation, and finds a row by its
// position. The key of a row is a sequence number, which is never used again.
//
// After deletions the n-th row does not have the n-th sequence number, and a search over
// n rows would be slow. So the table Counts has the number of rows in every block of 16
// sequence numbers, in every block of 64 of those blocks, and so on, in four levels.
// Finding a position reads one record of each level and passes at most 15 rows.
//
// A record of Counts has the counts of all blocks of one level within one block of
// the next level: 4 bytes for each, big-endian, without the zeros at the end. A block
// without rows has no record. The key is the level's block size (1 byte, as a power of
// two) and the number of the enclosing block (8 bytes).
type OrderIndex struct {
	Table  Table // its rows must only be added by Append and deleted by Delete
	Counts Table // its Decode function is DecodeCounts
}

// Len returns the number of rows.
func (x OrderIndex) Len(tx *Tx) (int, error) {
	counts, err := x.counts(tx, levels()[0], 0)
	return counts.sum(), err
}

// Slice returns count rows, beginning with the one at the position offset, counted
// from 0. Offset and count must be within Len.
func (x OrderIndex) Slice(tx *Tx, offset, count int) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if count == 0 {
			return
		}
		first, skip, err := x.blockOf(tx, offset)
		if err != nil {
			yield(Row{}, err)
			return
		}
		cursor := tx.takeCursor(x.Table)
		defer tx.giveCursor(x.Table, cursor)
		var start [sequenceSize]byte // sequenceKey would allocate here
		binary.BigEndian.PutUint64(start[:], first)
		key, value := cursor.Seek(start[:])
		for ; skip > 0; skip-- {
			key, value = cursor.Next()
		}
		for range count {
			if key == nil {
				yield(Row{}, x.miscounted())
				return
			}
			record, err := x.Table.unseal(key, value)
			if !yield(Row{key, record}, err) || err != nil {
				return
			}
			key, value = cursor.Next()
		}
	}
}

// Append adds a record after all others and returns its key.
func (x OrderIndex) Append(tx *Tx, record Record) (key []byte, err error) {
	bucket := x.Table.in(tx)
	// bbolt splits a full page in two halves by default. The rows are appended, so
	// a page before the last one gets no new rows and should be full.
	bucket.FillPercent = appendFill
	sequence, err := bucket.NextSequence()
	if err != nil {
		return nil, err
	}
	key = sequenceKey(sequence)
	if err := x.Table.Put(tx, key, record); err != nil {
		return nil, err
	}
	return key, x.recount(tx, sequence, true)
}

// Delete removes the row with the key, which must exist.
func (x OrderIndex) Delete(tx *Tx, key []byte) error {
	if len(key) != sequenceSize {
		return x.Table.Damaged(key, errNoSequence)
	}
	if err := x.Table.Delete(tx, key); err != nil {
		return err
	}
	return x.recount(tx, binary.BigEndian.Uint64(key), false)
}

// DecodeCounts is the Decode function of every table Counts.
func DecodeCounts(_ []byte, record Record) error {
	switch {
	case record.Version != countsVersion:
		return fmt.Errorf("its version is %d", record.Version)
	case len(record.Payload)%4 != 0:
		return errors.New("its length is not a multiple of 4")
	}
	return nil
}

// DecodeOrderKey returns an error if key is not the key of a row of an OrderIndex.
func DecodeOrderKey(key []byte) error {
	if len(key) != sequenceSize {
		return errNoSequence
	}
	return nil
}

const (
	countsVersion = 1
	sequenceSize  = 8
	appendFill    = 0.9
)

var errNoSequence = errors.New("it is not a sequence number of 8 bytes")

func sequenceKey(sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, sequenceSize), sequence)
}

// level is a size of blocks: 1<<bits sequence numbers, in blocks of 1<<outer.
type level struct{ bits, outer byte }

// levels returns the level with the largest blocks first.
func levels() [4]level { return [...]level{{22, 64}, {16, 22}, {10, 16}, {4, 10}} }

// levelOf returns the level of a record of Counts with the key.
func levelOf(key []byte) (level, bool) {
	for _, l := range levels() {
		if len(key) == 1+sequenceSize && key[0] == l.bits {
			return l, true
		}
	}
	return level{}, false
}

// check returns an error if a row already has the next sequence number, or if the number
// is impossibly large.
func (x OrderIndex) check(tx *Tx) error {
	const limit = 1 << 40
	bucket := x.Table.in(tx)
	next := sequenceKey(bucket.Sequence() + 1)
	if last, _ := tx.cursor(x.Table).Last(); bytes.Compare(last, next) >= 0 || bucket.Sequence() > limit {
		return fmt.Errorf("damaged: table %s has a wrong sequence number", x.Table)
	}
	return nil
}

// recount adds one to the counts of the blocks that contain a sequence number, or
// subtracts one.
func (x OrderIndex) recount(tx *Tx, sequence uint64, added bool) error {
	for _, l := range levels() {
		old, err := x.counts(tx, l, sequence)
		if err != nil {
			return err
		}
		i := l.index(sequence)
		counts := make(counts, max(len(old), 4*(i+1)))
		copy(counts, old)
		switch n := counts.at(i); {
		case added:
			counts.set(i, n+1)
		case n == 0:
			return x.miscounted()
		default:
			counts.set(i, n-1)
		}
		if err := x.setCounts(tx, l, sequence, counts); err != nil {
			return err
		}
	}
	return nil
}

// blockOf returns the first sequence number of the smallest block that contains the
// n-th row, counted from 0, and the number of rows before it in the block.
func (x OrderIndex) blockOf(tx *Tx, n int) (first uint64, before int, err error) {
	for _, l := range levels() {
		counts, err := x.counts(tx, l, first)
		if err != nil {
			return 0, 0, err
		}
		i := 0
		for ; i < counts.len() && n >= counts.at(i); i++ {
			n -= counts.at(i)
		}
		if i == counts.len() {
			return 0, 0, x.miscounted()
		}
		first += uint64(i) << l.bits
	}
	return first, n, nil
}

// counts returns the record with the count of the block of a sequence number.
func (x OrderIndex) counts(tx *Tx, l level, sequence uint64) (counts, error) {
	record, _, err := x.Counts.lookUp(tx, l.key(sequence))
	return record.Payload, err
}

func (x OrderIndex) setCounts(tx *Tx, l level, sequence uint64, counts counts) error {
	if counts.sum() == 0 {
		return x.Counts.Delete(tx, l.key(sequence))
	}
	return x.Counts.Put(tx, l.key(sequence), Record{countsVersion, counts})
}

func (x OrderIndex) miscounted() error {
	return fmt.Errorf("damaged: table %s disagrees with table %s", x.Counts, x.Table)
}

// key returns the key of the record with the count of the block of a sequence number.
func (l level) key(sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 9), l.bits), sequence>>l.outer)
}

// index returns the position in that record of the count of the block.
func (l level) index(sequence uint64) int {
	return int(sequence>>l.bits - sequence>>l.outer<<(l.outer-l.bits)) //nolint:gosec // sequence numbers are far below 1<<63
}

// counts is the payload of a record of the table Counts.
type counts []byte

func (c counts) len() int { return len(c) / 4 }

func (c counts) at(i int) int { return int(binary.BigEndian.Uint32(c[4*i:])) }

func (c counts) set(i, n int) { binary.BigEndian.PutUint32(c[4*i:], uint32(n)) } //nolint:gosec // a block has at most 1<<22 rows

func (c counts) sum() (sum int) {
	for i := range c.len() {
		sum += c.at(i)
	}
	return sum
}
