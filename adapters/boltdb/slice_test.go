package boltdb_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// wantWalk follows the positions of a query to the end, with slices of several sizes. It
// wants the widgets of all, in order of creation, that are in the list.
func wantWalk(t *testing.T, db *boltdb.DB, query domain.WidgetQuery, all []domain.Widget) {
	t.Helper()
	var want []domain.Widget
	for _, w := range all {
		if query.Includes(w) {
			want = append(want, w)
		}
	}
	if query.Sort == domain.ByDeadline {
		slices.SortStableFunc(want, func(a, b domain.Widget) int { return a.Deadline.Time().Compare(b.Deadline.Time()) })
	}
	if query.Reverse {
		slices.Reverse(want)
	}
	for _, limit := range []int{1, 7, 1000} {
		if got := walk(t, db, query, limit); !slices.Equal(got, want) {
			t.Fatalf("%s, %d at a time: the widgets are\n\t%v, want\n\t%v", query, limit, got, want)
		}
	}
}

func walk(t *testing.T, db *boltdb.DB, query domain.WidgetQuery, limit int) (found []domain.Widget) {
	t.Helper()
	position := ""
	for {
		slice, err := db.Widgets().Slice(t.Context(), query, position, limit)
		noError(t, err)
		found = append(found, slice.Items...)
		if position = slice.Next; position == "" {
			return found
		}
		equal(t, "number of items before another slice", len(slice.Items), limit)
	}
}

// TestIndexesMatchAModel adds, changes, hands over and deletes widgets at random, and
// compares every kind of list with a slice. CheckAll compares the tables with each other.
func TestIndexesMatchAModel(t *testing.T) {
	t.Parallel()
	db, ctx := openTemp(t), t.Context()
	random := rand.New(rand.NewPCG(15, 15))
	randomDeadline := func() domain.Deadline { // few different ones, some of them before 1970
		return domain.RestoreDeadline(time.UnixMilli(int64(random.IntN(9) - 4)))
	}
	randomOwner := func() domain.Owner { return domain.OwnerOf(sample.User(random.IntN(3))) }
	var model []domain.Widget
	for n := range 300 {
		i := random.IntN(len(model) + 1)
		switch operation := random.IntN(6); {
		case i == len(model) || operation < 2:
			added := widget(n)
			added.Deadline, added.Owner = randomDeadline(), randomOwner()
			noError(t, db.Widgets().Add(ctx, added))
			model = append(model, added)
		case operation == 2:
			noError(t, deleteWidget(ctx, db, model[i].Name))
			model = slices.Delete(model, i, i+1)
		case operation == 3:
			owner := model[i].Owner.PublicID
			noError(t, db.Widgets().RemoveOwnerEmail(ctx, owner))
			for j, w := range model {
				if w.Owner.PublicID == owner && w.Owner.Email != (domain.Email{}) {
					model[j] = w.Changed(domain.WidgetChange{Owner: &domain.Owner{PublicID: owner}})
				}
			}
		default:
			change := domain.WidgetChange{}
			if random.IntN(2) == 0 {
				change.Deadline = new(randomDeadline())
			}
			if random.IntN(2) == 0 {
				change.Owner = new(randomOwner())
			}
			before, err := db.Widgets().Update(ctx, model[i].Name, change, domain.Condition{})
			noError(t, err)
			equal(t, "widget before the change", before, model[i])
			model[i] = model[i].Changed(change)
		}
		if n%10 != 9 {
			continue
		}
		noError(t, db.CheckAll(ctx))
		for _, owner := range []*domain.UUID{nil, new(sample.ID(0)), new(sample.ID(2)), new(sample.ID(9))} {
			for _, reverse := range []bool{false, true} {
				wantWalk(t, db, domain.WidgetQuery{Sort: domain.ByCreation, Reverse: reverse, Owner: owner}, model)
				query := domain.WidgetQuery{Sort: domain.ByDeadline, Reverse: reverse, Owner: owner}
				wantWalk(t, db, query, model)
				query.From, query.To = new(randomDeadline()), new(randomDeadline()) // sometimes in the wrong order
				wantWalk(t, db, query, model)
				query.From = nil
				wantWalk(t, db, query, model)
			}
		}
	}
}

// TestSliceRefusesOtherPositions uses texts that are positions of other queries, or of none.
func TestSliceRefusesOtherPositions(t *testing.T) {
	t.Parallel()
	db, ctx := openTemp(t), t.Context()
	for n := range 5 {
		noError(t, db.Widgets().Add(ctx, widget(n)))
		noError(t, db.Users().Add(ctx, sample.User(n)))
	}
	deadline := widget(2).Deadline
	early, late := domain.RestoreDeadline(deadline.Time().Add(-time.Second)), domain.RestoreDeadline(deadline.Time().Add(time.Second))
	created := domain.WidgetQuery{Sort: domain.ByCreation}
	due := domain.WidgetQuery{Sort: domain.ByDeadline}
	latest := domain.WidgetQuery{Sort: domain.ByDeadline, Reverse: true}
	position := func(query domain.WidgetQuery) string {
		return sample.Must(db.Widgets().Slice(ctx, query, "", 1)).Next
	}
	for name, err := range map[string]error{
		"another order":      errorOf(db.Widgets().Slice(ctx, due, position(created), 1)),
		"another order back": errorOf(db.Widgets().Slice(ctx, created, position(due), 1)),
		"a text":             errorOf(db.Widgets().Slice(ctx, created, "positions", 1)),
		"cut":                errorOf(db.Widgets().Slice(ctx, due, position(due)[1:], 1)),
		"longer":             errorOf(db.Widgets().Slice(ctx, due, position(due)+"\x00", 1)),
		"before the bounds":  errorOf(db.Widgets().Slice(ctx, domain.WidgetQuery{Sort: domain.ByDeadline, From: &late}, position(due), 1)),
		"after the bounds":   errorOf(db.Widgets().Slice(ctx, domain.WidgetQuery{Sort: domain.ByDeadline, To: &early}, position(latest), 1)),
		"users":              errorOf(db.Users().Slice(ctx, "1", 1)),
		"tokens":             errorOf(db.Blacklist().Tokens(ctx, "1", 1)),
		"cut-offs":           errorOf(db.Blacklist().CutOffs(ctx, "1", 1)),
	} {
		if !errors.Is(err, domain.Invalid) {
			t.Errorf("%s: the error is %v, want Invalid", name, err)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }

// TestWalkDuringWrites follows a list by deadline while other goroutines add widgets, move
// deadlines and delete. Every widget that is there all the time is found exactly once.
func TestWalkDuringWrites(t *testing.T) {
	t.Parallel()
	db, ctx := openTemp(t), t.Context()
	const kept, moving = 300, 100
	due := func(n int) domain.Deadline {
		return domain.RestoreDeadline(sample.Time().Add(time.Duration(n%50) * time.Hour))
	}
	for n := range kept + moving {
		w := widget(n)
		w.Deadline = due(n)
		noError(t, db.Widgets().Add(ctx, w))
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for worker := range 4 {
		writers.Go(func() {
			for n := 1000 * (worker + 1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				w := widget(n)
				w.Deadline = due(n * 7)
				noErrorAsync(t, db.Widgets().Add(ctx, w))
				moved := widget(kept + (n*4+worker)%moving).Name
				_, err := db.Widgets().Update(ctx, moved, domain.WidgetChange{Deadline: new(due(n * 13))}, domain.Condition{})
				noErrorAsync(t, err)
				noErrorAsync(t, deleteWidget(ctx, db, w.Name))
			}
		})
	}
	for round := range 20 {
		query := domain.WidgetQuery{Sort: domain.ByDeadline, Reverse: round%2 == 0}
		seen := map[domain.WidgetName]int{}
		for _, w := range walk(t, db, query, 10) {
			seen[w.Name]++
		}
		for n := range kept {
			equal(t, "times that the widget is found", seen[widget(n).Name], 1)
		}
	}
	close(stop)
	writers.Wait()
	noError(t, db.CheckAll(ctx))
}

func noErrorAsync(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
