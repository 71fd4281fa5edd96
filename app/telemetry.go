package app

import (
	"context"
	"net"
	"runtime/debug"
	"time"

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/adapters/metrics"
	"github.com/widgetd/widgetd/adapters/observed"
	"github.com/widgetd/widgetd/adapters/tracing"
	"github.com/widgetd/widgetd/ports"
)

// sendTimeout bounds how long the end waits for the last traces to be sent.
const sendTimeout = 3 * time.Second

// Version returns the version of the program that was built.
func Version() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		return build.Main.Version
	}
	return "(unknown)"
}

// count counts what happens, if there is an address to serve the counts on.
func (a *App) count(hasher ports.PasswordHasher) {
	if a.config.MetricsAddr == "" {
		return
	}
	a.metrics = metrics.New()
	if queue, ok := hasher.(*argon2id.Hasher); ok {
		a.metrics.WatchHashing(func() metrics.Hashing { return metrics.Hashing(queue.Load()) })
	}
	if counter, ok := a.adapters.blacklist.(ports.TokenCounter); ok {
		a.metrics.WatchBlacklist(counter)
	}
	a.adapters.observe(a.metrics)
}

// trace makes a trace of every request, if the variables of OpenTelemetry ask for
// it.
func (a *App) trace(ctx context.Context) {
	if !tracing.Wanted() {
		return
	}
	traces, err := tracing.New(ctx, Version(), a.adapters.log)
	if err != nil {
		a.adapters.log.Warn("requests are not traced", "error", err)
		return
	}
	a.tracing = traces
	a.adapters.observe(traces)
}

// observe has the observer told of every call of the store.
func (with *adapters) observe(observer observed.Observer) {
	with.users = observed.Users(with.users, observer)
	with.widgets = observed.Widgets(with.widgets, observer)
	with.blacklist = observed.Blacklist(with.blacklist, observer)
}

// observed returns the server's config with those who want to know of requests.
func (a *App) observed(config fiberhttp.Config) fiberhttp.Config {
	if a.metrics != nil {
		config.Observer = a.metrics
	}
	if a.tracing != nil {
		config.Tracer, config.Propagator = a.tracing.Tracer, a.tracing.Propagator
	}
	return config
}

// serveMetrics serves the metrics, if there are any, until stop is called.
func (a *App) serveMetrics(ctx context.Context) (stop func(), err error) {
	if a.metrics == nil {
		return func() {}, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.config.MetricsAddr)
	if err != nil {
		return nil, metricsAddrError(err)
	}
	server := a.metrics.Server(a.adapters.log)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(ln) // until it is closed
	}()
	a.adapters.log.Info("serving metrics", "addr", ln.Addr().String(), "url", "http://"+ln.Addr().String()+"/metrics")
	return func() {
		_ = server.Close() // whoever takes a profile is not waited for
		<-served
	}, nil
}

// sendTraces sends the traces that are left.
func (a *App) sendTraces() {
	if a.tracing == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	if err := a.tracing.Close(ctx); err != nil {
		a.adapters.log.Warn("the last traces were not sent", "error", err)
	}
}
