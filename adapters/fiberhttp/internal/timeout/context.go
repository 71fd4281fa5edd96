package timeout

import (
	"context"
	"sync"
	"time"
)

// Context is like the context of [context.WithDeadline], but starts a timer only when
// Done is called. Reads of the embedded store never call Done, because they do not
// wait. A Context must not be copied after its first use.
type Context struct {
	parent   context.Context
	deadline time.Time

	mu     sync.Mutex
	timed  context.Context // with a timer; nil until Done is called
	cancel context.CancelFunc
	err    error // set when the context ended before Done was called
}

// NewContext returns a context that ends at the given time, with its parent, or
// when End is called.
func NewContext(parent context.Context, at time.Time) Context {
	return Context{parent: parent, deadline: at}
}

// Deadline implements [context.Context].
func (c *Context) Deadline() (time.Time, bool) {
	if at, ok := c.parent.Deadline(); ok && at.Before(c.deadline) {
		return at, true
	}
	return c.deadline, true
}

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.parent, c.deadline)
		if c.err != nil {
			c.cancel()
		}
	}
	return c.timed.Done()
}

// Err implements [context.Context].
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
	case c.timed != nil:
		c.err = c.timed.Err()
	case c.parent.Err() != nil:
		c.err = c.parent.Err()
	case time.Until(c.deadline) <= 0:
		c.err = context.DeadlineExceeded
	}
	return c.err
}

// Value implements [context.Context]. Package context calls it to find the context with
// the timer, and then starts no goroutine for a child context.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		return c.parent.Value(key)
	}
	return c.timed.Value(key)
}

// End ends the context. It is the context's [context.CancelFunc].
func (c *Context) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed != nil {
		c.cancel()
	} else if c.err == nil && time.Until(c.deadline) > 0 {
		c.err = context.Canceled
	}
}
