package conformance

import (
	"context"
	"slices"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

// batches is a test of the method AddAll of a repository.
type batches[R any] struct {
	*testing.T
	addAll func(context.Context, []R) ([]error, error)
}

// add adds records. It wants AlreadyExists for those with the given indexes, and every
// other one to be added.
func (t batches[R]) add(records []R, refused ...int) {
	t.Helper()
	each, err := t.addAll(t.Context(), slices.Clone(records))
	if err != nil {
		t.Fatalf("AddAll of %d records failed: %v", len(records), err)
	}
	if len(each) != len(records) {
		t.Fatalf("AddAll of %d records returned %d results", len(records), len(each))
	}
	for i, err := range each {
		if slices.Contains(refused, i) {
			wantKind(t.T, "AddAll of a record that exists already", err, domain.AlreadyExists)
		} else if err != nil {
			t.Fatalf("AddAll returned %v for the record at index %d of %d", err, i, len(records))
		}
	}
}

// race adds each batch in a call of its own at the same moment. All batches have the same
// keys. It wants each key to be added by exactly one call, and returns the records that
// were added.
func (t batches[R]) race(batch [][]R) []R {
	t.Helper()
	each := make([][]error, len(batch))
	wantNoErrors(t.T, "AddAll", race(len(batch), func(i int) (err error) {
		each[i], err = t.addAll(t.Context(), batch[i])
		return err
	}))
	added := make([]R, len(batch[0]))
	for k := range added {
		errs := make([]error, len(batch))
		for i := range batch {
			if len(each[i]) != len(batch[i]) {
				t.Fatalf("AddAll of %d records returned %d results", len(batch[i]), len(each[i]))
			}
			errs[i] = each[i][k]
		}
		added[k] = batch[winner(t.T, "AddAll of one key", errs, domain.AlreadyExists)][k]
	}
	return added
}

// addWhileTheContextEnds adds each batch in a call of its own while its context ends, and
// adds the batches again whose call returned an error.
func (t batches[R]) addWhileTheContextEnds(batch [][]R) {
	t.Helper()
	errs := raceContexts(t.T, "AddAll", func(ctx context.Context, i int) error {
		each, err := t.addAll(ctx, batch[i])
		for _, refused := range each {
			if err == nil {
				err = refused
			}
		}
		return err
	})
	for i, err := range errs {
		if err == nil {
			continue
		}
		each, err := t.addAll(t.Context(), batch[i])
		if err != nil {
			t.Fatalf("AddAll, called again after Unavailable, failed: %v", err)
		}
		for _, err := range each {
			if err != nil {
				wantKind(t.T, "AddAll, called again after Unavailable", err, domain.AlreadyExists)
			}
		}
	}
}
