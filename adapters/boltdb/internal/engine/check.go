package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/widgetd/widgetd/domain"
)

// Checked is what [DB.Check] has found in the pages of the file.
type Checked struct {
	Tx   *Tx           // sees the file that was checked
	Rows map[Table]int // the number of rows of each table

	visit func(rows int) error
}

// Visit must be called for each row that the relations function of [DB.Check] reads. It
// returns an error when the check must end.
func (c Checked) Visit() error { return c.visit(1) }

// Check reads the whole file while it is used: every page, the checksum of every record, and
// every record by its Decode function, as Open does. Then it calls relations, which compares
// the tables with each other. Check calls progress, which may be nil, with the numbers of
// bytes that stand for the work. The error names the file. Check returns Unavailable if ctx
// ends, after Close, and while the DB refuses every call.
func (db *DB) Check(ctx context.Context, progress func(done, total int64), relations func(Checked) error) error {
	return db.withSnapshot(ctx, func(s snapshot) error {
		p := &checkProgress{ready: func() error { return db.Ready(ctx) }, report: progress, total: 2 * s.bytes()}
		err := s.check(func(pages int) error { return p.add(int64(pages) * int64(db.pageSize)) })
		if err != nil {
			return db.fileError(err)
		}
		if err := db.checkTablesOf(s); err != nil {
			return db.fileError(err)
		}
		rows := 0
		for _, n := range s.pages.rows {
			rows += n
		}
		p.done = s.bytes()
		share := float64(s.bytes()) / float64(max(rows, 1))
		visited := 0
		err = relations(Checked{s.tx, s.pages.rows, func(n int) error {
			visited += n
			return p.setDone(s.bytes() + min(int64(float64(visited)*share), s.bytes()))
		}})
		if err != nil {
			return db.fileError(err)
		}
		return p.finish()
	})
}

// checkTablesOf checks what Open checks besides the pages.
func (db *DB) checkTablesOf(s snapshot) error {
	format, err := db.schema.formatOf(s.tx)
	if err != nil {
		return err
	}
	return db.schema.checkTables(s.tx, format)
}

// reportInterval is the number of bytes between two reports of the progress.
const reportInterval = 1 << 20

// checkProgress reports the progress of a check from time to time.
type checkProgress struct {
	ready       func() error // its error ends the check
	report      func(done, total int64)
	done, total int64
	reported    int64
}

func (p *checkProgress) add(n int64) error { return p.setDone(p.done + n) }

func (p *checkProgress) setDone(done int64) error {
	p.done = done
	if p.done-p.reported < reportInterval {
		return nil
	}
	p.reported = p.done
	if p.report != nil {
		p.report(p.done, p.total)
	}
	return p.ready()
}

func (p *checkProgress) finish() error {
	if p.report != nil {
		p.report(p.total, p.total)
	}
	return p.ready()
}

// isUnavailable reports whether the error is about the store, not about its content.
func isUnavailable(err error) bool { return errors.Is(err, domain.Unavailable) }

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

func levelOf(key []byte) (level, bool) {
	for _, l := range levels() {
		if len(key) == 1+sequenceSize && key[0] == l.bits {
			return l, true
		}
	}
	return level{}, false
}
