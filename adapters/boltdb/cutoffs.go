package boltdb

import (
	"context"
	"errors"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// cutOff is the cut-off of an account. The file has a row for each, whose key is the public
// id of the account.
type cutOff struct {
	retention
	value domain.UUID
}

// EndTokens also writes if memory has the same value already, because the retention
// grows.
func (b *blacklist) EndTokens(ctx context.Context, c domain.CutOff) error {
	wanted := cutOff{retentionOf(c.RetentionFrom(b.running()), c.Lifetime), c.Value}
	var written cutOff
	return b.engine.Update(ctx, func(tx *engine.Tx) (err error) {
		written, err = putCutOff(tx, c.Subject, wanted)
		return err
	}, func() { b.setCutOff(c.Subject, written) })
}

func (b *blacklist) CutOff(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
	if err := b.engine.Ready(ctx); err != nil {
		return domain.UUID{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.cutOffs[subject].value, nil
}

// setCutOff sets a cut-off in memory after it was written to disk.
func (b *blacklist) setCutOff(subject domain.UUID, c cutOff) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cutOffs[subject] = c
}

// putCutOff stores a cut-off in place of an earlier one, and returns it with the later
// retention of both.
func putCutOff(tx *engine.Tx, subject domain.UUID, c cutOff) (cutOff, error) {
	switch record, err := cutOffTable.Get(tx, subject[:]); {
	case err == nil:
		earlier, err := readCutOff(engine.Row{Key: subject[:], Record: record})
		if err != nil {
			return cutOff{}, err
		}
		c.retention = c.extended(earlier.retention)
	case !errors.Is(err, domain.NotFound):
		return cutOff{}, err
	}
	return c, cutOffTable.Put(tx, subject[:], encodeCutOff(c))
}

// appendEndedCutOffs appends copies of the rows of cut-offs that may be forgotten, until
// there are maxPurge rows. It reads all cut-offs: 100,000 take about 20 ms.
func appendEndedCutOffs(rows []engine.TableRow, tx *engine.Tx, now time.Time, running time.Duration) ([]engine.TableRow, error) {
	for row, err := range cutOffTable.Rows(tx, nil) {
		if err != nil {
			return nil, err
		}
		if len(rows) == maxPurge {
			break
		}
		c, err := readCutOff(row)
		if err != nil {
			return nil, err
		}
		if c.endedAt(now, running) {
			rows = append(rows, cloned(cutOffTable, row))
		}
	}
	return rows, nil
}

func loadCutOffs(tx *engine.Tx) (map[domain.UUID]cutOff, error) {
	cutOffs := map[domain.UUID]cutOff{}
	for row, err := range cutOffTable.Rows(tx, nil) {
		if err != nil {
			return nil, err
		}
		if cutOffs[domain.UUID(row.Key)], err = readCutOff(row); err != nil {
			return nil, err
		}
	}
	return cutOffs, nil
}

// readCutOff calls decodeCutOff and converts its error into that for a damaged record.
func readCutOff(row engine.Row) (cutOff, error) {
	c, err := decodeCutOff(row.Record)
	if err != nil {
		return cutOff{}, cutOffTable.Damaged(row.Key, err)
	}
	return c, nil
}
