package boltdb

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Widgets keeps widgets. It implements [ports.WidgetRepository].
type Widgets struct {
	*store
}

var _ ports.WidgetRepository = (*Widgets)(nil)

// Add implements [ports.WidgetRepository].
func (w *Widgets) Add(ctx context.Context, widget domain.Widget) error {
	return w.update(ctx, func(tx *bbolt.Tx) error { return addWidget(tx, widget) }, nil)
}

// AddAll keeps new widgets in one transaction, all of them or none, for many that
// come from elsewhere: they share one fsync. AlreadyExists when another widget has
// the name of one.
func (w *Widgets) AddAll(ctx context.Context, widgets []domain.Widget) error {
	exists := false
	err := w.update(ctx, func(tx *bbolt.Tx) error {
		for _, widget := range widgets {
			if err := addWidget(tx, widget); err != nil {
				exists = errors.Is(err, domain.AlreadyExists)
				return fmt.Errorf("widget %s: %s", widget.Name, err.Error()) // not that error: others have been added
			}
		}
		return nil
	}, nil)
	if err != nil && exists {
		return domain.AlreadyExists
	}
	return err
}

// ByName implements [ports.WidgetRepository].
func (w *Widgets) ByName(ctx context.Context, name domain.WidgetName) (widget domain.Widget, err error) {
	err = w.view(ctx, func(tx *readTx) error {
		_, widget, err = getWidget(tx, name)
		return err
	})
	return widget, err
}

// List implements [ports.WidgetRepository].
func (w *Widgets) List(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
	page := domain.Page{Request: request}
	err := w.view(ctx, func(tx *readTx) error {
		total, err := countAll(tx)
		if err != nil {
			return err
		}
		offset := min(request.Offset(), total)
		page.TotalItems = total
		page.Items, err = widgetsFrom(tx, offset, min(request.Size(), total-offset))
		return err
	})
	if err != nil {
		return domain.Page{}, err
	}
	return page, nil
}

// Update implements [ports.WidgetRepository].
func (w *Widgets) Update(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
	return w.update(ctx, func(tx *bbolt.Tx) error {
		seq, widget, err := getWidget(reading(tx), name)
		if err != nil {
			return err
		}
		widget.InfoURL, widget.Deadline = infoURL, deadline
		return putWidget(tx, seq, widget)
	}, nil)
}

// Delete implements [ports.WidgetRepository].
func (w *Widgets) Delete(ctx context.Context, name domain.WidgetName) error {
	return w.update(ctx, func(tx *bbolt.Tx) error { return deleteWidget(tx, name) }, nil)
}

func addWidget(tx *bbolt.Tx, widget domain.Widget) error {
	name := []byte(widget.Name.String())
	if nameTable.has(tx, name) {
		return domain.AlreadyExists
	}
	seq, err := widgetTable.in(tx).NextSequence()
	if err != nil {
		return err
	}
	if err := nameTable.put(tx, name, number(seq)); err != nil {
		return err
	}
	if err := putWidget(tx, seq, widget); err != nil {
		return err
	}
	return recount(tx, seq, true)
}

func deleteWidget(tx *bbolt.Tx, name domain.WidgetName) error {
	seq, err := sequenceOf(reading(tx), name)
	if err != nil {
		return err
	}
	if err := nameTable.delete(tx, []byte(name.String())); err != nil {
		return err
	}
	if err := widgetTable.delete(tx, number(seq)); err != nil {
		return err
	}
	return recount(tx, seq, false)
}

// widgetsFrom returns the count widgets that come after the first offset ones.
func widgetsFrom(tx *readTx, offset, count int) ([]domain.Widget, error) {
	widgets := make([]domain.Widget, 0, count)
	if count == 0 {
		return widgets, nil
	}
	first, skip, err := blockOf(tx, offset)
	if err != nil {
		return nil, err
	}
	cursor := tx.cursor(widgetTable)
	key, value := cursor.Seek(number(first))
	for ; skip > 0; skip-- {
		key, value = cursor.Next()
	}
	for ; len(widgets) < count; key, value = cursor.Next() {
		if key == nil {
			return nil, errMiscounted
		}
		payload, err := widgetTable.unseal(key, value)
		if err != nil {
			return nil, err
		}
		widget, err := readWidget(key, payload)
		if err != nil {
			return nil, err
		}
		widgets = append(widgets, widget)
	}
	return widgets, nil
}

func getWidget(tx *readTx, name domain.WidgetName) (seq uint64, widget domain.Widget, err error) {
	seq, err = sequenceOf(tx, name)
	if err != nil {
		return 0, domain.Widget{}, err
	}
	key := number(seq)
	payload, err := widgetTable.mustGet(tx, key)
	if err != nil {
		return 0, domain.Widget{}, err
	}
	widget, err = readWidget(key, payload)
	return seq, widget, err
}

// sequenceOf returns the key of the widget of that name, or NotFound.
func sequenceOf(tx *readTx, name domain.WidgetName) (uint64, error) {
	key := []byte(name.String())
	payload, err := nameTable.get(tx, key)
	switch {
	case err != nil:
		return 0, err
	case payload == nil:
		return 0, domain.NotFound
	}
	return nameTable.parseNumber(key, payload)
}

// readWidget is decodeWidget with the error of a damaged record.
func readWidget(key, payload []byte) (domain.Widget, error) {
	widget, err := decodeWidget(payload)
	if err != nil {
		return domain.Widget{}, widgetTable.damaged(key, err)
	}
	return widget, nil
}

func putWidget(tx *bbolt.Tx, seq uint64, widget domain.Widget) error {
	// Numbers only grow, so a page that is split will not be written to again:
	// bbolt's default would leave every one half empty.
	widgetTable.in(tx).FillPercent = 0.9
	return widgetTable.put(tx, number(seq), encodeWidget(widget))
}
