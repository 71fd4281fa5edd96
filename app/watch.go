package app

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/widgetd/widgetd/ports"
)

const (
	// watchInterval is the time between two checks of the store.
	watchInterval = 5 * time.Second

	// watchTimeout bounds one check.
	watchTimeout = 4 * time.Second
)

// watchStore checks at every interval whether the store is ready, until ctx ends. It
// logs when the store is no longer ready, or not ready for another reason, and when it
// is ready again. A store may repair itself when it is checked.
func (a *App) watchStore(ctx context.Context, store ports.Store) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	problem := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := ping(ctx, store)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && problem != "":
			a.adapters.log.Info("the store is ready again")
			problem = ""
		case err != nil && withoutNumbers(err.Error()) != problem:
			problem = withoutNumbers(err.Error())
			a.adapters.log.Warn("the store is not ready", "error", err)
		}
	}
}

// withoutNumbers removes digits, such as those of a connection's port, which differ
// each time the same problem is found.
func withoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, text)
}

func ping(ctx context.Context, store ports.Store) error {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	return store.Ping(ctx)
}
