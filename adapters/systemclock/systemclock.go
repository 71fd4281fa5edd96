// Package systemclock implements [ports.Clock] with the clock of the operating system. Use a
// [Clock] wherever a Config asks for one; a test uses the generated fake of package fakes.
package systemclock

import (
	"time"

	"github.com/widgetd/widgetd/ports"
)

// start is the moment that [Clock.Running] counts from. It has a reading of the
// monotonic clock.
var start = time.Now()

// Clock is the clock of the operating system. Its zero value is ready to use.
type Clock struct{}

var _ ports.Clock = Clock{}

// Now implements [ports.Clock]. It returns the time in UTC.
func (Clock) Now() time.Time { return time.Now().UTC() }

// Running implements [ports.Clock] with the monotonic clock.
func (Clock) Running() time.Duration { return time.Since(start) }
