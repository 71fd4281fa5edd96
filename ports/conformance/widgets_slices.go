package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// slicesOf returns the test of the list that the query describes.
func (t widgets) slicesOf(query domain.WidgetQuery) positions[domain.Widget] {
	return positions[domain.Widget]{t.T, "Slice of " + query.String(),
		func(ctx context.Context, position string, limit int) (domain.Slice[domain.Widget], error) {
			return t.store.Slice(ctx, query, position, limit)
		}}
}

// orders returns a query for each order, of the widgets of one owner. Nil means every
// owner.
func orders(owner *domain.UUID) []domain.WidgetQuery {
	return []domain.WidgetQuery{
		{Sort: domain.ByCreation, Owner: owner},
		{Sort: domain.ByCreation, Owner: owner, Reverse: true},
		{Sort: domain.ByDeadline, Owner: owner},
		{Sort: domain.ByDeadline, Owner: owner, Reverse: true},
	}
}

// listOf returns the list that the query describes. All widgets are in order of creation.
func listOf(query domain.WidgetQuery, all []domain.Widget) []domain.Widget {
	var list []domain.Widget
	for _, w := range all {
		if query.Includes(w) {
			list = append(list, w)
		}
	}
	if query.Sort == domain.ByDeadline {
		slices.SortStableFunc(list, func(a, b domain.Widget) int { return a.Deadline.Time().Compare(b.Deadline.Time()) })
	}
	if query.Reverse {
		slices.Reverse(list)
	}
	return list
}

// wantSlices wants exactly these widgets, which are in order of creation, in each order, of
// all owners, of each owner, and of one without widgets.
func (t widgets) wantSlices(all ...domain.Widget) {
	t.Helper()
	owners := []domain.UUID{{}, sample.ID(1 << 30)} // of nobody
	for _, w := range all {
		if !slices.Contains(owners, w.Owner.PublicID) {
			owners = append(owners, w.Owner.PublicID)
		}
	}
	queries := orders(nil)
	for _, owner := range owners {
		queries = append(queries, orders(&owner)...)
	}
	for _, query := range queries {
		t.slicesOf(query).want(listOf(query, all)...)
	}
}

// due returns a widget with a deadline.
func due(name string, at time.Time) domain.Widget {
	w := sample.Widget(name)
	w.Deadline = domain.RestoreDeadline(at)
	return w
}

// dueIn is due for a deadline some milliseconds after [sample.Time].
func dueIn(name string, ms int) domain.Widget {
	return due(name, sample.Time().Add(time.Duration(ms)*time.Millisecond))
}

func deadlineIn(ms int) *domain.Deadline {
	deadline := dueIn("any", ms).Deadline
	return &deadline
}

// sliceByCreation tests names, times of creation and deadlines in other orders.
func (t widgets) sliceByCreation() {
	var all []domain.Widget
	for i, name := range []string{"m", "z", "a", "10", "9", "b", "_", "y", "-"} {
		w := dueIn(name, 5*i%7)
		w.CreatedAt = w.CreatedAt.Add(-time.Duration(i/2) * time.Hour)
		t.add(w)
		all = append(all, w)
		if i < 3 || i == 8 {
			for _, query := range orders(nil)[:2] {
				t.slicesOf(query).want(listOf(query, all)...)
			}
		}
	}
}

// sliceByDeadline tests deadlines that differ by a millisecond, and deadlines before 1970 and
// after 2262, when the nanoseconds since 1970 need more than 64 bits.
func (t widgets) sliceByDeadline() {
	all := []domain.Widget{
		dueIn("m", 1000), dueIn("z", 999), dueIn("a", 0), dueIn("9", 1001), dueIn("b", -1), dueIn("c", 70000),
		due("latest", time.Date(9999, time.December, 31, 23, 59, 59, 999*int(time.Millisecond), time.UTC)),
		due("epoch", time.Unix(0, 0)),
		due("before-epoch", time.UnixMilli(-1)),
		due("later", time.Date(2300, time.January, 1, 0, 0, 0, 0, time.UTC)),
		due("oldest", time.Date(1, time.January, 1, 0, 0, 0, int(time.Millisecond), time.UTC)),
		due("after-epoch", time.UnixMilli(1)),
	}
	t.add(all...)
	for _, query := range orders(nil)[2:] {
		t.slicesOf(query).want(listOf(query, all)...)
	}
}

// sliceOfEqualDeadlines tests equal deadlines, also of widgets that get an equal deadline later.
func (t widgets) sliceOfEqualDeadlines() {
	var all []domain.Widget
	for i, name := range []string{"m", "z", "a", "10", "9", "b", "_", "y", "k"} {
		all = append(all, dueIn(name, i%3/2)) // two of three are equal
	}
	t.add(all...)
	t.wantSlices(all...)
	for _, i := range []int{8, 2, 5} {
		all[i] = t.change(all[i], domain.WidgetChange{Deadline: &all[0].Deadline})
	}
	t.wantSlices(all...)
}

// sliceOfOneOwner tests owners whose ids differ by one, in the first or in the last byte.
func (t widgets) sliceOfOneOwner() {
	other := sample.ID(2)
	other[0] = 1
	var all []domain.Widget
	for i := range 14 {
		w := dueIn(fmt.Sprintf("w%d", 100-i), 5*i%7)
		w.Owner = domain.OwnerOf(sample.User(1 + i*5%3))
		if i%7 == 6 {
			w.Owner = domain.Owner{PublicID: other}
		}
		t.add(w)
		all = append(all, w)
	}
	t.wantSlices(all...)
}

// sliceWithBounds tests bounds at each deadline, a millisecond before and after it.
func (t widgets) sliceWithBounds() {
	var all []domain.Widget
	for i, ms := range []int{10, 0, 20, 10, 30, 20, 10} {
		w := dueIn(fmt.Sprintf("w%d", 100-i), ms)
		w.Owner = domain.OwnerOf(sample.User(1 + i%2))
		all = append(all, w)
	}
	t.add(all...)
	bounds := []*domain.Deadline{nil}
	for _, ms := range []int{0, 10, 20, 30} {
		bounds = append(bounds, deadlineIn(ms-1), deadlineIn(ms), deadlineIn(ms+1))
	}
	for _, from := range bounds {
		for _, to := range bounds {
			for _, query := range append(orders(nil)[2:], orders(new(sample.ID(1)))[2:]...) {
				query.From, query.To = from, to
				var want []domain.Widget
				for _, w := range listOf(domain.WidgetQuery{Sort: query.Sort, Reverse: query.Reverse, Owner: query.Owner}, all) {
					at := w.Deadline.Time().UnixMilli()
					if (from == nil || at >= from.Time().UnixMilli()) && (to == nil || at <= to.Time().UnixMilli()) {
						want = append(want, w)
					}
				}
				list := t.slicesOf(query)
				list.wantSame(list.walk(2, func(domain.Slice[domain.Widget]) {}), want)
			}
		}
	}
}

// sliceWithBoundsInTheWrongOrder wants empty lists, also for the first and the last
// possible time.
func (t widgets) sliceWithBoundsInTheWrongOrder() {
	all := []domain.Widget{dueIn("a", 0), dueIn("b", 10), dueIn("c", 20)}
	t.add(all...)
	first := domain.RestoreDeadline(time.Date(0, time.January, 1, 0, 0, 0, 0, time.UTC))
	last := domain.RestoreDeadline(time.Date(9999, time.December, 31, 23, 59, 59, 999*int(time.Millisecond), time.UTC))
	for _, query := range append(orders(nil)[2:], orders(&all[0].Owner.PublicID)[2:]...) {
		for _, bounds := range [][2]*domain.Deadline{
			{deadlineIn(20), deadlineIn(0)}, {deadlineIn(10), deadlineIn(9)}, {deadlineIn(11), deadlineIn(10)}, {&last, &first}, {&last, deadlineIn(10)},
			{deadlineIn(21), nil}, {nil, deadlineIn(-1)}, {&last, nil}, {nil, &first},
		} {
			query.From, query.To = bounds[0], bounds[1]
			t.slicesOf(query).want()
		}
		query.From, query.To = &first, &last
		t.slicesOf(query).want(listOf(query, all)...)
	}
}

// sliceLimits wants a next position if and only if a widget follows, whatever the limit.
func (t widgets) sliceLimits() {
	var all []domain.Widget
	for i := range 7 {
		w := dueIn(fmt.Sprintf("w%d", i), i/2)
		t.add(w)
		all = append(all, w)
		t.wantSlices(all...)
	}
	for _, query := range orders(nil)[2:] { // widgets follow, but not in the list
		query.From, query.To = deadlineIn(1), deadlineIn(2)
		t.slicesOf(query).want(listOf(query, all)...)
	}
}

// slicePositions wants a position of a list in another order, and a text that is no
// position, to be refused.
func (t widgets) slicePositions() {
	all := []domain.Widget{dueIn("a", 0), dueIn("b", 10), dueIn("c", 20)}
	t.add(all...)
	for _, owner := range []*domain.UUID{nil, &all[0].Owner.PublicID} {
		byCreation := t.slicesOf(domain.WidgetQuery{Sort: domain.ByCreation, Owner: owner})
		byDeadline := t.slicesOf(domain.WidgetQuery{Sort: domain.ByDeadline, Owner: owner})
		byCreation.wantInvalid(byDeadline.read("", 1).Next)
		byDeadline.wantInvalid(byCreation.read("", 1).Next)
		bounded := t.slicesOf(domain.WidgetQuery{Sort: domain.ByDeadline, Owner: owner, From: deadlineIn(0), To: deadlineIn(20), Reverse: true})
		bounded.wantInvalid(byCreation.read("", 1).Next)
	}
}

// sliceFollowsDeadlines moves widgets in the order of deadlines.
func (t widgets) sliceFollowsDeadlines() {
	all := []domain.Widget{dueIn("d", 0), dueIn("c", 10), dueIn("b", 20), dueIn("a", 30)}
	t.add(all...)
	for _, move := range []struct{ i, ms int }{{0, 40}, {3, -10}, {1, 40}, {1, 10}, {2, 20}, {0, 10}} {
		all[move.i] = t.change(all[move.i], domain.WidgetChange{Deadline: deadlineIn(move.ms)})
		t.wantSlices(all...)
	}
	other := sample.InfoURL("https://example.com/other") // of a field that no list depends on
	all[2] = t.change(all[2], domain.WidgetChange{InfoURL: &other})
	t.wantSlices(all...)
	t.wantNotChanged(all[0], domain.WidgetChange{Deadline: deadlineIn(50)}, version(1))
	t.wantSlices(all...)
}

// sliceFollowsOwners hands widgets over, also together with another deadline.
func (t widgets) sliceFollowsOwners() {
	all := []domain.Widget{dueIn("d", 0), dueIn("c", 10), dueIn("b", 20), dueIn("a", 30)}
	for i := range all {
		all[i].Owner = domain.OwnerOf(sample.User(1 + i%2))
	}
	t.add(all...)
	for _, move := range []struct{ i, owner, ms int }{{0, 2, 0}, {1, 3, 10}, {0, 1, 25}, {3, 1, 30}, {2, 1, -5}} {
		owner := domain.OwnerOf(sample.User(move.owner))
		all[move.i] = t.change(all[move.i], domain.WidgetChange{Owner: &owner, Deadline: deadlineIn(move.ms)})
		t.wantSlices(all...)
	}
	for n := range 4 {
		for _, query := range orders(new(sample.ID(n))) { // also of owners who have no widgets any more
			t.slicesOf(query).want(listOf(query, all)...)
		}
	}
}

// sliceFollowsDeletes deletes widgets, and adds some again.
func (t widgets) sliceFollowsDeletes() {
	all := []domain.Widget{dueIn("e", 0), dueIn("d", 10), dueIn("c", 10), dueIn("b", 20), dueIn("a", 30)}
	t.add(all...)
	for _, i := range []int{2, 0, 2, 0} {
		deleted := all[i]
		t.remove(deleted)
		all = slices.Delete(all, i, i+1)
		t.wantSlices(all...)
		if i == 2 {
			t.add(deleted)
			all = append(all, deleted)
			t.wantSlices(all...)
			t.remove(deleted)
			all = all[:len(all)-1]
		}
	}
}

// crowd is a set of widgets for a walk through a list that changes meanwhile. All are in
// order of creation.
type crowd struct {
	prefix string
	all    []domain.Widget
	still  []domain.Widget // those that are not deleted and not moved
}

// crowdOwner is the owner of the widgets in a crowd.
func crowdOwner() domain.Owner { return domain.OwnerOf(sample.User(1)) }

// crowdHeir is the owner to whom widgets of a crowd are handed over.
func crowdHeir() domain.Owner { return domain.OwnerOf(sample.User(2)) }

// newCrowd returns widgets that stay as they are (their names end in "stays"), that are
// deleted ("deleted"), whose deadline moves ("moved") and that are handed over ("handed").
func newCrowd(prefix string) crowd {
	c := crowd{prefix: prefix}
	for i := range 8 {
		for k, kind := range []string{"stays", "deleted", "moved", "handed"} {
			w := dueIn(fmt.Sprintf("%s-%d-%s", prefix, i, kind), 100*(i/3)+k%2)
			w.Owner = crowdOwner()
			c.all = append(c.all, w)
			if kind == "stays" {
				c.still = append(c.still, w)
			}
		}
	}
	return c
}

// isStill reports whether a widget was there all the time and did not move.
func (c crowd) isStill(w domain.Widget) bool { return slices.Contains(c.still, w) }

// sliceBetweenWrites walks through each list. After each slice it deletes, moves and hands
// over widgets before and behind the position, the one at the position among them, and
// creates new ones.
func (t widgets) sliceBetweenWrites() {
	for n, query := range append(orders(nil), orders(new(crowdOwner().PublicID))...) {
		for _, limit := range []int{1, 3} {
			c := newCrowd(fmt.Sprintf("list-%d-%d", n, limit))
			t.batches().add(c.all)
			list, created := t.slicesOf(query), 0
			got := list.walk(limit, func(slice domain.Slice[domain.Widget]) {
				last := slice.Items[len(slice.Items)-1]
				t.disturb(last)
				if i := slices.IndexFunc(c.all, func(w domain.Widget) bool { return w.Name == last.Name }); i >= 0 {
					t.disturb(c.all[(i+1)%len(c.all)])
					t.disturb(c.all[(i+len(c.all)-3)%len(c.all)])
				}
				if created < 6 { // else a walk by creation has no end
					created++
					w := dueIn(fmt.Sprintf("%s-%d-new", c.prefix, created), 100*created-250)
					w.Owner = crowdOwner()
					t.add(w)
				}
			})
			still := slices.DeleteFunc(got, func(w domain.Widget) bool { return !c.isStill(w) })
			list.wantSame(still, listOf(query, c.still))
			t.removeAll()
		}
	}
}

// disturb changes a widget of a crowd as its name says. The widget may be as it was before
// an earlier call.
func (t widgets) disturb(w domain.Widget) {
	t.Helper()
	var err error
	heir := crowdHeir()
	switch name := w.Name.String(); {
	case strings.HasSuffix(name, "deleted"):
		_, err = t.store.Delete(t.Context(), w.Name, domain.Condition{})
		if domain.KindOf(err) == domain.NotFound { // an earlier call has deleted it
			err = nil
		}
	case strings.HasSuffix(name, "moved"):
		_, err = t.store.Update(t.Context(), w.Name, domain.WidgetChange{Deadline: deadlineIn(int(w.Version%2)*2000 - 1000)}, domain.Condition{})
	case strings.HasSuffix(name, "handed"):
		_, err = t.store.Update(t.Context(), w.Name, domain.WidgetChange{Owner: &heir}, domain.Condition{})
	}
	if err != nil {
		t.Fatalf("a write of %s during a walk failed: %v", w.Name, err)
	}
}

// removeAll deletes every widget.
func (t widgets) removeAll() {
	t.Helper()
	all := t.pages().read(1, 100).Items
	wantNoErrors(t.T, "Delete", race(len(all), func(i int) error {
		return errorOf(t.store.Delete(t.Context(), all[i].Name, domain.Condition{}))
	}))
	t.slicesOf(orders(nil)[0]).want()
}

// sliceDuringWrites walks through each list while other goroutines create, move, hand over
// and delete widgets. Between two slices at least one write is done.
func (t widgets) sliceDuringWrites() {
	const writers, limit = 8, 20 // more than the widgets of the writers, so that a walk by creation ends
	still := sample.Widgets(70)
	for i := range still {
		still[i] = dueIn(still[i].Name.String(), i*7%10)
		still[i].Owner = crowdOwner()
	}
	t.batches().add(still)
	wrote, stop := make(chan struct{}), make(chan struct{})
	errs := make([]error, writers)
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			for errs[i] == nil {
				errs[i] = t.createMoveAndDelete(i)
				select {
				case <-stop:
					return
				case wrote <- struct{}{}:
				default: // nobody waits for a write
				}
			}
		})
	}
	failed := make(chan struct{})
	go func() {
		writing.Wait()
		close(failed)
	}()
	defer func() {
		close(stop)
		<-failed
		wantNoErrors(t.T, "a write", errs)
	}()
	for _, query := range append(orders(nil), orders(new(crowdOwner().PublicID))...) {
		list := t.slicesOf(query)
		got := list.walk(limit, func(domain.Slice[domain.Widget]) {
			select {
			case <-wrote:
			case <-failed:
			}
		})
		got = slices.DeleteFunc(got, func(w domain.Widget) bool { return !slices.Contains(still, w) })
		list.wantSame(got, listOf(query, still))
	}
}

// createMoveAndDelete adds the widget of a writer, moves it in the order of deadlines, hands
// it over and deletes it.
func (t widgets) createMoveAndDelete(writer int) error {
	w := dueIn(fmt.Sprintf("writer-%d", writer), -1)
	w.Owner = crowdOwner()
	if err := t.store.Add(t.Context(), w); err != nil {
		return err
	}
	heir := crowdHeir()
	for _, change := range []domain.WidgetChange{{Deadline: deadlineIn(5)}, {Owner: &heir}, {Deadline: deadlineIn(11)}, {Owner: &w.Owner}} {
		if _, err := t.store.Update(t.Context(), w.Name, change, domain.Condition{}); err != nil {
			return err
		}
	}
	return errorOf(t.store.Delete(t.Context(), w.Name, domain.Condition{}))
}
