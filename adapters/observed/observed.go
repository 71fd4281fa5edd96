// Package observed wraps the persistence ports, so that somebody is told of every
// call of a store, how long it took and whether it failed.
package observed

import (
	"context"
	"errors"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// Observer is told of the calls of a store. It is safe for concurrent use. Both
// texts are one of a fixed few: the store is "users", "widgets" or "blacklist",
// the operation is the name of a method of its port, as in "by_email".
type Observer interface {
	// StoreCallBegan returns the context that the call then gets.
	StoreCallBegan(ctx context.Context, store, operation string) context.Context
	// StoreCallEnded is given that context again. failure is nil when the store
	// answered, if only that it does not have what was asked for.
	StoreCallEnded(ctx context.Context, store, operation string, took time.Duration, failure error)
}

// store is what tells the observer about one store.
type store struct {
	name     string
	observer Observer
}

func (s store) call(ctx context.Context, operation string, do func(context.Context) error) error {
	ctx = s.observer.StoreCallBegan(ctx, s.name, operation)
	began := time.Now()
	err := do(ctx)
	s.observer.StoreCallEnded(ctx, s.name, operation, time.Since(began), failure(err))
	return err
}

// failure returns err, unless it is an answer.
func failure(err error) error {
	if errors.Is(err, domain.NotFound) || errors.Is(err, domain.AlreadyExists) {
		return nil
	}
	return err
}
