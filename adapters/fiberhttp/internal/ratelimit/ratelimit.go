// Package ratelimit limits each client: a [Limiter] counts events in a window of time,
// and a [ConcurrencyLimiter] counts operations in progress.
package ratelimit

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

const (
	// maxKeys is the number of keys with events that a Limiter remembers. It
	// forgets the key whose last event is the oldest.
	maxKeys = 50_000

	// maxWaiting is the number of attempts of one key that may wait until earlier
	// ones have ended.
	maxWaiting = 64
)

// Key identifies a counter. A [Limiter] counts each key separately.
type Key struct {
	Client netip.Prefix
	Email  string // may be empty
}

// ExceededError is the error of [Limiter.Begin] when the limit is reached.
type ExceededError struct {
	Message    string        // for the client
	RetryAfter time.Duration // until the window ends
}

// Error returns the message.
func (e *ExceededError) Error() string { return e.Message }

// Limiter limits the number of events of a key in a window of time. The window
// begins with the key's first event. Its length is running time: a jump of the wall
// clock does not change it. Only the end of an attempt shows whether it is
// an event, for example a failed log-in.
//
// The memory of a Limiter is bounded by maxKeys and by the number of attempts in
// progress. An attempt that is not an event does not evict another key.
type Limiter struct {
	config Config

	mu       sync.Mutex
	counters *simplelru.LRU[Key, *counter] // of keys with events
	active   map[Key]*counter              // of keys with attempts in progress
}

// Config is the configuration of a [Limiter].
type Config struct {
	Limit   int // of events in a window; 0: no limit
	Window  time.Duration
	Message string // of the ExceededError
	Clock   ports.Clock
}

// New returns a Limiter without events.
func New(config Config) *Limiter {
	counters, err := simplelru.NewLRU[Key, *counter](maxKeys, nil)
	if err != nil {
		panic(err) // maxKeys is less than 1
	}
	return &Limiter{config: config, counters: counters, active: map[Key]*counter{}}
}

// Begin begins an attempt. The caller must call End when it has ended.
//
// Begin returns an [ExceededError] if the key has reached the limit of events. The sum
// of the key's events and attempts in progress never exceeds the limit: if the new
// attempt would exceed it, Begin waits until another attempt has ended. Begin returns
// an Unavailable error if too many calls wait already, and the error of ctx if ctx ends
// first.
func (l *Limiter) Begin(ctx context.Context, key Key) (Attempt, error) {
	if l.config.Limit == 0 {
		return Attempt{}, nil
	}
	for {
		attempt, ended, err := l.tryBegin(key)
		if ended == nil {
			return attempt, err
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return Attempt{}, ctx.Err()
		}
	}
}

// tryBegin is Begin without waiting. If the caller must wait, tryBegin returns a channel
// that is closed when an attempt of the key ends.
func (l *Limiter) tryBegin(key Key) (_ Attempt, ended <-chan struct{}, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Clock.Running()
	c := l.counterOf(key)
	if now >= c.windowEnd {
		c.events = 0
	}
	switch {
	case c.events >= l.config.Limit:
		return Attempt{}, nil, &ExceededError{Message: l.config.Message, RetryAfter: c.windowEnd - now}
	case c.events+c.active >= l.config.Limit && c.waiting >= maxWaiting:
		return Attempt{}, nil, &domain.Error{Kind: domain.Unavailable, Err: errors.New("too many attempts of one client are waiting")}
	case c.events+c.active >= l.config.Limit:
		c.waiting++
		return Attempt{}, c.ended, nil
	}
	c.active++
	l.active[key] = c
	return Attempt{l, key, c}, nil, nil
}

// counterOf returns the counter of a key, a new one for an unknown key.
func (l *Limiter) counterOf(key Key) *counter {
	if c, found := l.counters.Get(key); found {
		return c
	}
	if c, found := l.active[key]; found {
		return c
	}
	return &counter{ended: make(chan struct{})}
}

type counter struct {
	events    int
	windowEnd time.Duration // end of the window that began with the first event, by Clock.Running
	active    int           // attempts in progress
	waiting   int           // calls of Begin that wait for one of them
	ended     chan struct{} // closed when one of them ends
}

// Attempt is an attempt in progress. The zero Attempt is not counted.
type Attempt struct {
	limiter *Limiter
	key     Key
	counter *counter
}

// End ends the attempt. If isEvent is true, the attempt counts as an event.
func (a Attempt) End(isEvent bool) {
	if a.limiter == nil {
		return
	}
	l, c := a.limiter, a.counter
	l.mu.Lock()
	defer l.mu.Unlock()
	c.active--
	if c.active == 0 {
		delete(l.active, a.key)
	}
	if isEvent {
		if c.events == 0 {
			c.windowEnd = l.config.Clock.Running() + l.config.Window
		}
		c.events++
		l.counters.Add(a.key, c)
	}
	c.waiting = 0 // every call of Begin that waits tries again
	close(c.ended)
	c.ended = make(chan struct{})
}
