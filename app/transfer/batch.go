package transfer

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// The maximum size of a batch: the number of its records, and the approximate number of
// bytes of their lines.
const (
	maxBatchRecords = 500
	maxBatchBytes   = 256 << 10
)

// maxConcurrent is the number of calls of the store at the same time, where each call is for
// one record.
const maxConcurrent = 16

// batch holds records of one kind until they are stored.
type batch[T any] struct {
	store   func(context.Context, []T) ([]outcome, error)
	lines   []int
	records []T
}

// outcome is the result of storing a record. The zero value means that the store added the
// record.
type outcome struct {
	found   bool  // the store has the record already
	refused error // why the record was refused, or nil
}

func (b *batch[T]) add(line int, record T) {
	b.lines = append(b.lines, line)
	b.records = append(b.records, record)
}

// flush stores the records and reports their outcomes.
func (b *batch[T]) flush(ctx context.Context, i *importer) error {
	if len(b.records) == 0 {
		return nil
	}
	lines, records := b.lines, b.records
	b.lines, b.records = nil, nil
	outcomes, err := b.store(ctx, records)
	if err != nil {
		return err
	}
	for n, outcome := range outcomes {
		switch {
		case outcome.refused != nil:
			i.refused = append(i.refused, refusal{lines[n], outcome.refused})
		case outcome.found:
			i.report.Found++
		default:
			i.report.Added++
		}
	}
	return nil
}

func (i *importer) flushIfFull(ctx context.Context) error {
	records := len(i.refused) + len(i.accounts.records) + len(i.widgets.records) + len(i.tokens.records) + len(i.cutOffs.records)
	if records < maxBatchRecords && i.bytes < maxBatchBytes {
		return nil
	}
	return i.flush(ctx)
}

// flush stores the records of all batches, of which at most one has records, and reports
// the progress.
func (i *importer) flush(ctx context.Context) error {
	i.bytes = 0
	defer i.reportRefused()
	for _, flush := range []func(context.Context, *importer) error{i.accounts.flush, i.widgets.flush, i.tokens.flush, i.cutOffs.flush} {
		if err := flush(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// reportRefused reports the refused lines in their order, and then the progress.
func (i *importer) reportRefused() {
	slices.SortFunc(i.refused, func(a, b refusal) int { return cmp.Compare(a.line, b.line) })
	for _, refused := range i.refused {
		i.report.Refused++
		if i.options.Refused != nil {
			i.options.Refused(refused.line, refused.why)
		}
	}
	i.refused = i.refused[:0]
	if i.options.Progress != nil {
		i.options.Progress(i.report)
	}
}

// concurrently calls f for each record and returns the results in the same order. Calls for
// records with the same key are made one after the other, in the order of the records. If a
// call returns an error, concurrently ends the context of the other calls, waits for them,
// and returns the first error.
func concurrently[T any](ctx context.Context, records []T, key func(T) int, f func(context.Context, T) (outcome, error)) ([]outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes := make([]outcome, len(records))
	var workers sync.WaitGroup
	var once sync.Once
	var first error
	for worker := range maxConcurrent {
		workers.Go(func() {
			for n, record := range records {
				if key(record)%maxConcurrent != worker {
					continue
				}
				var err error
				if outcomes[n], err = f(ctx, record); err != nil {
					once.Do(func() { first = err; cancel() })
					return
				}
			}
		})
	}
	workers.Wait()
	if first != nil {
		return nil, first
	}
	return outcomes, nil
}
