package domain

import (
	"math"
	"time"
)

// Retention is how long the blacklist must remember a token or a cut-off. It has two ends,
// one by the wall clock and one by the running time. Running time is a count of the time
// during which a server of the store was running. No wall clock moves it.
type Retention struct {
	ExpiresAt time.Time     // the end by the wall clock, for a token its expiry
	Until     time.Duration // the end by the running time: the lifetime has passed since the log-out or the cut-off
}

// retentionFrom returns the retention that begins at the given running time.
func retentionFrom(running time.Duration, expiresAt time.Time, lifetime time.Duration) Retention {
	until := running + lifetime
	if until < running {
		until = math.MaxInt64
	}
	return Retention{ExpiresAt: expiresAt, Until: until}
}

// EndedAt reports whether both ends have passed, so that the blacklist may forget the
// token or the cut-off.
func (r Retention) EndedAt(now time.Time, running time.Duration) bool {
	return !now.Before(r.ExpiresAt) && running >= r.Until
}

// Extended returns the later of both ends of two retentions.
func (r Retention) Extended(other Retention) Retention {
	if other.ExpiresAt.After(r.ExpiresAt) {
		r.ExpiresAt = other.ExpiresAt
	}
	r.Until = max(r.Until, other.Until)
	return r
}

// WholeSeconds returns a lifetime rounded up to whole seconds. A lifetime that is too long to
// be rounded up is rounded down.
func WholeSeconds(lifetime time.Duration) time.Duration {
	if lifetime > math.MaxInt64-time.Second {
		return lifetime.Truncate(time.Second)
	}
	return (lifetime + time.Second - 1).Truncate(time.Second)
}
