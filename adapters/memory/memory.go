// Package memory implements the persistence ports in maps: [Users], [Widgets]
// and [Blacklist]. It is for tests and for programs that import the rules and
// the use cases and need a store to begin with.
//
// It keeps every promise of its ports that one process can see, and passes the
// suites of package conformance. Nothing survives the process and nothing is
// shared with another.
package memory

import (
	"context"

	"github.com/widgetd/widgetd/domain"
)

// ended returns an Unavailable error if the context has ended. No call waits
// for anything, so it is enough to look once, at its beginning.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return &domain.Error{Kind: domain.Unavailable, Err: err}
	}
	return nil
}
