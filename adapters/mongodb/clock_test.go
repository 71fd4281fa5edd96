package mongodb_test

import (
	"sync/atomic"
	"time"

	"github.com/widgetd/widgetd/ports"
)

// clock is a clock whose running time a test sets.
type clock struct {
	ports.Clock
	running atomic.Int64
}

func (c *clock) Running() time.Duration { return time.Duration(c.running.Load()) }

func (c *clock) run(d time.Duration) { c.running.Add(int64(d)) }
