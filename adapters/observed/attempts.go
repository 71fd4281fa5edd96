package observed

import (
	"context"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Attempts returns an AttemptLimiter that passes every call on to next and reports it to the
// observer. The time of a call includes that of waiting for other attempts. The end of an
// attempt is not reported, because it has no result.
func Attempts(next ports.AttemptLimiter, observer StoreObserver) ports.AttemptLimiter {
	return attempts{reporter{"attempts", observer}, next}
}

type attempts struct {
	reporter
	next ports.AttemptLimiter
}

func (a attempts) Begin(ctx context.Context, limit domain.AttemptLimit, key string) (end func(isEvent bool), err error) {
	return reportResult(ctx, a.reporter, "begin", func(ctx context.Context) (func(isEvent bool), error) {
		return a.next.Begin(ctx, limit, key)
	})
}
