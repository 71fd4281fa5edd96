package boltdb

import (
	"context"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// slice returns at most limit items of the rows of a scan, from a position on. The function
// read returns the item of a row, or false if the row is no item.
func slice[T any](ctx context.Context, db *engine.DB, scan engine.Scan, position string, limit int, read func(*engine.Tx, engine.Row) (T, bool, error)) (domain.Slice[T], error) {
	scan, err := scan.After(position)
	if err != nil {
		return domain.Slice[T]{}, err
	}
	var part domain.Slice[T]
	err = db.View(ctx, func(tx *engine.Tx) error {
		last := position
		for row, err := range scan.Rows(tx) {
			if err != nil {
				return err
			}
			item, isItem, err := read(tx, row)
			switch {
			case err != nil:
				return err
			case !isItem:
				continue
			case len(part.Items) == limit:
				part.Next = last
				return nil
			}
			part.Items, last = append(part.Items, item), scan.Position(row.Key)
		}
		return nil
	})
	if err != nil {
		return domain.Slice[T]{}, err
	}
	return part, nil
}
