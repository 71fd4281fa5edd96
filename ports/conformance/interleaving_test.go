package conformance_test

import (
	"context"
	"sync"

	"github.com/widgetd/widgetd/domain"
)

// The types in this file force the interleaving of calls that a mutant loses. So a suite
// detects the mutant whatever the scheduler does.

// event is something that happens once.
type event struct {
	once     sync.Once
	happened chan struct{}
}

func newEvent() *event { return &event{happened: make(chan struct{})} }

// happens lets every call of wait return.
func (e *event) happens() { e.once.Do(func() { close(e.happened) }) }

func (e *event) wait() { <-e.happened }

// meeting lets the first two calls of wait wait for each other.
type meeting struct {
	mu    sync.Mutex
	calls int
	both  *event
}

func newMeeting() *meeting { return &meeting{both: newEvent()} }

// wait reports whether the call is one of the first two.
func (m *meeting) wait() bool {
	m.mu.Lock()
	m.calls++
	n := m.calls
	m.mu.Unlock()
	if n == 2 {
		m.both.happens()
	}
	m.both.wait()
	return n <= 2
}

// racyCount is a number that loses one of its first two changes, which it makes simultaneous.
// It loses no other change, so that two losses cannot hide each other.
type racyCount struct {
	firstTwo *meeting

	mu    sync.Mutex
	value int
	lost  bool
}

func newRacyCount() *racyCount { return &racyCount{firstTwo: newMeeting()} }

func (c *racyCount) change(by int) {
	mayLose := c.firstTwo.wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if mayLose && !c.lost {
		c.lost = true
		return
	}
	c.value += by
}

func (c *racyCount) read() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// slot lets one call in at a time and refuses the others. The first call stays until
// another one was refused.
type slot struct {
	mu      sync.Mutex
	refused *event
}

func newSlot() *slot { return &slot{refused: newEvent()} }

func (s *slot) do(f func() error) error {
	if !s.mu.TryLock() {
		s.refused.happens()
		return domain.Unavailable
	}
	defer s.mu.Unlock()
	s.refused.wait()
	return f()
}

// endsMeanwhile calls ctx.Err until the context has ended, at most 100 times. The suites have
// contexts that end after a number of such calls. endsMeanwhile returns true if the context
// had not ended at the first call and ended at a later one.
func endsMeanwhile(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	for range 100 {
		if ctx.Err() != nil {
			return true
		}
	}
	return false
}

// whenTheContextEnds calls f after the context has ended, if it ends. It returns
// Unavailable without a call of f if the context has ended before.
func whenTheContextEnds(ctx context.Context, f func() error) error {
	if !endsMeanwhile(ctx) && ctx.Err() != nil {
		return domain.Unavailable
	}
	return f()
}
