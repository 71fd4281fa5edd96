package fiberhttp

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

// limiter counts events per key in windows of fixed length. It remembers the
// keys that had an event last, maxLimitKeys of them, so that its memory is bounded;
// and those of attempts under way, which are no more than requests. An attempt that
// turns out to be no event makes it forget nobody.
type limiter struct {
	max    int // 0 is any number
	window time.Duration
	clock  ports.Clock

	mu     sync.Mutex
	counts *simplelru.LRU[limitKey, *count] // with events
	open   map[limitKey]*count              // with open attempts
}

const maxLimitKeys = 50_000

// maxLimitWaiters is how many attempts may wait until those before them, of the
// same key, turn out not to count.
const maxLimitWaiters = 64

// limitKey tells what is counted apart. Registrations have no email.
type limitKey struct {
	client netip.Prefix
	email  string
}

type count struct {
	events  int
	open    int           // attempts of which it is not known yet whether they count
	waiting int           // for an open one to be settled
	settled chan struct{} // closed when that is known of one
	ends    time.Time     // of the window that began with the first event
}

// attempt may turn out to be an event.
type attempt struct {
	limiter *limiter
	key     limitKey
	count   *count
}

// maxCredentialChecks is how many registrations and log-ins of one client may be
// under way: three quarters of what waits for a hash at the most on two cores, so
// that no client alone can fill that queue.
const maxCredentialChecks = 100

// crowd counts what is under way per client, so that no single one can shut the
// others out.
type crowd struct {
	mu    sync.Mutex
	sizes map[netip.Prefix]int
}

// enter lets one more of the client in until leave is called, or returns an
// Unavailable error when there are too many.
func (c *crowd) enter(client netip.Prefix) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sizes[client] >= maxCredentialChecks {
		return nil, &domain.Error{Kind: domain.Unavailable, Err: errCrowd}
	}
	c.sizes[client]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.sizes[client]--; c.sizes[client] == 0 {
			delete(c.sizes, client)
		}
	}, nil
}

// errCrowd is the cause of an Unavailable error.
var errCrowd = errors.New("too many registrations and log-ins of one client are under way")

// limitError says that there were too many events already.
type limitError struct {
	message string
	wait    time.Duration // until the window ends
}

func (e *limitError) Error() string { return e.message }

func newLimiter(limit int, window time.Duration, clock ports.Clock) *limiter {
	counts, err := simplelru.NewLRU[limitKey, *count](maxLimitKeys, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &limiter{max: limit, window: window, clock: clock, counts: counts, open: map[limitKey]*count{}}
}

// begin lets an attempt through, or returns a limitError with that message.
// Events and open attempts together are never more than the limit, so that many
// at once are no more than one after the other: where only open ones stand in
// the way, it waits for one to be settled, unless too many wait already, which is
// an Unavailable error.
func (l *limiter) begin(ctx context.Context, key limitKey, message string) (attempt, error) {
	if l.max == 0 {
		return attempt{}, nil
	}
	for {
		attempt, settled, err := l.tryBegin(key, message)
		if settled == nil {
			return attempt, err
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return attempt, ctx.Err()
		}
	}
}

// tryBegin is begin, but returns what to wait for, if anything.
func (l *limiter) tryBegin(key limitKey, message string) (attempt, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	counted, found := l.counts.Get(key)
	if !found {
		counted, found = l.open[key]
	}
	if !found {
		counted = &count{settled: make(chan struct{})}
	} else if !now.Before(counted.ends) {
		counted.events = 0
	}
	switch {
	case counted.events >= l.max:
		return attempt{}, nil, &limitError{message: message, wait: counted.ends.Sub(now)}
	case counted.events+counted.open >= l.max && counted.waiting >= maxLimitWaiters:
		return attempt{}, nil, &domain.Error{Kind: domain.Unavailable, Err: errTooManyWait}
	case counted.events+counted.open >= l.max:
		counted.waiting++
		return attempt{}, counted.settled, nil
	}
	counted.open++
	l.open[key] = counted
	return attempt{l, key, counted}, nil, nil
}

// errTooManyWait is the cause of an Unavailable error.
var errTooManyWait = errors.New("too many attempts for one client wait already")

// settle says whether the attempt was an event that counts.
func (a attempt) settle(counts bool) {
	if a.limiter == nil {
		return
	}
	l := a.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	a.count.open--
	if a.count.open == 0 {
		delete(l.open, a.key)
	}
	if counts {
		if a.count.events == 0 {
			a.count.ends = l.clock.Now().Add(l.window)
		}
		a.count.events++
		l.counts.Add(a.key, a.count)
	}
	a.count.waiting = 0 // they all look again
	close(a.count.settled)
	a.count.settled = make(chan struct{})
}
