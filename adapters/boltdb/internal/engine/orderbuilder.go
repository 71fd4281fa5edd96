package engine

import "encoding/binary"

// OrderBuilder makes the rows of an [OrderIndex] that a migration adds. The rows are
// those that Append of the index would have stored in empty tables.
type OrderBuilder struct {
	Index OrderIndex

	last uint64 // the last sequence number
}

// Append returns the row for a record after all others.
func (b *OrderBuilder) Append(record Record) TableRow {
	b.last++
	return TableRow{b.Index.Table, Row{sequenceKey(b.last), record}}
}

// EmitCounts emits the rows of the table Counts. Call it after the last call of Append.
func (b *OrderBuilder) EmitCounts(emit func(TableRow) error) error {
	if b.last == 0 {
		return nil
	}
	for _, l := range levels() {
		for block := range b.last>>l.outer + 1 {
			first := block << l.outer
			row := Row{l.key(first), Record{countsVersion, b.counts(l, first)}}
			if err := emit(TableRow{b.Index.Counts, row}); err != nil {
				return err
			}
		}
	}
	return nil
}

// counts returns the content of the row of Counts whose first block begins with the given
// sequence number.
func (b *OrderBuilder) counts(l level, first uint64) (c counts) {
	for start := first; start <= b.last && start>>l.outer == first>>l.outer; start += 1 << l.bits {
		end := min(start+1<<l.bits-1, b.last)
		n := end - max(start, 1) + 1                    // no row has the number 0
		c = binary.BigEndian.AppendUint32(c, uint32(n)) //nolint:gosec // a block has at most 1<<22 rows
	}
	return c
}
