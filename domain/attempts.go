package domain

import "time"

// AttemptLimit limits the number of events of one kind in a window of time. An event is an
// attempt that counts: of all log-ins, those that fail. Only the end of an attempt shows
// whether it is an event.
type AttemptLimit struct {
	Name   string        // identifies the limit
	Max    int           // number of events in a window, 1 or more
	Window time.Duration // begins with an event; at most an hour
}

// LimitReachedError is the error for an attempt after the maximum number of events. It has
// no [Kind].
type LimitReachedError struct {
	RetryAfter time.Duration // until the window ends
}

// Error returns the reason and the time until the window ends.
func (e *LimitReachedError) Error() string {
	return "the limit is reached; the window ends in " + e.RetryAfter.String()
}
