package boltdb

import (
	"context"
	"errors"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// maxAddAll is the maximum number of records that AddAll adds in one transaction. It limits
// how long other writes wait.
const maxAddAll = 500

// addAll adds records in order, and returns AlreadyExists for each that the store has
// already.
func addAll[T any](ctx context.Context, db *engine.DB, records []T, add func(*engine.Tx, T) error) (each []error, err error) {
	each = make([]error, 0, len(records))
	for len(records) > 0 {
		n := min(len(records), maxAddAll)
		results, err := addPart(ctx, db, records[:n], add)
		if err != nil {
			return nil, err
		}
		each, records = append(each, results...), records[n:]
	}
	if err := db.Ready(ctx); err != nil { // there may have been no records
		return nil, err
	}
	return each, nil
}

// addPart is addAll in one transaction.
func addPart[T any](ctx context.Context, db *engine.DB, records []T, add func(*engine.Tx, T) error) (results []error, err error) {
	var written []error
	err = db.Update(ctx, func(tx *engine.Tx) error {
		added := 0
		written = make([]error, len(records))
		for i, record := range records {
			written[i] = add(tx, record)
			switch {
			case written[i] == nil:
				added++
			case !errors.Is(written[i], domain.AlreadyExists):
				return written[i]
			}
		}
		if added == 0 {
			return domain.AlreadyExists // nothing to write
		}
		return nil
	}, nil)
	if err != nil && !errors.Is(err, domain.AlreadyExists) {
		return nil, err // the engine may set written later
	}
	return written, nil
}
