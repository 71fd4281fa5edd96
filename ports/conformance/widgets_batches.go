package conformance

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func (t widgets) batches() batches[domain.Widget] {
	return batches[domain.Widget]{t.T, t.store.AddAll}
}

// addAll tests an empty batch, one widget, several, and calls of Add between.
func (t widgets) addAll() {
	t.batches().add(nil)
	t.wantList()
	a, b, c, d, e := sample.Widget("w9"), sample.Widget("w3"), sample.Widget("w7"), sample.Widget("w1"), sample.Widget("w5")
	b.CreatedAt = b.CreatedAt.AddDate(-1, 0, 0)
	e.Owner = domain.Owner{PublicID: sample.ID(7)} // an owner whose account was deleted
	t.add(a)
	t.batches().add([]domain.Widget{b})
	t.batches().add([]domain.Widget{c, d})
	t.add(e)
	t.wantList(a, b, c, d, e)
	t.wantSlices(a, b, c, d, e)
	t.wantRefused(d)
	c = t.change(c, changeTo("changed"))
	t.remove(d)
	t.wantList(a, b, c, e)
}

// addAllDuplicates tests names that are taken in the store, and earlier in the batch.
func (t widgets) addAllDuplicates() {
	stored, kept := sample.Widget("stored"), sample.Widget("kept")
	t.add(stored, kept)
	first, last := sample.Widget("first"), sample.Widget("last")
	other := func(w domain.Widget) domain.Widget {
		w = changed(w, "other")
		w.Owner = domain.OwnerOf(sample.User(9))
		return w
	}
	t.batches().add([]domain.Widget{other(stored), first, other(first), stored, last, first}, 0, 2, 3, 5)
	t.wantList(stored, kept, first, last)
	t.wantSlices(stored, kept, first, last)
	t.batches().add([]domain.Widget{stored, last}, 0, 1)
	t.wantList(stored, kept, first, last)
}

// addAllOfMany adds several hundred widgets in one call.
func (t widgets) addAllOfMany() {
	all := t.many()
	t.batches().add(append(all[:len(all):len(all)], all[len(all)-1], all[0]), len(all), len(all)+1)
	t.wantMany(all)
}

// many returns several hundred widgets of one owner.
func (t widgets) many() (all []domain.Widget) {
	if testing.Short() {
		t.Skip("-short: the test adds 330 widgets")
	}
	for i := range 330 {
		w := sample.Widget(fmt.Sprintf("w%d", 10000-i))
		w.Owner = domain.OwnerOf(sample.User(1))
		all = append(all, w)
	}
	return all
}

// wantMany is wantList and wantSlices for many widgets of one owner: it reads each once.
func (t widgets) wantMany(all []domain.Widget) {
	t.Helper()
	t.pages().wantPage(1, 100, all)
	t.pages().wantPage(len(all)/100, 100, all)
	for _, query := range []domain.WidgetQuery{{Sort: domain.ByCreation}, {Sort: domain.ByDeadline, Owner: &all[0].Owner.PublicID}} {
		list := t.slicesOf(query)
		list.wantSame(list.walk(400, func(domain.Slice[domain.Widget]) {}), listOf(query, all))
	}
}

// raceOfBatches adds the same names in simultaneous calls of AddAll.
func (t widgets) raceOfBatches() {
	var all []domain.Widget
	for round := range rounds {
		batch := make([][]domain.Widget, contenders)
		for i := range batch {
			for k := range 5 {
				w := changed(sample.Widget(fmt.Sprintf("round-%d-%d", round, k)), strconv.Itoa(i))
				batch[i] = append(batch[i], w)
			}
		}
		all = append(all, t.batches().race(batch)...)
		t.wantListInAnyOrder(all)
	}
}

func (t widgets) contextEndsDuringAddAll() {
	var all []domain.Widget
	batch := make([][]domain.Widget, contenders)
	for i := range batch {
		for k := range 5 {
			batch[i] = append(batch[i], sample.Widget(fmt.Sprintf("batch-%d-%d", i, k)))
		}
		all = append(all, batch[i]...)
	}
	t.batches().addWhileTheContextEnds(batch)
	for _, w := range all {
		t.wantKept(w)
	}
	if got := t.pages().read(1, 5).TotalItems; got != len(all) {
		t.Fatalf("List counts %d widgets, want %d", got, len(all))
	}
}
