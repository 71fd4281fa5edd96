package conformance

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// pages is a test of the method List of a repository with records of type R.
type pages[R comparable] struct {
	*testing.T
	list func(context.Context, domain.PageRequest) (domain.Page[R], error)
}

// want wants exactly these records in this order on pages of every size, up to the page
// with the highest possible number.
func (t pages[R]) want(want []R) {
	t.Helper()
	for _, size := range domain.PageSizes() {
		for number := 1; number <= len(want)/size+3; number++ {
			t.wantPage(number, size, want)
		}
		for _, number := range []int{math.MaxInt/size + 1, math.MaxInt/size + 2, math.MaxInt} {
			t.wantPage(number, size, want)
		}
	}
}

// wantInAnyOrder wants exactly these records, in any order that is the same on pages of
// every size.
func (t pages[R]) wantInAnyOrder(want []R) {
	t.Helper()
	got := t.read(1, 100).Items
	if len(got) != len(want) {
		t.Fatalf("List returned %d records, want %d", len(got), len(want))
	}
	for _, record := range want {
		if !slices.Contains(got, record) {
			t.Fatalf("List did not return\n\t%s", show(record))
		}
	}
	t.want(got)
}

// wantPage wants one page of the list with all records.
func (t pages[R]) wantPage(number, size int, all []R) {
	t.Helper()
	page := t.read(number, size)
	want := slice(all, page.Request)
	if page.TotalItems != len(all) {
		t.Fatalf("page %d of size %d has TotalItems %d, want %d", number, size, page.TotalItems, len(all))
	}
	if len(page.Items) != len(want) {
		t.Fatalf("page %d of size %d has %d records, want %d", number, size, len(page.Items), len(want))
	}
	for i := range want {
		if page.Items[i] != want[i] {
			t.Fatalf("page %d of size %d has at index %d\n\t%s, want\n\t%s", number, size, i, show(page.Items[i]), show(want[i]))
		}
	}
}

// slice returns the records on one page of the list with all records.
func slice[R any](all []R, request domain.PageRequest) []R {
	rest := all[min(request.Offset(), len(all)):]
	return rest[:min(request.Size(), len(rest))]
}

func (t pages[R]) read(number, size int) domain.Page[R] {
	t.Helper()
	request := sample.Page(number, size)
	page, err := t.list(t.Context(), request)
	if err != nil {
		t.Fatalf("List of page %d of size %d failed: %v", number, size, err)
	}
	if page.Request != request {
		t.Fatalf("List of page %d of size %d returned the Request %+v", number, size, page.Request)
	}
	return page
}

// show returns all fields of a record for a failure message. %+v alone does not print
// the deadline of a widget as a time.
func show(record any) string {
	if w, ok := record.(domain.Widget); ok {
		return fmt.Sprintf("%+v with the deadline %v", w, w.Deadline.Time())
	}
	return fmt.Sprintf("%+v", record)
}
