package memory

import (
	"context"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Widgets keeps widgets. Make one with [NewWidgets].
type Widgets struct {
	lock    *lock
	byName  map[domain.WidgetName]*widget
	last    int // the place of the widget that was created last
	all     orders
	byOwner map[domain.UUID]*orders
}

// widget is a stored widget.
type widget struct {
	domain.Widget
	place int // in the order of creation; never used again
}

var _ ports.WidgetRepository = (*Widgets)(nil)

// NewWidgets returns an empty repository.
func NewWidgets() *Widgets { return newWidgets(new(lock)) }

func newWidgets(l *lock) *Widgets {
	return &Widgets{lock: l, byName: map[domain.WidgetName]*widget{}, byOwner: map[domain.UUID]*orders{}}
}

// Add implements [ports.WidgetRepository].
func (w *Widgets) Add(ctx context.Context, widget domain.Widget) error {
	return w.lock.write(ctx, func() error { return w.add(widget) })
}

// AddAll implements [ports.WidgetRepository].
func (w *Widgets) AddAll(ctx context.Context, widgets []domain.Widget) (each []error, err error) {
	err = w.lock.write(ctx, func() error {
		each = eachOf(widgets, w.add)
		return nil
	})
	return each, err
}

func (w *Widgets) add(added domain.Widget) error {
	if w.byName[added.Name] != nil {
		return domain.AlreadyExists
	}
	w.last++
	kept := &widget{added, w.last}
	w.byName[added.Name] = kept
	w.index(kept)
	return nil
}

// ByName implements [ports.WidgetRepository].
func (w *Widgets) ByName(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
	kept, err := find(ctx, w.lock, w.byName, name)
	return kept.Widget, err
}

// List implements [ports.WidgetRepository].
func (w *Widgets) List(ctx context.Context, request domain.PageRequest) (page domain.Page[domain.Widget], err error) {
	err = w.lock.read(ctx, func() error {
		page = pageOf(w.all.created, request, func(kept *widget) domain.Widget { return kept.Widget })
		return nil
	})
	return page, err
}

// Slice implements [ports.WidgetRepository].
func (w *Widgets) Slice(ctx context.Context, query domain.WidgetQuery, position string, limit int) (slice domain.Slice[domain.Widget], err error) {
	from, err := positionOf(query, position)
	if err != nil {
		return slice, err
	}
	err = w.lock.read(ctx, func() error {
		list := &w.all
		if query.Owner != nil {
			list = w.byOwner[*query.Owner]
		}
		slice = list.slice(query, from, limit)
		return nil
	})
	return slice, err
}

// Update implements [ports.WidgetRepository].
func (w *Widgets) Update(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (before domain.Widget, err error) {
	err = w.lock.write(ctx, func() error {
		kept, err := w.allowed(name, condition)
		if err != nil {
			return err
		}
		before = kept.Widget
		w.change(kept, change)
		return nil
	})
	return before, err
}

// Delete implements [ports.WidgetRepository].
func (w *Widgets) Delete(ctx context.Context, name domain.WidgetName, condition domain.Condition) (deleted domain.Widget, err error) {
	err = w.lock.write(ctx, func() error {
		kept, err := w.allowed(name, condition)
		if err != nil {
			return err
		}
		deleted = kept.Widget
		delete(w.byName, name)
		w.unindex(kept)
		return nil
	})
	return deleted, err
}

// RemoveOwnerEmail implements [ports.WidgetRepository].
func (w *Widgets) RemoveOwnerEmail(ctx context.Context, owner domain.UUID) error {
	return w.lock.write(ctx, func() error {
		list := w.byOwner[owner]
		if list == nil {
			return nil
		}
		for _, kept := range list.created {
			if kept.Owner.Email != (domain.Email{}) {
				kept.Widget = kept.Changed(domain.WidgetChange{Owner: &domain.Owner{PublicID: owner}})
			}
		}
		return nil
	})
}

// allowed returns the widget with the name, if it meets the condition.
func (w *Widgets) allowed(name domain.WidgetName, condition domain.Condition) (*widget, error) {
	kept, found := w.byName[name]
	if !found {
		return nil, domain.NotFound
	}
	return kept, condition.Check(kept.Version)
}

func (w *Widgets) change(kept *widget, change domain.WidgetChange) {
	w.unindex(kept)
	kept.Widget = kept.Changed(change)
	w.index(kept)
}

// index adds a widget to the orders.
func (w *Widgets) index(kept *widget) {
	owned := w.byOwner[kept.Owner.PublicID]
	if owned == nil {
		owned = new(orders)
		w.byOwner[kept.Owner.PublicID] = owned
	}
	owned.add(kept)
	w.all.add(kept)
}

// unindex removes a widget from the orders.
func (w *Widgets) unindex(kept *widget) {
	owner := kept.Owner.PublicID
	w.all.remove(kept)
	w.byOwner[owner].remove(kept)
	if len(w.byOwner[owner].created) == 0 {
		delete(w.byOwner, owner)
	}
}
