package observed

import (
	"context"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Blacklist returns the blacklist, with the observer told of every call.
func Blacklist(next ports.TokenBlacklist, observer Observer) ports.TokenBlacklist {
	return blacklist{store{"blacklist", observer}, next}
}

type blacklist struct {
	store
	next ports.TokenBlacklist
}

func (b blacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	return b.call(ctx, "add", func(ctx context.Context) error { return b.next.Add(ctx, token) })
}

func (b blacklist) Contains(ctx context.Context, token domain.BlacklistedToken) (found bool, err error) {
	err = b.call(ctx, "contains", func(ctx context.Context) error {
		found, err = b.next.Contains(ctx, token)
		return err
	})
	return found, err
}

func (b blacklist) Purge(ctx context.Context, now time.Time) (forgotten int, err error) {
	err = b.call(ctx, "purge", func(ctx context.Context) error {
		forgotten, err = b.next.Purge(ctx, now)
		return err
	})
	return forgotten, err
}
