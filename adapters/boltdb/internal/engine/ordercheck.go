package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// CheckCounts returns an error that names a record of the table Counts which is missing,
// additional or wrong.
func (x OrderIndex) CheckCounts(c Checked) error {
	var blocks []*countedBlock
	for _, l := range levels() {
		blocks = append(blocks, &countedBlock{level: l})
	}
	for row, err := range x.Table.Rows(c.Tx, nil) {
		if err != nil {
			return err
		}
		if err := c.Visit(); err != nil {
			return err
		}
		sequence := binary.BigEndian.Uint64(row.Key)
		for _, b := range blocks {
			if err := b.add(c.Tx, x, sequence); err != nil {
				return err
			}
		}
	}
	for _, b := range blocks {
		if err := b.compare(c.Tx, x); err != nil {
			return err
		}
	}
	return x.checkNoEmptyBlock(c)
}

// countedBlock counts the rows of the blocks within one block of the next level.
type countedBlock struct {
	level  level
	key    []byte // of the record in Counts; nil before the first row
	counts map[int]int
}

func (b *countedBlock) add(tx *Tx, x OrderIndex, sequence uint64) error {
	if key := b.level.key(sequence); !bytes.Equal(key, b.key) {
		if err := b.compare(tx, x); err != nil {
			return err
		}
		b.key, b.counts = key, map[int]int{}
	}
	b.counts[b.level.index(sequence)]++
	return nil
}

// compare compares the counts with the record in Counts.
func (b *countedBlock) compare(tx *Tx, x OrderIndex) error {
	if b.key == nil {
		return nil
	}
	record, err := x.Counts.MustGet(tx, b.key)
	if err != nil {
		return err
	}
	stored := counts(record.Payload)
	sum := 0
	for i, n := range b.counts {
		sum += n
		if i >= stored.len() || stored.at(i) != n {
			return x.Counts.Damaged(b.key, fmt.Errorf("its number %d is not the %d rows of table %s", i, n, x.Table))
		}
	}
	if stored.sum() != sum {
		return x.Counts.Damaged(b.key, fmt.Errorf("it has %d rows, but table %s has %d", stored.sum(), x.Table, sum))
	}
	return nil
}

// checkNoEmptyBlock returns an error if Counts has a record for a block without rows.
func (x OrderIndex) checkNoEmptyBlock(c Checked) error {
	for row, err := range x.Counts.Rows(c.Tx, nil) {
		if err != nil {
			return err
		}
		if err := c.Visit(); err != nil {
			return err
		}
		l, known := levelOf(row.Key)
		if !known {
			return x.Counts.Damaged(row.Key, errors.New("it is the record of no block"))
		}
		first := binary.BigEndian.Uint64(row.Key[1:]) << l.outer
		next, _ := c.Tx.cursor(x.Table).Seek(sequenceKey(first))
		if next == nil || !bytes.Equal(l.key(binary.BigEndian.Uint64(next)), row.Key) {
			return x.Counts.Damaged(row.Key, fmt.Errorf("table %s has no row there", x.Table))
		}
	}
	return nil
}
