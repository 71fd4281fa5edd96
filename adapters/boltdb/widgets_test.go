package boltdb_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
)

// TestPagesOfModel compares every page with that of a slice, after random adds
// and deletes that leave blocks full, thin and empty.
func TestPagesOfModel(t *testing.T) {
	t.Parallel()
	db, ctx := openTemp(t), t.Context()
	random := rand.New(rand.NewPCG(7, 7))
	var model []domain.Widget
	created := 0
	for range 5 {
		first, adds := created, 400+random.IntN(600)
		noError(t, db.Fill(ctx, adds, func(i int) domain.Widget { return widget(first + i) }))
		for i := range adds {
			model = append(model, widget(first+i))
		}
		created += adds
		start := random.IntN(len(model))
		end := start + random.IntN(len(model)-start)
		gone := slices.Clone(model[start:end])
		model = slices.Delete(model, start, end)
		for range random.IntN(100) {
			i := random.IntN(len(model))
			gone = append(gone, model[i])
			model = slices.Delete(model, i, i+1)
		}
		deleteAll(t, db, gone)
		wantPages(t, db, model)
		noError(t, db.Check())
	}
	deleteAll(t, db, model)
	wantPages(t, db, nil)
	noError(t, db.Check())
}

// TestListAcrossLargestBlocks has sequence numbers far apart, which lie in
// different blocks of every size.
func TestListAcrossLargestBlocks(t *testing.T) {
	t.Parallel()
	db, ctx := openTemp(t), t.Context()
	var model []domain.Widget
	for n, seq := range []uint64{0, 14, 15, 1000, 1 << 10, 1 << 16, 1<<22 - 2, 1 << 22, 1<<22 + 500, 1 << 30, 1 << 36} {
		noError(t, db.Update(ctx, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("widgets")).SetSequence(seq)
		}, nil))
		noError(t, db.Widgets.Add(ctx, widget(n)))
		model = append(model, widget(n))
		wantPages(t, db, model)
	}
	noError(t, db.Check())
	for len(model) > 0 {
		noError(t, db.Widgets.Delete(ctx, model[0].Name))
		model = model[1:]
		wantPages(t, db, model)
	}
	noError(t, db.Check())
}

// wantPages compares the pages past the end and those before it, or a choice of
// many.
func wantPages(t *testing.T, db *boltdb.DB, want []domain.Widget) {
	t.Helper()
	for _, size := range []int{5, 100} {
		last := len(want)/size + 1
		numbers := []int{last + 1, math.MaxInt / size, math.MaxInt}
		for number := last; number > 0; number -= 1 + last/10 {
			numbers = append(numbers, number)
		}
		for _, number := range numbers {
			request := must(domain.ParsePageRequest(strconv.Itoa(number), strconv.Itoa(size)))
			page, err := db.Widgets.List(t.Context(), request)
			noError(t, err)
			equal(t, "total", page.TotalItems, len(want))
			equal(t, "request", page.Request, request)
			start := min(request.Offset(), len(want))
			items := want[start:min(start+size, len(want))]
			if page.Items == nil || !slices.Equal(page.Items, items) {
				t.Fatalf("page %d of %d is\n\t%v, want\n\t%v", number, size, page.Items, items)
			}
		}
	}
}

func deleteAll(t *testing.T, db *boltdb.DB, widgets []domain.Widget) {
	t.Helper()
	names := make([]domain.WidgetName, len(widgets))
	for i, w := range widgets {
		names[i] = w.Name
	}
	noError(t, db.DeleteAll(t.Context(), names))
}

func TestAddAllIsAllOrNothing(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	some := func(from, to int) (widgets []domain.Widget) {
		for n := from; n < to; n++ {
			widgets = append(widgets, widget(n))
		}
		return widgets
	}
	noError(t, db.Widgets.AddAll(t.Context(), some(0, 100)))
	if err := db.Widgets.AddAll(t.Context(), some(50, 150)); !errors.Is(err, domain.AlreadyExists) {
		t.Errorf("with names that are there: %v", err)
	}
	noError(t, db.Widgets.AddAll(t.Context(), some(100, 150)))
	equal(t, "total", list(t, db, 1, 5).TotalItems, 150)
	equal(t, "the last", list(t, db, 30, 5).Items[4], widget(149))
	noError(t, db.Check())
}
