package boltdb_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestListMatchesAModel compares pages with parts of a slice, after random additions and
// deletions.
func TestListMatchesAModel(t *testing.T) {
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
		noError(t, db.CheckAll(t.Context()))
	}
	deleteAll(t, db, model)
	wantPages(t, db, nil)
	noError(t, db.CheckAll(t.Context()))
}

// wantPages compares all pages, or some of them if there are many, and pages past the end.
func wantPages(t *testing.T, db *boltdb.DB, want []domain.Widget) {
	t.Helper()
	for _, size := range []int{5, 100} {
		last := len(want)/size + 1
		numbers := []int{last + 1, math.MaxInt / size, math.MaxInt}
		for number := last; number > 0; number -= 1 + last/10 {
			numbers = append(numbers, number)
		}
		for _, number := range numbers {
			request := sample.Page(number, size)
			page, err := db.Widgets().List(t.Context(), request)
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
