package boltdb

import (
	"context"
	"errors"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

func (u *users) Departed(ctx context.Context) ([]domain.UUID, error) {
	return u.idsIn(ctx, departedTable)
}

func (u *users) Settle(ctx context.Context, id domain.UUID) error {
	err := u.engine.Update(ctx, func(tx *engine.Tx) error {
		if !departedTable.Has(tx, id[:]) {
			return domain.NotFound // nothing to write
		}
		return departedTable.Delete(tx, id[:])
	}, nil)
	if errors.Is(err, domain.NotFound) {
		return nil
	}
	return err
}
