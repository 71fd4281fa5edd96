package conformance

import (
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
