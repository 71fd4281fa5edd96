package boltdb

import (
	"slices"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestAddAllInBoundedTransactions adds more widgets than one transaction takes, some of them
// twice.
func TestAddAllInBoundedTransactions(t *testing.T) {
	t.Parallel()
	db, ctx := sample.Must(Open(t.TempDir(), Options{})), t.Context()
	t.Cleanup(func() { _ = db.Close() })
	widgets := manyWidgets(2*maxAddAll + 10)
	noError(t, db.Widgets().Add(ctx, widgets[5]))
	twice := slices.Insert(slices.Clone(widgets), maxAddAll+1, widgets[0])
	before := db.Commits()
	each, err := db.Widgets().AddAll(ctx, twice)
	noError(t, err)
	equal(t, "results", len(each), len(twice))
	equal(t, "commits", db.Commits()-before, 3)
	for i, err := range each {
		want := domain.Kind("")
		if i == 5 || i == maxAddAll+1 {
			want = domain.AlreadyExists
		}
		equal(t, "kind of the error", domain.KindOf(err), want)
	}
	each, err = db.Widgets().AddAll(ctx, widgets[:10])
	noError(t, err)
	equal(t, "results", len(each), 10)
	equal(t, "commits, after a call that adds nothing", db.Commits()-before, 3)
	list := sample.Must(db.Widgets().Slice(ctx, domain.WidgetQuery{Sort: domain.ByCreation}, "", len(twice))).Items
	want := slices.Insert(slices.Delete(slices.Clone(widgets), 5, 6), 0, widgets[5])
	if !slices.Equal(list, want) {
		t.Error("the widgets are not in the order of the calls")
	}
	noError(t, db.CheckAll(ctx))
}
