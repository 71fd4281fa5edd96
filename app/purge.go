package app

import (
	"context"
	"time"
)

const (
	// purgeInterval is the time between two purges of the blacklist.
	purgeInterval = time.Minute

	// lastPurgeTimeout bounds the purge before the store is closed.
	lastPurgeTimeout = time.Second
)

// purgeRegularly purges the blacklist at once and then at every interval, until
// ctx ends.
func (a *App) purgeRegularly(ctx context.Context) {
	regularly(ctx, purgeInterval, func(ctx context.Context) {
		purged, err := a.purge(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			a.adapters.log.Error("cannot purge the blacklist", "error", err)
		case purged > 0:
			a.adapters.log.Debug("purged the blacklist", "tokens", purged)
		}
	})
}

// purgeLast purges the blacklist before the store is closed, so that the store keeps
// the running time since the last purge.
func (a *App) purgeLast() {
	ctx, cancel := context.WithTimeout(context.Background(), lastPurgeTimeout)
	defer cancel()
	purged := make(chan error, 1)
	go func() {
		_, err := a.purge(ctx)
		purged <- err
	}()
	var err error
	select {
	case err = <-purged:
	case <-ctx.Done(): // the store may wait for a disk that does not answer
		err = ctx.Err()
	}
	if err != nil {
		a.adapters.log.Warn("cannot purge the blacklist", "error", err)
	}
}

func (a *App) purge(ctx context.Context) (int, error) { return withoutPanic(ctx, a.Auth.Purge) }
