package domain

import "time"

// AttemptLimit limits a kind of attempts, such as log-ins, of which only the end shows
// whether they count. An attempt that counts is an event, such as a failed log-in.
type AttemptLimit struct {
	Name   string        // of the limit, different for each one
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
