package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/app/accounts"
	"github.com/widgetd/widgetd/domain"
)

// shutdownTimeout is how long Serve waits for requests in flight when it stops.
const shutdownTimeout = 10 * time.Second

// adminTimeout is how long a start may take to prepare the administrator of the config. A
// change of that account waits for the audit record. Without a time limit, the start would
// wait as long as the log takes no lines. Clients could connect meanwhile, but would get no
// response.
const adminTimeout = 30 * time.Second

// Run listens on the configured address and calls [App.Serve].
func (a *App) Run(ctx context.Context) error {
	// package net would listen on all interfaces if the address were empty.
	if err := checkAddr(a.config.Addr); err != nil {
		return configError(err, "Addr")
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.config.Addr)
	if err != nil {
		return configError(err, "Addr")
	}
	return a.Serve(ctx, ln)
}

// Serve answers the requests that arrive at ln, over TLS if the config names a
// certificate, until ctx ends. Then it stops accepting connections, waits up to 10
// seconds for requests in flight, and returns nil. It closes ln.
func (a *App) Serve(ctx context.Context, ln net.Listener) error {
	log := a.adapters.log
	stop, err := a.Start(ctx)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer stop()
	scheme := "http"
	if a.certificate != nil {
		scheme, ln = "https", a.certificate.listen(ln)
	}
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(ln) }()
	listening := []any{"addr", ln.Addr().String(), "url", scheme + "://" + reachable(ln.Addr()) + fiberhttp.Base}
	if base := a.config.BaseURL; base != "" {
		listening = append(listening, "base_url", base)
	}
	log.Info("listening", listening...)

	select {
	case err = <-served:
	case <-ctx.Done():
		err = a.shutdown(ln, served)
	}
	return err
}

// Start does the work of [App.Serve] except for the API: it makes sure that the
// administrator of the config exists, purges the blacklist regularly, removes expired keys
// and the emails of deleted accounts, watches the store, and serves the control socket and,
// if the config names their address, the metrics.
//
// A program that mounts [App.Handler] calls Start before it serves. The work ends when ctx
// ends or when stop is called. Call stop after the last request and before [App.Close]: it
// waits until the work has ended. Start returns an error if the administrator cannot be
// written or the metrics cannot be served; then no work was started.
func (a *App) Start(ctx context.Context) (stop func(), err error) {
	stopMetrics, err := a.serveMetrics(ctx)
	if err != nil {
		return nil, err
	}
	a.reportStart()
	if err := a.prepareAdmin(ctx); err != nil {
		stopMetrics()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var jobs sync.WaitGroup
	jobs.Go(func() { a.purgeRegularly(ctx) })
	jobs.Go(func() { a.removeEmailsRegularly(ctx) })
	jobs.Go(func() { a.watchStore(ctx, a.store) })
	jobs.Go(func() { a.removeExpiredKeys(ctx) })
	controlEnded := a.serveControl(ctx)
	return sync.OnceFunc(func() {
		cancel()
		<-controlEnded
		a.awaitJobs(&jobs)
		stopMetrics()
	}), nil
}

func (a *App) shutdown(ln net.Listener, served <-chan error) error {
	a.stopping.Store(true)
	a.adapters.log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		a.adapters.log.Warn("stopped before all requests had ended", "error", err)
		return nil
	}
	// Shutdown does not stop a server that has not begun to accept. It stops when
	// its listener is closed.
	_ = ln.Close()
	return <-served
}

// ready returns nil when the store answers and the server is not stopping.
func (a *App) ready(ctx context.Context) error {
	if a.stopping.Load() {
		return &domain.Error{Kind: domain.Unavailable, Message: "the server is stopping"}
	}
	return a.adapters.store.Ping(ctx)
}

// prepareAdmin makes sure that the configured administrator exists. Without one in
// the config, it logs a hint if the store has no administrator.
func (a *App) prepareAdmin(ctx context.Context) error {
	if a.config.AdminEmail == "" {
		return a.hintAtAdmin(ctx)
	}
	email, password, err := a.config.admin()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	change, err := a.Accounts.EnsureAdmin(ctx, email, password)
	a.reportAdmin(change)
	return err
}

// hintAtAdmin logs how to add an administrator if the store has none.
func (a *App) hintAtAdmin(ctx context.Context) error {
	found, err := a.adapters.store.Users().HasAdmin(ctx)
	if err != nil || found {
		return err
	}
	message := "there is no administrator yet"
	if hint := a.adapters.adminHint; hint != "" {
		message += ": " + hint
	}
	a.adapters.log.Info(message)
	return nil
}

// reportAdmin logs what was changed in the account of the configured administrator.
func (a *App) reportAdmin(change accounts.AdminChange) {
	id := slog.String("public_id", change.PublicID.String())
	if change.Added {
		a.adapters.log.Info("added the administrator of the settings", id)
	}
	if change.Promoted || change.Enabled || change.Password {
		a.adapters.log.Warn("changed the account of the administrator of the settings, and ended its tokens", id,
			"promoted", change.Promoted, "enabled", change.Enabled, "password_changed", change.Password)
	}
}
