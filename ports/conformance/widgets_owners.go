package conformance

import (
	"context"
	"fmt"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

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

// removeOwnerEmailOfMany tests an owner of several hundred widgets.
func (t widgets) removeOwnerEmailOfMany() {
	all := t.many()
	t.batches().add(all)
	owner := all[0].Owner.PublicID
	t.removeEmail(owner)
	for i, w := range all {
		all[i] = w.Changed(domain.WidgetChange{Owner: &domain.Owner{PublicID: owner}})
	}
	t.wantMany(all)
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

// contextEndsDuringRemoveOwnerEmail wants no widget to have the email after a call that
// returned nil, and after a second call where the first one returned an error.
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
