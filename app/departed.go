package app

import (
	"context"
	"time"
)

// departedInterval is the time between two calls of RemoveEmails. It is short enough that an
// email is removed within a minute, even if one call fails.
const departedInterval = 20 * time.Second

// removeEmailsRegularly removes the emails of deleted accounts from the widgets at once and
// then at every interval, until ctx ends.
func (a *App) removeEmailsRegularly(ctx context.Context) {
	regularly(ctx, departedInterval, func(ctx context.Context) {
		settled, err := withoutPanic(ctx, a.departures.RemoveEmails)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			a.adapters.log.Error("cannot remove the emails of deleted accounts from their widgets", "error", err)
		case settled > 0:
			a.adapters.log.Debug("removed the emails of deleted accounts from their widgets", "accounts", settled)
		}
	})
}
