package boltdb_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestAccountsMatchAModel adds, changes and deletes accounts at random. Check compares
// the tables with each other, so that the table admins has the active administrators.
func TestAccountsMatchAModel(t *testing.T) {
	t.Parallel()
	db, ctx := openTemp(t), t.Context()
	random := rand.New(rand.NewPCG(13, 13))
	var model []domain.User
	admins := func() (n int) {
		for _, u := range model {
			if u.IsActiveAdmin() {
				n++
			}
		}
		return n
	}
	for n := range 400 {
		if len(model) == 0 || random.IntN(3) == 0 {
			model = append(model, sample.User(n))
			noError(t, db.Users().Add(ctx, sample.User(n)))
			continue
		}
		i := random.IntN(len(model))
		changed := model[i]
		changed.Admin, changed.Disabled = random.IntN(2) == 0, random.IntN(3) == 0
		isDeletion := random.IntN(3) == 0
		refused := model[i].IsActiveAdmin() && admins() == 1 && (isDeletion || !changed.IsActiveAdmin())
		want := domain.Kind("")
		if refused {
			want = domain.Conflict
		}
		if isDeletion {
			equal(t, "kind of the error of Delete", domain.KindOf(db.Users().Delete(ctx, model[i])), want)
		} else {
			equal(t, "kind of the error of Update", domain.KindOf(db.Users().Update(ctx, model[i], changed)), want)
		}
		switch {
		case refused:
		case isDeletion:
			model = slices.Delete(model, i, i+1)
		default:
			model[i] = changed
		}
		equal(t, "HasAdmin", sample.Must(db.Users().HasAdmin(ctx)), admins() > 0)
		noError(t, db.CheckAll(ctx))
	}
	page := sample.Must(db.Users().List(ctx, sample.Page(1, 100)))
	equal(t, "total", page.TotalItems, len(model))
	if !slices.Equal(page.Items, model[:min(100, len(model))]) {
		t.Errorf("List returned\n\t%v, want\n\t%v", page.Items, model)
	}
}
