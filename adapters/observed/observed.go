// Package observed reports every operation of a store to an observer: its name, its duration
// and its failure. The observers of packages metrics and tracing are two such observers:
//
//	store = observed.Store(store, tracing)
//	store = observed.Store(store, metrics)
//
// Write another one to log slow operations, for example. The returned store passes every call
// on, and changes no result.
package observed

import (
	"context"
	"errors"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// StoreObserver receives the operations of a store. Its methods are called
// concurrently, on the goroutine of the operation.
//
// The label values are a fixed set. The store is "users", "widgets", "blacklist",
// "attempts", or "store" for the store as a whole. The operation is the name of the port's
// method in snake case, for example "by_email".
type StoreObserver interface {
	// StoreCallBegan is called before an operation. The operation runs with the
	// returned context, which must derive from ctx.
	StoreCallBegan(ctx context.Context, store, operation string) context.Context
	// StoreCallEnded is called after an operation, with the context that
	// StoreCallBegan returned. A NotFound, AlreadyExists, ChangedMeanwhile or
	// Conflict error and a [domain.LimitReachedError] are normal results, not failures:
	// failure is nil then.
	StoreCallEnded(ctx context.Context, store, operation string, took time.Duration, failure error)
}

// Store returns a store that passes every operation on to next and reports it to
// the observer. Close, Shared and CursorKey are passed on without a report.
func Store(next ports.Store, observer StoreObserver) ports.Store {
	return store{reporter{"store", observer}, next}
}

// store implements [ports.Store]. It does not embed the next store. So when the port
// gets a new method, the package does not compile until store reports that method.
type store struct {
	reporter
	next ports.Store
}

func (s store) Users() ports.UserRepository {
	return users{reporter{"users", s.observer}, s.next.Users()}
}

func (s store) Widgets() ports.WidgetRepository {
	return widgets{reporter{"widgets", s.observer}, s.next.Widgets()}
}

func (s store) Blacklist() ports.TokenBlacklist {
	return blacklist{reporter{"blacklist", s.observer}, s.next.Blacklist()}
}

func (s store) Ping(ctx context.Context) error { return s.report(ctx, "ping", s.next.Ping) }

func (s store) CursorKey() domain.CursorKey { return s.next.CursorKey() }

func (s store) Close() error { return s.next.Close() }

func (s store) Shared() bool { return s.next.Shared() }

// reporter reports the operations of one part of a store.
type reporter struct {
	store    string
	observer StoreObserver
}

// report runs call, reports it, and returns its error.
func (r reporter) report(ctx context.Context, operation string, call func(context.Context) error) error {
	ctx = r.observer.StoreCallBegan(ctx, r.store, operation)
	began := time.Now()
	err := call(ctx)
	r.observer.StoreCallEnded(ctx, r.store, operation, time.Since(began), failure(err))
	return err
}

// reportResult is report for a call that returns a value.
func reportResult[T any](ctx context.Context, r reporter, operation string, call func(context.Context) (T, error)) (result T, err error) {
	err = r.report(ctx, operation, func(ctx context.Context) error {
		result, err = call(ctx)
		return err
	})
	return result, err
}

// failure returns err, or nil if err is a normal result of an operation.
func failure(err error) error {
	switch domain.KindOf(err) {
	case domain.NotFound, domain.AlreadyExists, domain.ChangedMeanwhile, domain.Conflict:
		return nil
	}
	if _, ok := errors.AsType[*domain.LimitReachedError](err); ok {
		return nil
	}
	return err
}
