package boltdb

import (
	"fmt"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestRemoveOwnerEmailInBoundedTransactions has more widgets than one transaction changes.
func TestRemoveOwnerEmailInBoundedTransactions(t *testing.T) {
	t.Parallel()
	db, ctx := sample.Must(Open(t.TempDir(), Options{})), t.Context()
	t.Cleanup(func() { _ = db.Close() })
	const n = 2*maxOwnerEmails + 100
	noError(t, db.Fill(ctx, n, func(i int) domain.Widget {
		w := sample.Widget(fmt.Sprintf("w%d", i))
		w.Owner = domain.OwnerOf(sample.User(1))
		return w
	}))
	before := db.Commits()
	noError(t, db.Widgets().RemoveOwnerEmail(ctx, sample.ID(1)))
	equal(t, "commits", db.Commits()-before, 3)
	noError(t, db.Widgets().RemoveOwnerEmail(ctx, sample.ID(1)))
	equal(t, "commits after a second call", db.Commits()-before, 3)
	noError(t, db.CheckAll(ctx))
	slice := sample.Must(db.Widgets().Slice(ctx, domain.WidgetQuery{Sort: domain.ByCreation, Owner: new(sample.ID(1))}, "", n+1))
	equal(t, "widgets", len(slice.Items), n)
	for _, w := range slice.Items {
		equal(t, "owner", w.Owner, domain.Owner{PublicID: sample.ID(1)})
	}
}
