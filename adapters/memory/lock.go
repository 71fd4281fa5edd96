package memory

import (
	"context"
	"sync"

	"github.com/widgetd/widgetd/domain"
)

// lock guards the maps of a store. Its zero value is open.
type lock struct {
	mu     sync.RWMutex
	closed bool
}

// read calls f while it holds the lock for reading. It returns the error of f, or
// Unavailable without a call of f if the context has ended or the store is
// closed. Operations take microseconds, so the context is checked only once.
func (l *lock) read(ctx context.Context, f func() error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.call(ctx, f)
}

// write is like read, but holds the lock for writing.
func (l *lock) write(ctx context.Context, f func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.call(ctx, f)
}

func (l *lock) call(ctx context.Context, f func() error) error {
	if l.closed {
		return unavailable(errClosed)
	}
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	return f()
}

func (l *lock) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// find returns a copy of the record with the given key, or NotFound.
func find[K comparable, R any](ctx context.Context, l *lock, records map[K]*R, key K) (found R, err error) {
	err = l.read(ctx, func() error {
		record, ok := records[key]
		if !ok {
			return domain.NotFound
		}
		found = *record
		return nil
	})
	return found, err
}
