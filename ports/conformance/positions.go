package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

// positions is a test of a list that is read by position.
type positions[R comparable] struct {
	*testing.T
	call string // the method, and the query if it has one
	list func(ctx context.Context, position string, limit int) (domain.Slice[R], error)
}

// maxSlices is the number of slices after which a walk ends. No test has as many records.
const maxSlices = 2000

// read returns one slice.
func (t positions[R]) read(position string, limit int) domain.Slice[R] {
	t.Helper()
	slice, err := t.list(t.Context(), position, limit)
	if err != nil {
		t.Fatalf("%s from the position %q failed: %v", t.call, position, err)
	}
	if len(slice.Items) > limit {
		t.Fatalf("%s with the limit %d returned %d records", t.call, limit, len(slice.Items))
	}
	return slice
}

// walk reads slices from the beginning to the end and returns their records. After each
// slice but the last it calls between.
func (t positions[R]) walk(limit int, between func(slice domain.Slice[R])) (all []R) {
	t.Helper()
	position := ""
	for range maxSlices {
		slice := t.read(position, limit)
		all = append(all, slice.Items...)
		if slice.Next == "" {
			return all
		}
		between(slice)
		position = slice.Next
	}
	t.Fatalf("%s with the limit %d does not end: it returned %d slices", t.call, limit, maxSlices)
	return nil
}

// want wants exactly these records in this order, in slices of every size. Every slice but
// the last must have as many records as the limit allows and a next position. The last must
// have no next position.
func (t positions[R]) want(want ...R) {
	t.Helper()
	sizes := []int{1, 2, 3, len(want) - 1, len(want), len(want) + 1, 100}
	for _, limit := range slices.Compact(slices.Sorted(slices.Values(sizes))) {
		if limit < 1 {
			continue
		}
		position := ""
		for rest := want; ; {
			n := min(limit, len(rest))
			slice := t.read(position, limit)
			t.wantSame(slice.Items, rest[:n])
			if rest = rest[n:]; len(rest) == 0 {
				if slice.Next != "" {
					t.Fatalf("%s with the limit %d returned the position %q after the last record, want none", t.call, limit, slice.Next)
				}
				break
			}
			if slice.Next == "" {
				t.Fatalf("%s with the limit %d returned no position, but %d records follow", t.call, limit, len(rest))
			}
			position = slice.Next
		}
	}
}

// wantSame compares records with those that a list must have.
func (t positions[R]) wantSame(got, want []R) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s returned at index %d\n\t%s, want\n\t%s", t.call, i, show(got[i]), show(want[i]))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s returned %d records, want %d", t.call, len(got), len(want))
	}
}

// wantInvalid wants Invalid for texts that are no positions, and for the given positions of
// another list.
func (t positions[R]) wantInvalid(others ...string) {
	t.Helper()
	for _, text := range append(others, "x", "no position", " ", "\x00", "\xff", "ä", "-", "/", "%", ".", "\n", strings.Repeat("x", 5000)) {
		slice, err := t.list(t.Context(), text, 5)
		wantKind(t.T, fmt.Sprintf("%s from %.100q, which is no position,", t.call, text), err, domain.Invalid)
		if len(slice.Items) > 0 || slice.Next != "" {
			t.Errorf("%s from a text that is no position returned %d records with the error", t.call, len(slice.Items))
		}
	}
}
