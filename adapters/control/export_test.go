package control

import (
	"context"
	"log/slog"
	"time"
)

// StartWithTimeouts is [Start] for a server that waits at most write until a client reads, and
// at most read until it sends something.
func StartWithTimeouts(ctx context.Context, dir string, services Services, version string, log *slog.Logger, write, read time.Duration) (*Server, error) {
	return start(ctx, dir, services, version, log, timeouts{write: write, read: read, close: defaultTimeouts().close})
}
