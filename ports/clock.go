package ports

import "time"

// Clock tells the time.
type Clock interface {
	// Now returns the current time of the wall clock, which may be wrong and may
	// jump.
	Now() time.Time

	// Running returns for how long the program has been running, counted from any
	// moment. It never decreases and does not follow the wall clock. Use it for
	// durations that must not depend on the wall clock.
	Running() time.Duration
}
