// Package concurrency limits the operations of each client that are in progress.
package concurrency

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/widgetd/widgetd/domain"
)

// Limiter limits the number of operations of one client that are in
// progress, so that one client cannot use the whole capacity.
type Limiter struct {
	limit int

	mu     sync.Mutex
	active map[netip.Prefix]int
}

// NewLimiter returns a limiter for the given number of operations of
// one client.
func NewLimiter(limit int) *Limiter {
	return &Limiter{limit: limit, active: map[netip.Prefix]int{}}
}

// Acquire begins an operation of the client. The caller must call release when
// it has ended. Acquire returns an Unavailable error if the limit is reached.
func (l *Limiter) Acquire(client netip.Prefix) (release func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active[client] >= l.limit {
		return nil, &domain.Error{Kind: domain.Unavailable, Err: errors.New("too many registrations and log-ins of one client are in progress")}
	}
	l.active[client]++
	return func() { l.release(client) }, nil
}

func (l *Limiter) release(client netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active[client]--
	if l.active[client] == 0 {
		delete(l.active, client)
	}
}
