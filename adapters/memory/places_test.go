package memory_test

import (
	"errors"
	"testing"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestPlaces adds records at the places that they have in another store. A position of the
// one store must then be a position of the other.
func TestPlaces(t *testing.T) {
	t.Parallel()
	saved, loaded := memory.New(), memory.New()
	byDeadline := domain.WidgetQuery{Sort: domain.ByDeadline}
	var errs []error
	for i := range 5 {
		errs = append(errs, saved.Users().Add(t.Context(), sample.User(i)))
	}
	for _, w := range sample.Widgets(5) {
		errs = append(errs, saved.Widgets().Add(t.Context(), w))
	}
	users, err := saved.Users().Slice(t.Context(), "", 2)
	errs = append(errs, err)
	widgets, err := saved.Widgets().Slice(t.Context(), byDeadline, "", 2)
	errs = append(errs, err)
	for i := range 2 {
		errs = append(errs, saved.Users().Delete(t.Context(), users.Items[i]))
		_, err := saved.Widgets().Delete(t.Context(), widgets.Items[i].Name, domain.Condition{})
		errs = append(errs, err)
	}
	for place, u := range saved.AllUsers() {
		errs = append(errs, loaded.AddUserAt(place, u))
	}
	for place, w := range saved.AllWidgets() {
		errs = append(errs, loaded.AddWidgetAt(place, w))
	}
	restOfUsers, err := loaded.Users().Slice(t.Context(), users.Next, 10)
	errs = append(errs, err)
	restOfWidgets, err := loaded.Widgets().Slice(t.Context(), byDeadline, widgets.Next, 10)
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	if len(restOfUsers.Items) != 3 || len(restOfWidgets.Items) != 3 {
		t.Errorf("the slices after the positions have %d accounts and %d widgets, want 3 of each", len(restOfUsers.Items), len(restOfWidgets.Items))
	}
}

func TestPlacesAreNotUsedTwice(t *testing.T) {
	t.Parallel()
	s := memory.New()
	if err := errors.Join(s.AddUserAt(7, sample.User(1)), s.AddWidgetAt(7, sample.Widget("a"))); err != nil {
		t.Fatal(err)
	}
	if err := s.AddUserAt(7, sample.User(2)); !errors.Is(err, domain.Invalid) {
		t.Errorf("AddUserAt at a used place returned %v, want Invalid", err)
	}
	if err := s.AddWidgetAt(7, sample.Widget("b")); !errors.Is(err, domain.Invalid) {
		t.Errorf("AddWidgetAt at a used place returned %v, want Invalid", err)
	}
}

func TestPlaceOfARefusedRecordIsFree(t *testing.T) {
	t.Parallel()
	s := memory.New()
	if err := errors.Join(s.AddUserAt(7, sample.User(1)), s.AddWidgetAt(7, sample.Widget("a"))); err != nil {
		t.Fatal(err)
	}
	if err := s.AddUserAt(9, sample.User(1)); !errors.Is(err, domain.AlreadyExists) {
		t.Errorf("AddUserAt of an account that exists returned %v, want AlreadyExists", err)
	}
	if err := s.AddWidgetAt(9, sample.Widget("a")); !errors.Is(err, domain.AlreadyExists) {
		t.Errorf("AddWidgetAt of a widget that exists returned %v, want AlreadyExists", err)
	}
	if err := errors.Join(s.AddUserAt(8, sample.User(2)), s.AddWidgetAt(8, sample.Widget("b"))); err != nil {
		t.Errorf("the place before that of a refused record is not free: %v", err)
	}
}

// TestPlacesUntilTheLoopEnds ends a loop early. The store must not stay locked.
func TestPlacesUntilTheLoopEnds(t *testing.T) {
	t.Parallel()
	s := memory.New()
	if err := errors.Join(s.AddUserAt(1, sample.User(1)), s.AddUserAt(2, sample.User(2)),
		s.AddWidgetAt(1, sample.Widget("a")), s.AddWidgetAt(2, sample.Widget("b"))); err != nil {
		t.Fatal(err)
	}
	for place := range s.AllUsers() {
		if place == 1 {
			break
		}
		t.Error("the loop over the accounts did not end")
	}
	for place := range s.AllWidgets() {
		if place == 1 {
			break
		}
		t.Error("the loop over the widgets did not end")
	}
	if err := s.Users().Add(t.Context(), sample.User(3)); err != nil {
		t.Error(err)
	}
}
