package ports

import (
	"context"

	"github.com/widgetd/widgetd/domain"
)

// AttemptLimiter counts attempts and refuses those that would exceed a limit: see
// [domain.AttemptLimit]. It counts each key of each limit separately.
//
// A window begins with the key's first event: with the beginning or the end of that attempt.
// A jump of a clock does not make a window longer than limit.Window from then on. The number
// of keys that are remembered is bounded: the keys whose last attempt is the oldest are
// forgotten first.
type AttemptLimiter interface {
	// Begin begins an attempt of a key. If the error is nil, the caller must call end once
	// when the attempt has ended. If isEvent is true, the attempt counts as an event.
	// Function end returns at once, and works also after ctx has ended. An attempt whose end
	// cannot be stored counts as an event.
	//
	// The sum of the key's events and attempts in progress never exceeds limit.Max. If it
	// would only because of attempts in progress, Begin waits until one of them has ended.
	// Begin returns a [domain.LimitReachedError] if there are limit.Max events in the window.
	// It returns Unavailable if the counters cannot be read or written, or if too many calls
	// wait already. The attempt may then count until the window ends.
	Begin(ctx context.Context, limit domain.AttemptLimit, key string) (end func(isEvent bool), err error)
}

// AttemptStore has the further method of a [Store] that counts the attempts of all servers
// that share it.
type AttemptStore interface {
	// Attempts returns the counters. They can be used until Close is called.
	Attempts() AttemptLimiter
}
