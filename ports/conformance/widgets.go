package conformance

import (
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
)

// WidgetRepository tests that the stores which open returns keep the promises of
// [ports.WidgetRepository]. Every call of open returns a fresh, empty store and
// registers what cleans it up with t.Cleanup. The widgets' owners have no
// account in the store.
func WidgetRepository(t *testing.T, open func(t *testing.T) ports.WidgetRepository) {
	for _, promise := range []struct {
		name string
		test func(widgets)
	}{
		{"Empty", widgets.empty},
		{"KeepsEveryField", widgets.keepsEveryField},
		{"CreationOrder", widgets.creationOrder},
		{"CreationOrderOfMany", widgets.creationOrderOfMany},
		{"Paging", widgets.paging},
		{"UniqueName", widgets.uniqueName},
		{"RaceForName", widgets.raceForName},
		{"ConcurrentAdds", widgets.concurrentAdds},
		{"Update", widgets.update},
		{"UpdateOfNothing", widgets.updateOfNothing},
		{"ConcurrentUpdates", widgets.concurrentUpdates},
		{"Delete", widgets.delete},
		{"CreatedAgain", widgets.createdAgain},
		{"RaceToDelete", widgets.raceToDelete},
		{"UpdatesRaceDelete", widgets.updatesRaceDelete},
		{"AddsRaceDeletes", widgets.addsRaceDeletes},
		{"ItemsAreTheCallers", widgets.itemsAreTheCallers},
		{"EndedContext", widgets.endedContext},
		{"ContextEndsDuringAdd", widgets.contextEndsDuringAdd},
		{"ContextEndsDuringRead", widgets.contextEndsDuringRead},
		{"ContextEndsDuringUpdate", widgets.contextEndsDuringUpdate},
		{"ContextEndsDuringDelete", widgets.contextEndsDuringDelete},
	} {
		t.Run(promise.name, func(t *testing.T) { promise.test(widgets{t, open(t)}) })
	}
}

// widgets is a test of one store.
type widgets struct {
	*testing.T
	store ports.WidgetRepository
}

func (t widgets) empty() {
	t.wantList()
	t.wantGone(name("gone"))
}

func (t widgets) keepsEveryField() {
	plain := widget("plain")
	longest := widget(strings.Repeat("w", domain.MaxWidgetNameBytes))
	link := "https://例え.example/пример?q=é&r=%00#§"
	longest.InfoURL = infoURL(link + strings.Repeat("u", domain.MaxInfoURLBytes-len(link)))
	longest.Owner = domain.Owner{PublicID: id(math.MaxInt32), Email: email(strings.Repeat("Ä", 121) + "@example.com")}
	latest := widget("latest")
	latest.Deadline = domain.RestoreDeadline(time.Date(9999, time.December, 31, 23, 59, 59, 999*int(time.Millisecond), time.UTC))
	latest.CreatedAt = latest.Deadline.Time()
	passed := widget("passed")
	passed.Deadline = domain.RestoreDeadline(time.Date(2001, time.September, 9, 1, 46, 40, int(time.Millisecond), time.UTC))
	passed.CreatedAt = passed.Deadline.Time().Add(-time.Hour)
	all := []domain.Widget{plain, longest, latest, passed}
	for _, text := range []string{"0", "-", "_", "--", "a", "aa", "a-", "a_", "null", "id"} {
		all = append(all, widget(text))
	}

	for _, w := range all {
		t.add(w)
		t.wantKept(w)
	}
	t.wantList(all...)
}

// creationOrder is the order of the calls of Add, whatever the names and the
// clock say.
func (t widgets) creationOrder() {
	var all []domain.Widget
	for i, text := range []string{"m", "z", "a", "10", "9", "b", "_", "y"} {
		w := widget(text)
		if i > 2 { // the first have equal times
			w.CreatedAt = w.CreatedAt.Add(-time.Duration(i) * time.Hour)
		}
		t.add(w)
		all = append(all, w)
	}
	t.wantList(all...)
}

// creationOrderOfMany goes past what one byte or two digits can number.
func (t widgets) creationOrderOfMany() {
	if testing.Short() {
		t.Skip("hundreds of writes, one after the other")
	}
	var all []domain.Widget
	for i := range 260 {
		w := widget(fmt.Sprintf("w%d", 1000-i))
		t.add(w)
		all = append(all, w)
	}
	for number := 1; number <= 3; number++ {
		t.wantPage(number, 100, len(all), all[(number-1)*100:min(number*100, len(all))])
	}
}

func (t widgets) paging() {
	var all []domain.Widget
	for i := range 11 { // pages of five: none, a part, one, one and a part, two, two and a part
		t.wantList(all...)
		w := widget(fmt.Sprintf("w%d", i))
		t.add(w)
		all = append(all, w)
	}
	t.wantList(all...)
}

func (t widgets) uniqueName() {
	first, other := widget("first"), widget("other")
	t.add(first)
	t.add(other)
	again := changed(first)
	again.Owner = domain.Owner{PublicID: id(9), Email: email("mallory@example.com")}
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
			candidates[i] = widget(fmt.Sprintf("round-%d", round))
			candidates[i].InfoURL = infoURL(fmt.Sprintf("https://example.com/%d", i))
		}
		errs := race(contenders, func(i int) error { return t.store.Add(t.Context(), candidates[i]) })
		all = append(all, candidates[winner(t.T, "Add of one name", errs, domain.AlreadyExists)])
		t.wantList(all...)
	}
}

func (t widgets) concurrentAdds() {
	all := numbered(contenders)
	wantNoErrors(t.T, "Add of a widget of its own", race(contenders, func(i int) error {
		if err := t.store.Add(t.Context(), all[i]); err != nil {
			return err
		}
		_, err := t.store.ByName(t.Context(), all[i].Name) // seen as soon as it is added
		return err
	}))
	t.wantListInAnyOrder(all)
}

func (t widgets) update() {
	first, second, third := widget("first"), widget("second"), widget("third")
	for _, w := range []domain.Widget{first, second, third} {
		t.add(w)
	}
	for range 2 { // the second time it changes nothing, which is no error
		second = changed(second)
		t.set(second)
		t.wantList(first, second, third)
		t.set(second)
		t.wantList(first, second, third)
	}
	second.Deadline = domain.RestoreDeadline(time.Date(9999, time.December, 31, 23, 59, 59, 999*int(time.Millisecond), time.UTC))
	t.set(second)
	first.InfoURL = infoURL("http://example.com/" + strings.Repeat("u", domain.MaxInfoURLBytes-len("http://example.com/")))
	t.set(first)
	t.wantList(first, second, third)
}

func (t widgets) updateOfNothing() {
	kept := widget("kept")
	t.add(kept)
	t.wantGone(name("nothing"))
	t.wantList(kept)
}

// concurrentUpdates leaves the link and the deadline of one of the calls.
func (t widgets) concurrentUpdates() {
	first, contended := widget("first"), widget("contended")
	t.add(first)
	t.add(contended)
	for round := range rounds {
		updates := make([]domain.Widget, contenders)
		for i := range updates {
			updates[i] = contended
			updates[i].InfoURL = infoURL(fmt.Sprintf("https://example.com/%d/%d", round, i))
			updates[i].Deadline = domain.RestoreDeadline(someTime().Add(time.Duration(i) * time.Hour))
		}
		wantNoErrors(t.T, "Update of one widget", race(contenders, func(i int) error {
			return t.store.Update(t.Context(), updates[i].Name, updates[i].InfoURL, updates[i].Deadline)
		}))
		got, err := t.store.ByName(t.Context(), contended.Name)
		if err != nil {
			t.Fatalf("ByName after simultaneous updates failed: %v", err)
		}
		if !slices.Contains(updates, got) {
			t.Fatalf("simultaneous updates left\n\t%s, which is not what any of them wrote", show(got))
		}
		t.wantList(first, got)
	}
}

func (t widgets) delete() {
	all := numbered(8)
	for _, w := range all {
		t.add(w)
	}
	for _, i := range []int{7, 0, 3, 0, 0, 1, 1, 0} { // the last, the first, from the middle … the only one
		gone := all[i]
		all = slices.Delete(all, i, i+1)
		if err := t.store.Delete(t.Context(), gone.Name); err != nil {
			t.Fatalf("Delete(%s) failed: %v", gone.Name, err)
		}
		t.wantGone(gone.Name)
		t.wantList(all...)
	}
}

func (t widgets) createdAgain() {
	first, second, third := widget("first"), widget("second"), widget("third")
	for _, w := range []domain.Widget{first, second, third} {
		t.add(w)
	}
	for _, name := range []domain.WidgetName{first.Name, third.Name} {
		if err := t.store.Delete(t.Context(), name); err != nil {
			t.Fatalf("Delete(%s) failed: %v", name, err)
		}
	}
	again := changed(first)
	again.CreatedAt = again.CreatedAt.Add(-time.Hour)
	again.Owner = domain.Owner{PublicID: id(9), Email: email("bob@example.com")}
	t.add(again)
	t.wantList(second, again)
	t.add(third)
	t.wantList(second, again, third)
	t.wantRefused(first)
	t.wantList(second, again, third)
}

func (t widgets) raceToDelete() {
	kept := widget("kept")
	t.add(kept)
	for range rounds {
		contended := widget("contended")
		t.add(contended)
		errs := race(contenders, func(int) error { return t.store.Delete(t.Context(), contended.Name) })
		winner(t.T, "Delete of one widget", errs, domain.NotFound)
		t.wantGone(contended.Name)
		t.wantList(kept)
	}
}

// updatesRaceDelete must not bring the deleted widget back.
func (t widgets) updatesRaceDelete() {
	kept := widget("kept")
	t.add(kept)
	for range rounds {
		contended := widget("contended")
		t.add(contended)
		update := changed(contended)
		errs := race(contenders, func(i int) error {
			if i%2 == 0 {
				return t.store.Delete(t.Context(), contended.Name)
			}
			return t.store.Update(t.Context(), update.Name, update.InfoURL, update.Deadline)
		})
		var deletes []error
		for i, err := range errs {
			if i%2 == 0 {
				deletes = append(deletes, err)
			} else if err != nil {
				wantKind(t.T, "Update of a widget that is being deleted", err, domain.NotFound)
			}
		}
		winner(t.T, "Delete of one widget", deletes, domain.NotFound)
		t.wantGone(contended.Name)
		t.wantList(kept)
	}
}

// addsRaceDeletes is about the count, which every one of them changes.
func (t widgets) addsRaceDeletes() {
	old := numbered(contenders / 2)
	wantNoErrors(t.T, "Add", race(len(old), func(i int) error { return t.store.Add(t.Context(), old[i]) }))
	var fresh []domain.Widget
	for i := range old {
		fresh = append(fresh, widget(fmt.Sprintf("fresh-%d", i)))
	}
	wantNoErrors(t.T, "Add or Delete of a widget of its own", race(contenders, func(i int) error {
		if i%2 == 0 {
			return t.store.Delete(t.Context(), old[i/2].Name)
		}
		return t.store.Add(t.Context(), fresh[i/2])
	}))
	t.wantListInAnyOrder(fresh)
}

func (t widgets) itemsAreTheCallers() {
	all := numbered(6)
	for _, w := range all {
		t.add(w)
	}
	page := t.list("1", "5")
	for i := range page.Items {
		page.Items[i] = widget("scribble")
	}
	_ = append(page.Items, widget("scribble"))
	t.wantList(all...)
}

func (t widgets) endedContext() {
	kept, fresh := widget("kept"), widget("fresh")
	t.add(kept)
	eachEnded(t.T, func(how string, ctx context.Context) {
		wantKind(t.T, "Add "+how, t.store.Add(ctx, fresh), domain.Unavailable)
		wantKind(t.T, "Add of a taken name "+how, t.store.Add(ctx, kept), domain.Unavailable)
		change := changed(kept)
		wantKind(t.T, "Update "+how, t.store.Update(ctx, kept.Name, change.InfoURL, change.Deadline), domain.Unavailable)
		wantKind(t.T, "Delete "+how, t.store.Delete(ctx, kept.Name), domain.Unavailable)
		_, err := t.store.ByName(ctx, kept.Name)
		wantKind(t.T, "ByName "+how, err, domain.Unavailable)
		_, err = t.store.List(ctx, must(domain.ParsePageRequest("1", "5")))
		wantKind(t.T, "List "+how, err, domain.Unavailable)
	})
	t.wantGone(fresh.Name)
	t.wantList(kept)
}

// contextEndsDuringAdd tries again what was Unavailable, for nothing is known
// about its outcome but that it isn't half of one.
func (t widgets) contextEndsDuringAdd() {
	all := numbered(contenders)
	errs := raceContexts(t.T, "Add", func(ctx context.Context, i int) error { return t.store.Add(ctx, all[i]) })
	for i, w := range all {
		if errs[i] != nil {
			if err := t.store.Add(t.Context(), w); err != nil && !errors.Is(err, domain.AlreadyExists) {
				t.Errorf("Add, tried again, failed: %v", err)
			}
		}
	}
	t.wantListInAnyOrder(all)
}

// contextEndsDuringRead wants the truth or none.
func (t widgets) contextEndsDuringRead() {
	w := widget("gear")
	t.add(w)
	first := must(domain.ParsePageRequest(domain.DefaultPage, domain.DefaultPerPage))
	raceContexts(t.T, "ByName", func(ctx context.Context, _ int) error {
		got, err := t.store.ByName(ctx, w.Name)
		return truth(err, got == w)
	})
	raceContexts(t.T, "List", func(ctx context.Context, _ int) error {
		page, err := t.store.List(ctx, first)
		return truth(err, page.TotalItems == 1 && len(page.Items) == 1 && page.Items[0] == w)
	})
}

// contextEndsDuringUpdate wants done what succeeded.
func (t widgets) contextEndsDuringUpdate() {
	all := numbered(contenders)
	for _, w := range all {
		t.add(w)
	}
	link := infoURL("https://example.com/changed")
	errs := raceContexts(t.T, "Update", func(ctx context.Context, i int) error {
		return t.store.Update(ctx, all[i].Name, link, all[i].Deadline)
	})
	for i, w := range all {
		if got, err := t.store.ByName(t.Context(), w.Name); errs[i] == nil && (err != nil || got.InfoURL != link) {
			t.Errorf("Update succeeded, but ByName says %v, %v", got.InfoURL, err)
		}
	}
}

// contextEndsDuringDelete wants done what succeeded.
func (t widgets) contextEndsDuringDelete() {
	all := numbered(contenders)
	for _, w := range all {
		t.add(w)
	}
	errs := raceContexts(t.T, "Delete", func(ctx context.Context, i int) error { return t.store.Delete(ctx, all[i].Name) })
	for i, w := range all {
		if errs[i] == nil {
			_, err := t.store.ByName(t.Context(), w.Name)
			wantKind(t.T, "ByName of a deleted widget", err, domain.NotFound)
		}
	}
}

func (t widgets) add(w domain.Widget) {
	t.Helper()
	if err := t.store.Add(t.Context(), w); err != nil {
		t.Fatalf("Add(%s) failed: %v", w.Name, err)
	}
}

func (t widgets) set(w domain.Widget) {
	t.Helper()
	if err := t.store.Update(t.Context(), w.Name, w.InfoURL, w.Deadline); err != nil {
		t.Fatalf("Update(%s) failed: %v", w.Name, err)
	}
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

// wantGone wants no widget to have the name, in the view of every method, nor
// any of them to make one.
func (t widgets) wantGone(name domain.WidgetName) {
	t.Helper()
	change := changed(widget(name.String()))
	wantKind(t.T, "Update of a name that no widget has", t.store.Update(t.Context(), name, change.InfoURL, change.Deadline), domain.NotFound)
	wantKind(t.T, "Delete of a name that no widget has", t.store.Delete(t.Context(), name), domain.NotFound)
	_, err := t.store.ByName(t.Context(), name)
	wantKind(t.T, "ByName of a name that no widget has", err, domain.NotFound)
}

// wantList wants these widgets and no other, by name and in this order on pages
// of every size, up to the last page that can be asked for.
func (t widgets) wantList(want ...domain.Widget) {
	t.Helper()
	for _, w := range want {
		t.wantKept(w)
	}
	for _, size := range []int{5, 10, 25, 50, 100} {
		for number := 1; number <= len(want)/size+3; number++ {
			start := min((number-1)*size, len(want))
			t.wantPage(number, size, len(want), want[start:min(start+size, len(want))])
		}
		for _, number := range []int{math.MaxInt/size + 1, math.MaxInt/size + 2, math.MaxInt} {
			t.wantPage(number, size, len(want), nil)
		}
	}
}

func (t widgets) wantPage(number, size, total int, want []domain.Widget) {
	t.Helper()
	page := t.list(strconv.Itoa(number), strconv.Itoa(size))
	if page.TotalItems != total {
		t.Fatalf("page %d of %d counts %d widgets in all, want %d", number, size, page.TotalItems, total)
	}
	if len(page.Items) != len(want) {
		t.Fatalf("page %d of %d has %d widgets, want %d", number, size, len(page.Items), len(want))
	}
	for i := range want {
		if page.Items[i] != want[i] {
			t.Fatalf("page %d of %d has as its widget %d\n\t%s, want\n\t%s", number, size, i, show(page.Items[i]), show(want[i]))
		}
	}
}

// wantListInAnyOrder wants these widgets and no other, in an order of the
// store's choice that is the same on all pages.
func (t widgets) wantListInAnyOrder(want []domain.Widget) {
	t.Helper()
	got := t.list("1", "100").Items
	if len(got) != len(want) {
		t.Fatalf("List returned %d widgets, want %d", len(got), len(want))
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Fatalf("List lacks\n\t%s", show(w))
		}
	}
	t.wantList(got...)
}

func (t widgets) list(number, size string) domain.Page {
	t.Helper()
	request := must(domain.ParsePageRequest(number, size))
	page, err := t.store.List(t.Context(), request)
	if err != nil {
		t.Fatalf("List of page %s of %s failed: %v", number, size, err)
	}
	if page.Request != request {
		t.Fatalf("List of page %s of %s answers the request %+v", number, size, page.Request)
	}
	return page
}

// numbered returns n widgets, at most a hundred.
func numbered(n int) []domain.Widget {
	all := make([]domain.Widget, n)
	for i := range all {
		all[i] = widget(fmt.Sprintf("w%d", i))
	}
	return all
}

func widget(text string) domain.Widget {
	return domain.Widget{
		Name:      name(text),
		InfoURL:   infoURL("https://example.com/" + text),
		Deadline:  domain.RestoreDeadline(someTime().Add(1234567 * time.Millisecond)),
		CreatedAt: someTime(),
		Owner:     domain.Owner{PublicID: id(1), Email: email("Ada@example.com")},
	}
}

// changed returns w with another link and another deadline.
func changed(w domain.Widget) domain.Widget {
	w.InfoURL = infoURL(w.InfoURL.String() + "/changed")
	w.Deadline = domain.RestoreDeadline(w.Deadline.Time().Add(1001 * time.Millisecond))
	return w
}

// show returns w for a failure message.
func show(w domain.Widget) string {
	return fmt.Sprintf("%s, %s, due %v, created %v by %s (%s)",
		w.Name, w.InfoURL, w.Deadline.Time(), w.CreatedAt, w.Owner.Email, w.Owner.PublicID)
}

func name(text string) domain.WidgetName { return must(domain.ParseWidgetName(text)) }

func infoURL(text string) domain.InfoURL { return must(domain.ParseInfoURL(text)) }
