package boltdb

import (
	"time"

	"github.com/widgetd/widgetd/domain"
)

// retention is [domain.Retention] in less memory.
type retention struct {
	expiry   int64 // Unix seconds
	until    time.Duration
	lifetime time.Duration // of the call of Add or EndTokens, or unknown
}

// unknown is the lifetime in a retention whose record has no lifetime, because an earlier
// version of widgetd wrote the record.
const unknown time.Duration = -1

func retentionOf(r domain.Retention, lifetime time.Duration) retention {
	return retention{r.ExpiresAt.Unix(), r.Until, lifetime}
}

func (r retention) domain() domain.Retention {
	return domain.Retention{ExpiresAt: r.expiresAt(), Until: r.until}
}

func (r retention) expiresAt() time.Time { return time.Unix(r.expiry, 0).UTC() }

// extended returns the retention with the later expiry, the later until and the longer
// lifetime of two retentions. If one lifetime is unknown, the result has the lifetime of the
// retention with the later until.
func (r retention) extended(other retention) retention {
	lifetime := max(r.lifetime, other.lifetime)
	if r.lifetime == unknown && r.until > other.until || other.lifetime == unknown && other.until > r.until {
		lifetime = unknown
	}
	return retention{max(r.expiry, other.expiry), max(r.until, other.until), lifetime}
}

// lifetimeAt returns the lifetime in whole seconds, rounded up. If it is unknown, the result
// is the running time that is left.
func (r retention) lifetimeAt(running time.Duration) time.Duration {
	lifetime := r.lifetime
	if lifetime == unknown {
		lifetime = max(r.until-running, 0)
	}
	return domain.WholeSeconds(lifetime)
}

func (r retention) endedAt(now time.Time, running time.Duration) bool {
	return r.domain().EndedAt(now, running)
}

// later returns the retention, extended by that which the map has for the id.
func later(retentions map[domain.UUID]retention, id domain.UUID, r retention) retention {
	before, found := retentions[id]
	if !found {
		return r
	}
	return r.extended(before)
}
