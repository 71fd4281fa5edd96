package boltdb

import (
	"context"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// list returns a page of the rows of an order index. Its cost does not depend on the
// position of the page.
func list[T any](ctx context.Context, db *engine.DB, order engine.OrderIndex, request domain.PageRequest, read func(*engine.Tx, engine.Row) (T, error)) (domain.Page[T], error) {
	page := domain.Page[T]{Request: request}
	err := db.View(ctx, func(tx *engine.Tx) error {
		total, err := order.Len(tx)
		if err != nil {
			return err
		}
		offset := min(request.Offset(), total)
		count := min(request.Size(), total-offset)
		page.TotalItems, page.Items = total, make([]T, 0, count)
		for row, err := range order.Slice(tx, offset, count) {
			if err != nil {
				return err
			}
			item, err := read(tx, row)
			if err != nil {
				return err
			}
			page.Items = append(page.Items, item)
		}
		return nil
	})
	if err != nil {
		return domain.Page[T]{}, err
	}
	return page, nil
}
