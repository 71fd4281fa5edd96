package memory

import (
	"context"
	"iter"

	"github.com/widgetd/widgetd/domain"
)

// AllUsers returns all accounts in order of registration, each with its place in the order.
// The positions of Slice are made of the places. A store that saves the accounts saves
// the places too, and calls [Store.AddUserAt] when it is opened again. AllUsers also works
// after Close. The loop must not call methods of the store.
func (s *Store) AllUsers() iter.Seq2[int, domain.User] {
	return func(yield func(int, domain.User) bool) {
		s.lock.mu.RLock()
		defer s.lock.mu.RUnlock()
		for _, kept := range s.users.inOrder {
			if !yield(kept.place, kept.User) {
				return
			}
		}
	}
}

// AddUserAt adds an account as Add does, at a place that [Store.AllUsers] has returned. It
// returns Invalid unless the place is after those of all accounts that were added before.
//
// A place after the last account of the saved ones is given again, although a deleted account
// may have had it. A position there leaves out the account that has it now. The port permits
// this: it promises only those accounts that exist all the time.
func (s *Store) AddUserAt(place int, user domain.User) error {
	return s.lock.write(context.Background(), func() error {
		return addAt(place, &s.users.last, func() error { return s.users.add(user) })
	})
}

// AllWidgets is [Store.AllUsers] for widgets, in order of creation.
func (s *Store) AllWidgets() iter.Seq2[int, domain.Widget] {
	return func(yield func(int, domain.Widget) bool) {
		s.lock.mu.RLock()
		defer s.lock.mu.RUnlock()
		for _, kept := range s.widgets.all.created {
			if !yield(kept.place, kept.Widget) {
				return
			}
		}
	}
}

// AddWidgetAt is [Store.AddUserAt] for widgets.
func (s *Store) AddWidgetAt(place int, widget domain.Widget) error {
	return s.lock.write(context.Background(), func() error {
		return addAt(place, &s.widgets.last, func() error { return s.widgets.add(widget) })
	})
}

// addAt makes add use the given place, which is after the last one. If add refuses the record,
// the place is still free.
func addAt(place int, last *int, add func() error) error {
	before := *last
	if place <= before {
		return errUsedPlace
	}
	*last = place - 1
	err := add()
	if err != nil {
		*last = before
	}
	return err
}

var errUsedPlace = &domain.Error{Kind: domain.Invalid, Message: "memory: a place must be after the places of all earlier records"}
