package app

import (
	"context"

	"github.com/widgetd/widgetd/adapters/control"
)

// serveControl serves the control socket of the embedded store until ctx ends. It closes
// the channel when the last command was answered, at the latest shutdownTimeout after ctx
// has ended. If the socket cannot be used, the server works without it.
func (a *App) serveControl(ctx context.Context) (ended <-chan struct{}) {
	done := make(chan struct{})
	if !a.embedded {
		close(done)
		return done
	}
	log := a.adapters.log
	services := control.Services{Accounts: a.Accounts, Keys: a.Keys, Transfer: a.Transfer, Maintenance: a.Maintenance}
	server, err := control.Start(ctx, a.config.DataDir, services, Version(), log)
	if err != nil {
		log.Warn("commands cannot reach this server: it has no control socket", "error", err)
		close(done)
		return done
	}
	go func() {
		defer close(done)
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			log.Warn("stopped before all commands had ended", "error", err)
		}
	}()
	return done
}
