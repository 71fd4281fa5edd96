package conformance

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// version returns the condition that requires one of the versions.
func version(versions ...domain.Version) domain.Condition {
	return domain.Condition{Match: &domain.Versions{List: versions}}
}

// noVersion returns the condition that excludes the versions.
func noVersion(versions ...domain.Version) domain.Condition {
	return domain.Condition{NoneMatch: &domain.Versions{List: versions}}
}

// keepsVersions tests versions that a floating-point number or 32 bits cannot hold.
func (t widgets) keepsVersions() {
	for i, v := range []domain.Version{1, math.MaxInt32, math.MaxUint32, 1<<53 + 1, math.MaxInt64 - 100} {
		w := sample.Widget(fmt.Sprintf("w%d", i))
		w.Version = v
		if i%2 == 0 {
			t.add(w)
		} else {
			t.batches().add([]domain.Widget{w})
		}
		t.wantKept(w)
		w = t.change(w, changeTo("changed"))
		w = t.change(w, changeTo("again"))
		t.wantNotChanged(w, changeTo("refused"), version(w.Version-1))
		t.remove(w)
	}
}

// writesRaiseTheVersion tests writes that change something and writes that change nothing.
func (t widgets) writesRaiseTheVersion() {
	w, other := sample.Widget("w"), sample.Widget("other")
	t.add(w, other)
	same, bob := w.Owner, domain.OwnerOf(sample.User(2))
	for _, change := range []domain.WidgetChange{
		changeTo("w"), {}, {InfoURL: &w.InfoURL}, {Deadline: &w.Deadline}, {Owner: &same}, changeTo("changed"), {Owner: &bob}, {},
	} {
		w = t.change(w, change)
		t.wantList(w, other)
	}
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

// metBy returns a condition of each kind that a widget of the version meets.
func metBy(v domain.Version) []domain.Condition {
	every, none := &domain.Versions{Every: true}, &domain.Versions{}
	return []domain.Condition{
		{},
		version(v),
		version(v-1, v, v+1),
		version(v+1, v-1, v),
		{Match: every},
		{NoneMatch: none},
		noVersion(v-1, v+1, 0),
		{Match: every, NoneMatch: none},
		{Match: version(v).Match, NoneMatch: noVersion(v + 1).NoneMatch},
	}
}

// notMetBy returns a condition of each kind that a widget of the version does not meet.
func notMetBy(v domain.Version) []domain.Condition {
	every, none := &domain.Versions{Every: true}, &domain.Versions{}
	return []domain.Condition{
		version(v - 1),
		version(v + 1),
		version(0),
		version(-v),
		version(v-2, v-1, v+1, v+2),
		{Match: none},
		{NoneMatch: every},
		noVersion(v),
		noVersion(v+1, v),
		{Match: every, NoneMatch: every},
		{Match: every, NoneMatch: noVersion(v).NoneMatch},
		{Match: version(v).Match, NoneMatch: every},
		{Match: none, NoneMatch: none},
		{Match: version(v + 1).Match, NoneMatch: noVersion(v - 1).NoneMatch},
	}
}

func (t widgets) updateWithCondition() {
	w, other := sample.Widget("w"), sample.Widget("other")
	t.add(w, other)
	for range 2 { // also with a version that writes have raised
		for _, c := range notMetBy(w.Version) {
			t.wantNotChanged(w, domain.WidgetChange{Owner: &domain.Owner{PublicID: sample.ID(2)}}, c)
			t.wantNotChanged(w, changeTo("refused"), c)
		}
		t.wantList(w, other)
		t.wantSlices(w, other)
		for i := range metBy(w.Version) { // each update raises the version
			w = t.changeIf(w, changeTo(strconv.Itoa(i)), metBy(w.Version)[i])
		}
		t.wantList(w, other)
	}
}

func (t widgets) deleteWithCondition() {
	w, other := sample.Widget("w"), sample.Widget("other")
	t.add(other, w)
	for _, c := range notMetBy(w.Version) {
		_, err := t.store.Delete(t.Context(), w.Name, c)
		wantKind(t.T, "Delete with the condition "+showCondition(c)+", which the widget does not meet,", err, domain.ChangedMeanwhile)
		t.wantKept(w)
	}
	t.wantList(other, w)
	t.wantSlices(other, w)
	for _, c := range metBy(w.Version) {
		deleted, err := t.store.Delete(t.Context(), w.Name, c)
		if err != nil {
			t.Fatalf("Delete with the condition %s, which the widget meets, failed: %v", showCondition(c), err)
		}
		t.wantBefore("Delete", deleted, w)
		t.wantList(other)
		t.add(w)
	}
}

// conditionOfUnknownName wants NotFound for every condition.
func (t widgets) conditionOfUnknownName() {
	w := sample.Widget("w")
	t.add(w)
	t.remove(w)
	for _, c := range append(metBy(w.Version), notMetBy(w.Version)...) {
		wantKind(t.T, "Update of an unknown name", errorOf(t.store.Update(t.Context(), w.Name, changeTo("changed"), c)), domain.NotFound)
		wantKind(t.T, "Delete of an unknown name", errorOf(t.store.Delete(t.Context(), w.Name, c)), domain.NotFound)
		t.wantList()
	}
}

// raceToUpdateVersion tests simultaneous updates that require one version.
func (t widgets) raceToUpdateVersion() {
	other, w := sample.Widget("other"), sample.Widget("w")
	t.add(other, w)
	for round := range rounds {
		changes := make([]domain.WidgetChange, contenders)
		for i := range changes {
			changes[i] = changeTo(fmt.Sprintf("%d/%d", round, i))
		}
		befores := make([]domain.Widget, contenders)
		errs := race(contenders, func(i int) (err error) {
			befores[i], err = t.store.Update(t.Context(), w.Name, changes[i], version(w.Version))
			return err
		})
		won := winner(t.T, "Update of one version", errs, domain.ChangedMeanwhile)
		t.wantBefore("Update", befores[won], w)
		w = w.Changed(changes[won])
		t.wantList(other, w)
	}
}

// raceToDeleteVersion tests simultaneous deletes that require one version.
func (t widgets) raceToDeleteVersion() {
	other, w := sample.Widget("other"), sample.Widget("w")
	t.add(other)
	for range rounds {
		t.add(w)
		deleted := make([]domain.Widget, contenders)
		errs := race(contenders, func(i int) (err error) {
			deleted[i], err = t.store.Delete(t.Context(), w.Name, version(w.Version))
			return err
		})
		won := winner(t.T, "Delete of one version", errs, domain.NotFound)
		t.wantBefore("Delete", deleted[won], w)
		t.wantUnknown(w.Name)
		t.wantList(other)
	}
}

// raceForVersion tests simultaneous updates and deletes that require one version.
func (t widgets) raceForVersion() {
	other := sample.Widget("other")
	t.add(other)
	for round := range 2 * rounds {
		w := sample.Widget("w")
		t.add(w)
		befores := make([]domain.Widget, contenders)
		errs := race(contenders, func(i int) (err error) {
			if i%2 == round%2 {
				befores[i], err = t.store.Update(t.Context(), w.Name, changeTo("changed"), version(w.Version))
			} else {
				befores[i], err = t.store.Delete(t.Context(), w.Name, version(w.Version))
			}
			return err
		})
		for i, err := range errs {
			if domain.KindOf(err) == domain.NotFound {
				errs[i] = domain.ChangedMeanwhile // the widget was deleted
			}
		}
		won := winner(t.T, "Update or Delete of one version", errs, domain.ChangedMeanwhile)
		t.wantBefore("Update or Delete", befores[won], w)
		if won%2 == round%2 {
			w = w.Changed(changeTo("changed"))
			t.wantList(other, w)
			t.remove(w)
		}
		t.wantUnknown(w.Name)
		t.wantList(other)
	}
}

// changeIf is change with a condition that the widget meets.
func (t widgets) changeIf(w domain.Widget, change domain.WidgetChange, condition domain.Condition) domain.Widget {
	t.Helper()
	before, err := t.store.Update(t.Context(), w.Name, change, condition)
	if err != nil {
		t.Fatalf("Update(%s) with the condition %s failed: %v", w.Name, showCondition(condition), err)
	}
	t.wantBefore("Update", before, w)
	w = w.Changed(change)
	t.wantKept(w)
	return w
}

// wantNotChanged wants Update to return ChangedMeanwhile and to change nothing.
func (t widgets) wantNotChanged(w domain.Widget, change domain.WidgetChange, condition domain.Condition) {
	t.Helper()
	_, err := t.store.Update(t.Context(), w.Name, change, condition)
	wantKind(t.T, fmt.Sprintf("Update with the condition %s of a widget of version %d", showCondition(condition), w.Version), err, domain.ChangedMeanwhile)
	t.wantKept(w)
}

func showCondition(c domain.Condition) string {
	show := func(versions *domain.Versions) string {
		if versions == nil {
			return "-"
		}
		return fmt.Sprintf("%+v", *versions)
	}
	return "{Match: " + show(c.Match) + ", NoneMatch: " + show(c.NoneMatch) + "}"
}

// removeOwnerEmail tests owners whose ids differ by one, and a widget whose owner has no
// email any more.
func (t widgets) removeOwnerEmail() {
	var all []domain.Widget
	for i := range 12 {
		w := sample.Widget(fmt.Sprintf("w%d", 100-i))
		w.Owner = domain.OwnerOf(sample.User(1 + i*5%3))
		if i == 5 {
			w.Owner.Email = domain.Email{}
		}
		t.add(w)
		all = append(all, w)
	}
	handedOver := domain.OwnerOf(sample.User(3))
	all[0] = t.change(all[0], domain.WidgetChange{Owner: &handedOver})
	for _, n := range []int{2, 2, 7, 0} { // the second call changes nothing, and neither does one for an owner without widgets
		t.removeEmail(sample.ID(n))
		for i, w := range all {
			if w.Owner.PublicID == sample.ID(n) && w.Owner.Email != (domain.Email{}) {
				all[i] = w.Changed(domain.WidgetChange{Owner: &domain.Owner{PublicID: sample.ID(n)}})
			}
		}
		t.wantList(all...)
		t.wantSlices(all...)
	}
}

// removeOwnerEmailRacesUpdates wants every update to have taken effect, and no widget of
// the owner to have the email.
func (t widgets) removeOwnerEmailRacesUpdates() {
	for round := range rounds {
		owner, other := domain.OwnerOf(sample.User(1+round)), domain.OwnerOf(sample.User(100))
		all, changes := make([]domain.Widget, contenders), make([]domain.WidgetChange, contenders)
		for i := range all {
			all[i] = sample.Widget(fmt.Sprintf("round-%d-%d", round, i))
			all[i].Owner = owner
			changes[i] = changeTo("changed")
			if i%2 == 0 {
				changes[i] = domain.WidgetChange{Owner: &other}
			}
		}
		t.batches().add(all)
		wantNoErrors(t.T, "Update or RemoveOwnerEmail", race(contenders, func(i int) error {
			if i == contenders/2 {
				return t.store.RemoveOwnerEmail(t.Context(), owner.PublicID)
			}
			return errorOf(t.store.Update(t.Context(), all[i].Name, changes[i], domain.Condition{}))
		}))
		for i, w := range all {
			if i == contenders/2 {
				changes[i] = domain.WidgetChange{}
			}
			t.wantEmailRemoved(w, changes[i])
		}
	}
}

// wantEmailRemoved wants a widget to be as it is after the change and RemoveOwnerEmail for
// the owner of w. The calls took effect in any order.
func (t widgets) wantEmailRemoved(w domain.Widget, change domain.WidgetChange) {
	t.Helper()
	removal := domain.WidgetChange{Owner: &domain.Owner{PublicID: w.Owner.PublicID}}
	var allowed []domain.Widget
	switch {
	case change == domain.WidgetChange{}:
		allowed = []domain.Widget{w.Changed(removal)}
	case change.Owner != nil: // RemoveOwnerEmail had an effect only if it was first
		allowed = []domain.Widget{w.Changed(change), w.Changed(removal).Changed(change)}
	default:
		allowed = []domain.Widget{w.Changed(change).Changed(removal)}
	}
	got, err := t.store.ByName(t.Context(), w.Name)
	if err != nil {
		t.Fatalf("ByName(%s) failed: %v", w.Name, err)
	}
	for _, want := range allowed {
		if got == want {
			return
		}
	}
	t.Fatalf("after an Update and RemoveOwnerEmail, ByName returned\n\t%s, want\n\t%s", show(got), show(allowed[0]))
}

func (t widgets) removeEmail(owner domain.UUID) {
	t.Helper()
	if err := t.store.RemoveOwnerEmail(t.Context(), owner); err != nil {
		t.Fatalf("RemoveOwnerEmail(%s) failed: %v", owner, err)
	}
}

// contextEndsDuringRemoveOwnerEmail wants each call that returned nil to have removed the
// email from all widgets, and a second call to do so after each other one.
func (t widgets) contextEndsDuringRemoveOwnerEmail() {
	const each = 3
	all := sample.Widgets(contenders * each)
	for i := range all {
		all[i].Owner = domain.OwnerOf(sample.User(1 + i/each))
	}
	t.batches().add(all)
	errs := raceContexts(t.T, "RemoveOwnerEmail", func(ctx context.Context, i int) error {
		return t.store.RemoveOwnerEmail(ctx, sample.ID(1+i))
	})
	for i, err := range errs {
		if err != nil {
			t.removeEmail(sample.ID(1 + i))
		}
		for _, w := range all[i*each : (i+1)*each] {
			t.wantEmailRemoved(w, domain.WidgetChange{})
		}
	}
}
