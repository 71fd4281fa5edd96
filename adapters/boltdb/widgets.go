package boltdb

import (
	"context"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// widgets implements [ports.WidgetRepository].
type widgets struct {
	engine *engine.DB
}

func (w *widgets) Add(ctx context.Context, widget domain.Widget) error {
	return w.engine.Update(ctx, func(tx *engine.Tx) error { return addWidget(tx, widget) }, nil)
}

func (w *widgets) AddAll(ctx context.Context, widgets []domain.Widget) (each []error, err error) {
	return addAll(ctx, w.engine, widgets, addWidget)
}

func (w *widgets) ByName(ctx context.Context, name domain.WidgetName) (widget domain.Widget, err error) {
	err = w.engine.View(ctx, func(tx *engine.Tx) error {
		_, widget, err = getWidget(tx, name)
		return err
	})
	return widget, err
}

// List implements [ports.WidgetRepository]. It returns an error for a widget that cannot
// be decoded: the file was damaged after Open, which decodes every record.
func (w *widgets) List(ctx context.Context, request domain.PageRequest) (domain.Page[domain.Widget], error) {
	return list(ctx, w.engine, widgetOrder(), request, func(_ *engine.Tx, row engine.Row) (domain.Widget, error) {
		return readWidget(row)
	})
}

// Slice implements [ports.WidgetRepository]. It returns the same error as List for a widget
// that cannot be decoded.
func (w *widgets) Slice(ctx context.Context, query domain.WidgetQuery, position string, limit int) (domain.Slice[domain.Widget], error) {
	return slice(ctx, w.engine, scanOf(query), position, limit, func(tx *engine.Tx, row engine.Row) (widget domain.Widget, isItem bool, err error) {
		if query.Sort == domain.ByCreation && query.Owner == nil {
			widget, err = readWidget(row)
		} else {
			widget, err = mustGetWidget(tx, sequenceOf(row.Key))
		}
		return widget, true, err
	})
}

func (w *widgets) Update(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
	return w.change(ctx, func(tx *engine.Tx) (domain.Widget, error) { return updateWidget(tx, name, change, condition) })
}

func (w *widgets) Delete(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
	return w.change(ctx, func(tx *engine.Tx) (domain.Widget, error) { return deleteWidget(tx, name, condition) })
}

// change runs a write transaction and returns the widget as it was before.
func (w *widgets) change(ctx context.Context, run func(*engine.Tx) (domain.Widget, error)) (domain.Widget, error) {
	var before domain.Widget
	err := w.engine.Update(ctx, func(tx *engine.Tx) (err error) {
		before, err = run(tx)
		return err
	}, nil)
	if err != nil {
		return domain.Widget{}, err // the engine may set before later
	}
	return before, nil
}

func addWidget(tx *engine.Tx, widget domain.Widget) error {
	name := []byte(widget.Name.String())
	if nameTable.Has(tx, name) {
		return domain.AlreadyExists
	}
	key, err := widgetOrder().Append(tx, encodeWidget(widget))
	if err != nil {
		return err
	}
	if err := nameTable.Put(tx, name, reference(key)); err != nil {
		return err
	}
	return addToIndexes(tx, key, widget)
}

// updateWidget changes a widget and returns it as it was before.
func updateWidget(tx *engine.Tx, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
	key, before, err := getAllowed(tx, name, condition)
	if err != nil {
		return domain.Widget{}, err
	}
	return before, putChanged(tx, key, before, before.Changed(change))
}

// putChanged stores a widget that was changed.
func putChanged(tx *engine.Tx, key []byte, before, after domain.Widget) error {
	if err := updateIndexes(tx, key, before, after); err != nil {
		return err
	}
	return widgetTable.Put(tx, key, encodeWidget(after))
}

// deleteWidget deletes a widget and returns it.
func deleteWidget(tx *engine.Tx, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
	key, widget, err := getAllowed(tx, name, condition)
	if err != nil {
		return domain.Widget{}, err
	}
	if err := nameTable.Delete(tx, []byte(name.String())); err != nil {
		return domain.Widget{}, err
	}
	if err := removeFromIndexes(tx, key, widget); err != nil {
		return domain.Widget{}, err
	}
	return widget, widgetOrder().Delete(tx, key)
}

// getAllowed returns a widget, or ChangedMeanwhile if it does not meet the condition.
func getAllowed(tx *engine.Tx, name domain.WidgetName, condition domain.Condition) (key []byte, widget domain.Widget, err error) {
	key, widget, err = getWidget(tx, name)
	if err != nil {
		return nil, domain.Widget{}, err
	}
	return key, widget, condition.Check(widget.Version)
}

func getWidget(tx *engine.Tx, name domain.WidgetName) (key []byte, widget domain.Widget, err error) {
	reference, err := nameTable.Get(tx, []byte(name.String()))
	if err != nil {
		return nil, domain.Widget{}, err
	}
	widget, err = mustGetWidget(tx, reference.Payload)
	return reference.Payload, widget, err
}

// mustGetWidget returns the widget that another record refers to.
func mustGetWidget(tx *engine.Tx, key []byte) (domain.Widget, error) {
	record, err := widgetTable.MustGet(tx, key)
	if err != nil {
		return domain.Widget{}, err
	}
	return readWidget(engine.Row{Key: key, Record: record})
}

// readWidget calls decodeWidget and converts its error into that for a damaged record.
func readWidget(row engine.Row) (domain.Widget, error) {
	widget, err := decodeWidget(row.Record)
	if err != nil {
		return domain.Widget{}, widgetTable.Damaged(row.Key, err)
	}
	return widget, nil
}
