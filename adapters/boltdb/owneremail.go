package boltdb

import (
	"bytes"
	"context"
	"errors"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// maxOwnerEmails is the maximum number of widgets that RemoveOwnerEmail changes in one
// transaction. It limits how long other writes wait.
const maxOwnerEmails = 256

// maxOwnerReads is the maximum number of widgets that RemoveOwnerEmail reads in one
// transaction.
const maxOwnerReads = 10_000

// RemoveOwnerEmail implements [ports.WidgetRepository]. It follows the owner's index. A
// widget that another transaction adds meanwhile is behind all others in the index.
func (w *widgets) RemoveOwnerEmail(ctx context.Context, owner domain.UUID) error {
	scan := scanOf(domain.WidgetQuery{Sort: domain.ByCreation, Owner: &owner})
	for {
		found, err := w.withOwnerEmail(ctx, scan)
		if err != nil {
			return err
		}
		if err := w.removeOwnerEmail(ctx, owner, found.keys); err != nil {
			return err
		}
		if found.last == "" {
			return nil
		}
		if scan, err = scan.After(found.last); err != nil {
			return err
		}
	}
}

// ownedWidgets are some widgets of an owner.
type ownedWidgets struct {
	keys [][]byte // of those that have the owner's email
	last string   // the position of the last widget that was read; empty at the end
}

// withOwnerEmail reads the next widgets of a scan.
func (w *widgets) withOwnerEmail(ctx context.Context, scan engine.Scan) (found ownedWidgets, err error) {
	err = w.engine.View(ctx, func(tx *engine.Tx) error {
		found = ownedWidgets{}
		n := 0
		for row, err := range scan.Rows(tx) {
			if err != nil {
				return err
			}
			if n == maxOwnerReads || len(found.keys) == maxOwnerEmails {
				return nil
			}
			n++
			key := sequenceOf(row.Key)
			widget, err := mustGetWidget(tx, key)
			if err != nil {
				return err
			}
			if widget.Owner.Email != (domain.Email{}) {
				found.keys = append(found.keys, bytes.Clone(key))
			}
			found.last = scan.Position(row.Key)
		}
		found.last = ""
		return nil
	})
	return found, err
}

// removeOwnerEmail removes the email from widgets, except those that have another owner
// meanwhile.
func (w *widgets) removeOwnerEmail(ctx context.Context, owner domain.UUID, keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	err := w.engine.Update(ctx, func(tx *engine.Tx) error {
		changed := 0
		for _, key := range keys {
			record, err := widgetTable.Get(tx, key)
			if errors.Is(err, domain.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			widget, err := readWidget(engine.Row{Key: key, Record: record})
			if err != nil {
				return err
			}
			if widget.Owner.PublicID != owner || widget.Owner.Email == (domain.Email{}) {
				continue
			}
			after := widget.Changed(domain.WidgetChange{Owner: &domain.Owner{PublicID: owner}})
			if err := putChanged(tx, key, widget, after); err != nil {
				return err
			}
			changed++
		}
		if changed == 0 {
			return domain.NotFound // nothing to write
		}
		return nil
	}, nil)
	if errors.Is(err, domain.NotFound) {
		return nil
	}
	return err
}
