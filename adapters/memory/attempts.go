package memory

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

const (
	// maxAttemptKeys is the number of keys with events that an AttemptLimiter remembers. It
	// forgets the key whose last event is the oldest.
	maxAttemptKeys = 50_000

	// maxWaiting is the number of attempts of one key that may wait until earlier ones have
	// ended.
	maxWaiting = 64
)

// AttemptLimiter counts the attempts of one process. Make one with [NewAttemptLimiter].
//
// The length of a window is running time: a jump of the wall clock does not change it. The
// memory of an AttemptLimiter is bounded by maxAttemptKeys and by the number of attempts in
// progress. An attempt that is not an event does not evict another key.
type AttemptLimiter struct {
	running func() time.Duration

	mu       sync.Mutex
	counters *simplelru.LRU[attemptKey, *attemptCounter] // of keys with events
	active   map[attemptKey]*attemptCounter              // of keys with attempts in progress
}

// attemptKey is the name of a limit and a key.
type attemptKey struct{ limit, key string }

var _ ports.AttemptLimiter = (*AttemptLimiter)(nil)

// NewAttemptLimiter returns an AttemptLimiter without events. It uses only the running time of
// the clock.
func NewAttemptLimiter(clock ports.Clock) *AttemptLimiter {
	counters, err := simplelru.NewLRU[attemptKey, *attemptCounter](maxAttemptKeys, nil)
	if err != nil {
		panic(err) // maxAttemptKeys is less than 1
	}
	return &AttemptLimiter{running: clock.Running, counters: counters, active: map[attemptKey]*attemptCounter{}}
}

// Begin implements [ports.AttemptLimiter].
func (l *AttemptLimiter) Begin(ctx context.Context, limit domain.AttemptLimit, key string) (end func(isEvent bool), err error) {
	id := attemptKey{limit.Name, key}
	for {
		if err := ctx.Err(); err != nil {
			return nil, unavailable(err)
		}
		end, ended, err := l.tryBegin(limit, id)
		if ended == nil {
			return end, err
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return nil, unavailable(ctx.Err())
		}
	}
}

// tryBegin is Begin without waiting. If the caller must wait, tryBegin returns a channel
// that is closed when an attempt of the key ends.
func (l *AttemptLimiter) tryBegin(limit domain.AttemptLimit, id attemptKey) (end func(isEvent bool), ended <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.running()
	c := l.counterOf(id)
	if now >= c.windowEnd {
		c.events = 0
	}
	switch {
	case c.events >= limit.Max:
		return nil, nil, &domain.LimitReachedError{RetryAfter: c.windowEnd - now}
	case c.events+c.active >= limit.Max && c.waiting >= maxWaiting:
		return nil, nil, unavailable(errors.New("too many attempts of one client are waiting"))
	case c.events+c.active >= limit.Max:
		c.waiting++
		return nil, c.ended, nil
	}
	c.active++
	l.active[id] = c
	return func(isEvent bool) { l.end(id, c, limit.Window, isEvent) }, nil, nil
}

// counterOf returns the counter of a key, a new one for an unknown key.
func (l *AttemptLimiter) counterOf(id attemptKey) *attemptCounter {
	if c, found := l.counters.Get(id); found {
		return c
	}
	if c, found := l.active[id]; found {
		return c
	}
	return &attemptCounter{ended: make(chan struct{})}
}

type attemptCounter struct {
	events    int
	windowEnd time.Duration // end of the window that began with the first event, in running time
	active    int           // attempts in progress
	waiting   int           // calls of Begin that wait for one of them
	ended     chan struct{} // closed when one of them ends
}

// end ends an attempt.
func (l *AttemptLimiter) end(id attemptKey, c *attemptCounter, window time.Duration, isEvent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.active--
	if c.active == 0 {
		delete(l.active, id)
	}
	if isEvent {
		if c.events == 0 {
			c.windowEnd = l.running() + window
		}
		c.events++
		l.counters.Add(id, c)
	}
	c.waiting = 0 // every call of Begin that waits tries again
	close(c.ended)
	c.ended = make(chan struct{})
}
