package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// WidgetRepository tests an implementation of [ports.WidgetRepository]. Open has the
// same meaning as for [UserRepository]. The owners of the widgets have no account in
// the store.
func WidgetRepository(t *testing.T, open func(t *testing.T) ports.WidgetRepository) {
	run(t, func(t *testing.T) widgets { return widgets{t, open(t)} }, []promise[widgets]{
		{"Empty", widgets.empty},
		{"KeepsEveryField", widgets.keepsEveryField},
		{"CreationOrder", widgets.creationOrder},
		{"CreationOrderOfMany", widgets.creationOrderOfMany},
		{"Paging", widgets.paging},
		{"UniqueName", widgets.uniqueName},
		{"RaceForName", widgets.raceForName},
		{"ConcurrentAdds", widgets.concurrentAdds},
		{"Update", widgets.update},
		{"UpdateOfOneField", widgets.updateOfOneField},
		{"UpdateOfUnknownName", widgets.updateOfUnknownName},
		{"ConcurrentUpdates", widgets.concurrentUpdates},
		{"Delete", widgets.delete},
		{"AddAfterDelete", widgets.addAfterDelete},
		{"RaceToDelete", widgets.raceToDelete},
		{"UpdatesRaceDelete", widgets.updatesRaceDelete},
		{"AddsRaceDeletes", widgets.addsRaceDeletes},
		{"KeepsVersions", widgets.keepsVersions},
		{"WritesRaiseTheVersion", widgets.writesRaiseTheVersion},
		{"UpdateWithCondition", widgets.updateWithCondition},
		{"DeleteWithCondition", widgets.deleteWithCondition},
		{"ConditionOfUnknownName", widgets.conditionOfUnknownName},
		{"RaceToUpdateVersion", widgets.raceToUpdateVersion},
		{"RaceToDeleteVersion", widgets.raceToDeleteVersion},
		{"RaceForVersion", widgets.raceForVersion},
		{"AddAll", widgets.addAll},
		{"AddAllDuplicates", widgets.addAllDuplicates},
		{"AddAllOfMany", widgets.addAllOfMany},
		{"RaceOfBatches", widgets.raceOfBatches},
		{"SliceByCreation", widgets.sliceByCreation},
		{"SliceByDeadline", widgets.sliceByDeadline},
		{"SliceOfEqualDeadlines", widgets.sliceOfEqualDeadlines},
		{"SliceOfOneOwner", widgets.sliceOfOneOwner},
		{"SliceWithBounds", widgets.sliceWithBounds},
		{"SliceWithBoundsInTheWrongOrder", widgets.sliceWithBoundsInTheWrongOrder},
		{"SliceLimits", widgets.sliceLimits},
		{"SlicePositions", widgets.slicePositions},
		{"SliceFollowsDeadlines", widgets.sliceFollowsDeadlines},
		{"SliceFollowsOwners", widgets.sliceFollowsOwners},
		{"SliceFollowsDeletes", widgets.sliceFollowsDeletes},
		{"SliceBetweenWrites", widgets.sliceBetweenWrites},
		{"SliceDuringWrites", widgets.sliceDuringWrites},
		{"RemoveOwnerEmail", widgets.removeOwnerEmail},
		{"RemoveOwnerEmailOfMany", widgets.removeOwnerEmailOfMany},
		{"RemoveOwnerEmailRacesUpdates", widgets.removeOwnerEmailRacesUpdates},
		{"CallerOwnsItems", widgets.callerOwnsItems},
		{"EndedContext", widgets.endedContext},
		{"ContextEndsDuringAdd", widgets.contextEndsDuringAdd},
		{"ContextEndsDuringRead", widgets.contextEndsDuringRead},
		{"ContextEndsDuringUpdate", widgets.contextEndsDuringUpdate},
		{"ContextEndsDuringDelete", widgets.contextEndsDuringDelete},
		{"ContextEndsDuringAddAll", widgets.contextEndsDuringAddAll},
		{"ContextEndsDuringRemoveOwnerEmail", widgets.contextEndsDuringRemoveOwnerEmail},
	})
}

// widgets is a test of one store.
type widgets struct {
	*testing.T
	store ports.WidgetRepository
}

func (t widgets) empty() {
	t.wantList()
	t.wantSlices()
	t.wantUnknown(sample.WidgetName("unknown"))
}

func (t widgets) keepsEveryField() {
	plain := sample.Widget("plain")
	longest := sample.Widget(strings.Repeat("w", domain.MaxWidgetNameBytes))
	link := "https://例え.example/пример?q=é&r=%00#§"
	longest.InfoURL = sample.InfoURL(link + strings.Repeat("u", domain.MaxInfoURLBytes-len(link)))
	longest.Owner = domain.Owner{PublicID: sample.ID(math.MaxInt32), Email: sample.Email(strings.Repeat("Ä", 121) + "@example.com")}
	latest := sample.Widget("latest")
	latest.Deadline = domain.RestoreDeadline(time.Date(9999, time.December, 31, 23, 59, 59, 999*int(time.Millisecond), time.UTC))
	latest.CreatedAt = latest.Deadline.Time()
	passed := sample.Widget("passed")
	passed.Deadline = domain.RestoreDeadline(time.Date(2001, time.September, 9, 1, 46, 40, int(time.Millisecond), time.UTC))
	passed.CreatedAt = passed.Deadline.Time().Add(-time.Hour)
	all := []domain.Widget{plain, longest, latest, passed}
	for _, text := range []string{"0", "-", "_", "--", "a", "aa", "a-", "a_", "null", "id"} {
		all = append(all, sample.Widget(text))
	}

	for _, w := range all {
		t.add(w)
		t.wantKept(w)
	}
	t.wantList(all...)
}

// creationOrder tests that the order is that of the calls of Add. The order must not
// depend on names or on CreatedAt.
func (t widgets) creationOrder() {
	var all []domain.Widget
	for i, text := range []string{"m", "z", "a", "10", "9", "b", "_", "y"} {
		w := sample.Widget(text)
		if i > 2 { // the first three have equal times
			w.CreatedAt = w.CreatedAt.Add(-time.Duration(i) * time.Hour)
		}
		t.add(w)
		all = append(all, w)
	}
	t.wantList(all...)
}

// creationOrderOfMany adds more than 256 widgets. An order that depends on one byte or
// on two decimal digits then fails.
func (t widgets) creationOrderOfMany() {
	if testing.Short() {
		t.Skip("-short: the test makes 260 writes, one after the other")
	}
	var all []domain.Widget
	for i := range 260 {
		w := sample.Widget(fmt.Sprintf("w%d", 1000-i))
		t.add(w)
		all = append(all, w)
	}
	for number := 1; number <= 3; number++ {
		t.pages().wantPage(number, 100, all)
	}
}

func (t widgets) paging() {
	var all []domain.Widget
	for i := range 11 { // from an empty list to three pages of five
		t.wantList(all...)
		w := sample.Widget(fmt.Sprintf("w%d", i))
		t.add(w)
		all = append(all, w)
	}
	t.wantList(all...)
}

func (t widgets) uniqueName() {
	first, other := sample.Widget("first"), sample.Widget("other")
	t.add(first, other)
	again := changed(first, "again")
	again.Owner = domain.Owner{PublicID: sample.ID(9), Email: sample.Email("mallory@example.com")}
	for _, refused := range []domain.Widget{again, first} {
		t.wantRefused(refused)
		t.wantList(first, other)
	}
}

func (t widgets) raceForName() {
	var all []domain.Widget
	for round := range rounds {
		candidates := make([]domain.Widget, contenders)
		for i := range candidates {
			candidates[i] = changed(sample.Widget(fmt.Sprintf("round-%d", round)), strconv.Itoa(i))
		}
		errs := race(contenders, func(i int) error { return t.store.Add(t.Context(), candidates[i]) })
		all = append(all, candidates[winner(t.T, "Add of one name", errs, domain.AlreadyExists)])
		t.wantList(all...)
	}
}

func (t widgets) concurrentAdds() {
	all := sample.Widgets(contenders)
	wantNoErrors(t.T, "Add of a widget of its own", race(contenders, func(i int) error {
		if err := t.store.Add(t.Context(), all[i]); err != nil {
			return err
		}
		_, err := t.store.ByName(t.Context(), all[i].Name) // at once after Add
		return err
	}))
	t.wantListInAnyOrder(all)
}

func (t widgets) update() {
	first, second, third := sample.Widget("first"), sample.Widget("second"), sample.Widget("third")
	t.add(first, second, third)
	for _, text := range []string{"once", "once", "twice"} { // the second update changes nothing and must succeed
		second = t.change(second, changeTo(text))
		t.wantList(first, second, third)
	}
	latest := domain.RestoreDeadline(time.Date(9999, time.December, 31, 23, 59, 59, 999*int(time.Millisecond), time.UTC))
	second = t.change(second, domain.WidgetChange{Deadline: &latest})
	longest := sample.InfoURL("http://example.com/" + strings.Repeat("u", domain.MaxInfoURLBytes-len("http://example.com/")))
	first = t.change(first, domain.WidgetChange{InfoURL: &longest})
	t.wantList(first, second, third)
}

// updateOfOneField wants every field that the change does not have to be kept.
func (t widgets) updateOfOneField() {
	w, other := sample.Widget("w"), sample.Widget("other")
	t.add(w, other)
	fields, bob := sample.WidgetFields("changed"), domain.OwnerOf(sample.User(2))
	w = t.change(w, domain.WidgetChange{InfoURL: &fields.InfoURL})
	w = t.change(w, domain.WidgetChange{Deadline: &fields.Deadline})
	w = t.change(w, domain.WidgetChange{Owner: &bob})
	bob.Email = domain.Email{} // an owner whose account was deleted
	w = t.change(w, domain.WidgetChange{Owner: &bob})
	t.wantList(w, other)
}

func (t widgets) updateOfUnknownName() {
	kept := sample.Widget("kept")
	t.add(kept)
	t.wantUnknown(sample.WidgetName("unknown"))
	t.wantList(kept)
}

// concurrentUpdates wants the calls to take effect one after the other.
func (t widgets) concurrentUpdates() {
	first, contended := sample.Widget("first"), sample.Widget("contended")
	t.add(first, contended)
	for round := range rounds {
		writes := make([]widgetWrite, contenders)
		wantNoErrors(t.T, "Update of one widget", race(contenders, func(i int) (err error) {
			change := changeTo(fmt.Sprintf("%d/%d", round, i))
			before, err := t.store.Update(t.Context(), contended.Name, change, domain.Condition{})
			writes[i] = widgetWrite{before, change}
			return err
		}))
		contended = t.wantOneAfterTheOther(contended, writes)
		t.wantList(first, contended)
	}
}

func (t widgets) delete() {
	all := sample.Widgets(8)
	t.add(all...)
	for _, i := range []int{7, 0, 3, 0, 0, 1, 1, 0} { // the last, the first, one from the middle, and so on
		deleted := all[i]
		all = slices.Delete(all, i, i+1)
		t.remove(deleted)
		t.wantUnknown(deleted.Name)
		t.wantList(all...)
	}
}

func (t widgets) addAfterDelete() {
	first, second, third := sample.Widget("first"), sample.Widget("second"), sample.Widget("third")
	t.add(first, second, third)
	t.remove(first)
	t.remove(third)
	again := changed(first, "again")
	again.CreatedAt = again.CreatedAt.Add(-time.Hour)
	again.Owner = domain.Owner{PublicID: sample.ID(9), Email: sample.Email("bob@example.com")}
	t.add(again)
	t.wantList(second, again)
	t.add(third)
	t.wantList(second, again, third)
	t.wantRefused(first)
	t.wantList(second, again, third)
}

func (t widgets) raceToDelete() {
	kept := sample.Widget("kept")
	t.add(kept)
	for range rounds {
		contended := sample.Widget("contended")
		t.add(contended)
		deleted := make([]domain.Widget, contenders)
		errs := race(contenders, func(i int) (err error) {
			deleted[i], err = t.store.Delete(t.Context(), contended.Name, domain.Condition{})
			return err
		})
		won := winner(t.T, "Delete of one widget", errs, domain.NotFound)
		t.wantBefore("Delete", deleted[won], contended)
		t.wantUnknown(contended.Name)
		t.wantList(kept)
	}
}

// updatesRaceDelete wants no update to restore the deleted widget, and the calls to take
// effect one after the other, the successful Delete last.
func (t widgets) updatesRaceDelete() {
	kept := sample.Widget("kept")
	t.add(kept)
	for range rounds {
		contended := sample.Widget("contended")
		t.add(contended)
		writes := make([]widgetWrite, contenders)
		errs := race(contenders, func(i int) (err error) {
			if i%2 == 0 {
				writes[i].before, err = t.store.Delete(t.Context(), contended.Name, domain.Condition{})
				return err
			}
			writes[i].change = changeTo(strconv.Itoa(i))
			writes[i].before, err = t.store.Update(t.Context(), contended.Name, writes[i].change, domain.Condition{})
			return err
		})
		var deletes []error
		var updates []widgetWrite
		for i, err := range errs {
			switch {
			case i%2 == 0:
				deletes = append(deletes, err)
			case err == nil:
				updates = append(updates, writes[i])
			default:
				wantKind(t.T, "Update of a widget that is being deleted", err, domain.NotFound)
			}
		}
		last := t.wantOneAfterTheOther(contended, updates)
		won := winner(t.T, "Delete of one widget", deletes, domain.NotFound)
		t.wantBefore("Delete", writes[2*won].before, last)
		t.wantUnknown(contended.Name)
		t.wantList(kept)
	}
}

// addsRaceDeletes tests TotalItems, which every Add and Delete changes.
func (t widgets) addsRaceDeletes() {
	old := sample.Widgets(contenders / 2)
	wantNoErrors(t.T, "Add", race(len(old), func(i int) error { return t.store.Add(t.Context(), old[i]) }))
	var fresh []domain.Widget
	for i := range old {
		fresh = append(fresh, sample.Widget(fmt.Sprintf("fresh-%d", i)))
	}
	wantNoErrors(t.T, "Add or Delete of a widget of its own", race(contenders, func(i int) error {
		if i%2 == 0 {
			return errorOf(t.store.Delete(t.Context(), old[i/2].Name, domain.Condition{}))
		}
		return t.store.Add(t.Context(), fresh[i/2])
	}))
	t.wantListInAnyOrder(fresh)
}

func (t widgets) callerOwnsItems() {
	all := sample.Widgets(6)
	t.add(all...)
	page := t.pages().read(1, 5)
	for i := range page.Items {
		page.Items[i] = sample.Widget("overwritten")
	}
	_ = append(page.Items, sample.Widget("appended"))
	for _, query := range orders(nil) {
		slice := t.slicesOf(query).read("", 5)
		for i := range slice.Items {
			slice.Items[i] = sample.Widget("overwritten")
		}
		_ = append(slice.Items, sample.Widget("appended"))
	}
	t.wantList(all...)
	t.wantSlices(all...)
}

func (t widgets) endedContext() {
	kept, fresh := sample.Widget("kept"), sample.Widget("fresh")
	t.add(kept)
	eachEnded(t.T, func(how string, ctx context.Context) {
		wantKind(t.T, "Add "+how, t.store.Add(ctx, fresh), domain.Unavailable)
		wantKind(t.T, "Add of a taken name "+how, t.store.Add(ctx, kept), domain.Unavailable)
		wantKind(t.T, "Update "+how, errorOf(t.store.Update(ctx, kept.Name, changeTo("changed"), domain.Condition{})), domain.Unavailable)
		wantKind(t.T, "Delete "+how, errorOf(t.store.Delete(ctx, kept.Name, domain.Condition{})), domain.Unavailable)
		wantKind(t.T, "AddAll "+how, errorOf(t.store.AddAll(ctx, []domain.Widget{fresh})), domain.Unavailable)
		wantKind(t.T, "RemoveOwnerEmail "+how, t.store.RemoveOwnerEmail(ctx, kept.Owner.PublicID), domain.Unavailable)
		wantKind(t.T, "ByName "+how, errorOf(t.store.ByName(ctx, kept.Name)), domain.Unavailable)
		wantKind(t.T, "List "+how, errorOf(t.store.List(ctx, sample.Page(1, 5))), domain.Unavailable)
		for _, query := range orders(&kept.Owner.PublicID) {
			wantKind(t.T, "Slice "+how, errorOf(t.store.Slice(ctx, query, "", 5)), domain.Unavailable)
		}
	})
	t.wantUnknown(fresh.Name)
	t.wantList(kept)
}

// contextEndsDuringAdd repeats each Add that returned Unavailable. The widget may
// be stored or not, but never in part.
func (t widgets) contextEndsDuringAdd() {
	all := sample.Widgets(contenders)
	errs := raceContexts(t.T, "Add", func(ctx context.Context, i int) error { return t.store.Add(ctx, all[i]) })
	for i, w := range all {
		if errs[i] != nil {
			if err := t.store.Add(t.Context(), w); err != nil && !errors.Is(err, domain.AlreadyExists) {
				t.Errorf("Add, called again after Unavailable, failed: %v", err)
			}
		}
	}
	t.wantListInAnyOrder(all)
}

// contextEndsDuringRead wants each read to return the right result or Unavailable.
func (t widgets) contextEndsDuringRead() {
	w := sample.Widget("gear")
	t.add(w)
	first := sample.Page(1, domain.DefaultPageSize)
	raceContexts(t.T, "ByName", func(ctx context.Context, _ int) error {
		got, err := t.store.ByName(ctx, w.Name)
		return orWrongResult(err, got == w)
	})
	raceContexts(t.T, "List", func(ctx context.Context, _ int) error {
		page, err := t.store.List(ctx, first)
		return orWrongResult(err, page.TotalItems == 1 && len(page.Items) == 1 && page.Items[0] == w)
	})
	for _, query := range []domain.WidgetQuery{{Sort: domain.ByCreation}, {Sort: domain.ByDeadline, Owner: &w.Owner.PublicID}} {
		raceContexts(t.T, "Slice", func(ctx context.Context, _ int) error {
			slice, err := t.store.Slice(ctx, query, "", 5)
			return orWrongResult(err, len(slice.Items) == 1 && slice.Items[0] == w && slice.Next == "")
		})
	}
}

// contextEndsDuringUpdate wants each call that returned nil to have stored all
// fields, and every other call all fields or none.
func (t widgets) contextEndsDuringUpdate() {
	all := sample.Widgets(contenders)
	t.add(all...)
	errs := raceContexts(t.T, "Update", func(ctx context.Context, i int) error {
		return errorOf(t.store.Update(ctx, all[i].Name, changeTo("changed"), domain.Condition{}))
	})
	for i, before := range all {
		after := changed(before, "changed")
		switch got, err := t.store.ByName(t.Context(), before.Name); {
		case err != nil:
			t.Errorf("ByName(%s) after Update failed: %v", before.Name, err)
		case got != after && (errs[i] == nil || got != before):
			t.Errorf("Update returned %v, and ByName returned\n\t%s, want\n\t%s", errs[i], show(got), show(after))
		}
	}
}

// contextEndsDuringDelete wants each call that returned nil to have deleted its
// widget.
func (t widgets) contextEndsDuringDelete() {
	all := sample.Widgets(contenders)
	t.add(all...)
	errs := raceContexts(t.T, "Delete", func(ctx context.Context, i int) error {
		return errorOf(t.store.Delete(ctx, all[i].Name, domain.Condition{}))
	})
	for i, w := range all {
		if errs[i] == nil {
			_, err := t.store.ByName(t.Context(), w.Name)
			wantKind(t.T, "ByName of a deleted widget", err, domain.NotFound)
		}
	}
}

// add adds widgets, one after the other.
func (t widgets) add(all ...domain.Widget) {
	t.Helper()
	for _, w := range all {
		if err := t.store.Add(t.Context(), w); err != nil {
			t.Fatalf("Add(%s) failed: %v", w.Name, err)
		}
	}
}

// change updates the widget w and wants Update to return it as it was before. It returns
// the widget as it is then.
func (t widgets) change(w domain.Widget, change domain.WidgetChange) domain.Widget {
	t.Helper()
	return t.changeIf(w, change, domain.Condition{})
}

func (t widgets) remove(w domain.Widget) {
	t.Helper()
	deleted, err := t.store.Delete(t.Context(), w.Name, domain.Condition{})
	if err != nil {
		t.Fatalf("Delete(%s) failed: %v", w.Name, err)
	}
	t.wantBefore("Delete", deleted, w)
}

// wantBefore compares the widget that a write returned with the widget as it was before.
func (t widgets) wantBefore(method string, got, want domain.Widget) {
	t.Helper()
	if got != want {
		t.Fatalf("%s returned\n\t%s, want the widget as it was before:\n\t%s", method, show(got), show(want))
	}
}

// widgetWrite is a successful call of Update.
type widgetWrite struct {
	before domain.Widget // the result
	change domain.WidgetChange
}

// wantOneAfterTheOther wants simultaneous updates of w to have taken effect one after the
// other, in the order of the versions that they returned. It returns the widget after the
// last one.
func (t widgets) wantOneAfterTheOther(w domain.Widget, writes []widgetWrite) domain.Widget {
	t.Helper()
	slices.SortStableFunc(writes, func(a, b widgetWrite) int { return cmp.Compare(a.before.Version, b.before.Version) })
	for i, write := range writes {
		if write.before != w {
			t.Fatalf("of simultaneous updates, number %d in the order of versions returned\n\t%s, want the widget after the one before:\n\t%s",
				i, show(write.before), show(w))
		}
		w = w.Changed(write.change)
	}
	return w
}

func (t widgets) wantRefused(w domain.Widget) {
	t.Helper()
	wantKind(t.T, fmt.Sprintf("Add(%s), whose name is taken,", w.Name), t.store.Add(t.Context(), w), domain.AlreadyExists)
}

func (t widgets) wantKept(want domain.Widget) {
	t.Helper()
	switch got, err := t.store.ByName(t.Context(), want.Name); {
	case err != nil:
		t.Fatalf("ByName(%s) failed: %v", want.Name, err)
	case got != want:
		t.Fatalf("ByName returned\n\t%s, want\n\t%s", show(got), show(want))
	}
}

// wantUnknown wants every method to return NotFound for the name, and no method
// to create a widget with it.
func (t widgets) wantUnknown(name domain.WidgetName) {
	t.Helper()
	wantKind(t.T, "Update of an unknown name", errorOf(t.store.Update(t.Context(), name, changeTo("changed"), domain.Condition{})), domain.NotFound)
	wantKind(t.T, "Delete of an unknown name", errorOf(t.store.Delete(t.Context(), name, domain.Condition{})), domain.NotFound)
	_, err := t.store.ByName(t.Context(), name)
	wantKind(t.T, "ByName of an unknown name", err, domain.NotFound)
}

// wantList wants exactly these widgets: by name, and in this order on the pages of the
// list.
func (t widgets) wantList(want ...domain.Widget) {
	t.Helper()
	for _, w := range want {
		t.wantKept(w)
	}
	t.pages().want(want)
}

// wantListInAnyOrder is wantList for widgets that were added at the same moment.
func (t widgets) wantListInAnyOrder(want []domain.Widget) {
	t.Helper()
	for _, w := range want {
		t.wantKept(w)
	}
	t.pages().wantInAnyOrder(want)
}

func (t widgets) pages() pages[domain.Widget] { return pages[domain.Widget]{t.T, t.store.List} }

// changeTo returns the change to all fields of [sample.WidgetFields] for the text.
func changeTo(text string) domain.WidgetChange { return sample.WidgetFields(text).ChangeAll() }

// changed returns w after [changeTo].
func changed(w domain.Widget, text string) domain.Widget { return w.Changed(changeTo(text)) }
