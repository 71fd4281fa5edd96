package app

import (
	"context"
	"net"
	"time"

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/adapters/metrics"
	"github.com/widgetd/widgetd/adapters/observed"
	"github.com/widgetd/widgetd/adapters/tracing"
	"github.com/widgetd/widgetd/ports"
)

// sendTimeout bounds how long Close waits until the remaining traces are sent.
const sendTimeout = 3 * time.Second

// watchGauges adds the metrics that are read from the store, the hasher and the log.
func (a *App) watchGauges(hasher ports.PasswordHasher) {
	if a.metrics == nil {
		return
	}
	a.metrics.WatchBlacklist(a.adapters.store.Blacklist())
	if dropped := a.adapters.droppedLogLines; dropped != nil {
		a.metrics.WatchLog(dropped)
	}
	if hasher, ok := hasher.(*argon2id.Hasher); ok {
		a.metrics.WatchHashing(func() metrics.Hashing { return metrics.Hashing(hasher.Load()) })
	}
}

// reportUnreadable logs and counts an account or a widget that a page leaves out because
// its record cannot be read. The store is "users" or "widgets".
func (a *App) reportUnreadable(store string, err error) {
	a.adapters.log.Warn("a record cannot be read and is left out of a page", "store", store, "error", err)
	if a.metrics != nil {
		a.metrics.UnreadableRecord(store)
	}
}

// startTracing starts to trace requests if the environment variables of
// OpenTelemetry configure an exporter.
func (a *App) startTracing(ctx context.Context) {
	if !tracing.Wanted() {
		return
	}
	traces, err := tracing.New(ctx, Version(), a.adapters.log)
	if err != nil {
		a.adapters.log.Warn("requests are not traced", "error", err)
		return
	}
	a.tracing = traces
}

// observers returns what the calls of the store are reported to: the metrics and the traces,
// as far as they are configured.
func (a *App) observers() (observers []observed.StoreObserver) {
	if a.metrics != nil {
		observers = append(observers, a.metrics)
	}
	if a.tracing != nil {
		observers = append(observers, a.tracing)
	}
	return observers
}

// observeStore reports the calls of the store to the observers.
func (a *App) observeStore() {
	for _, observer := range a.observers() {
		a.adapters.store = observed.Store(a.adapters.store, observer)
	}
}

// serveMetrics serves the metrics, if there are any, until stop is called.
func (a *App) serveMetrics(ctx context.Context) (stop func(), err error) {
	if a.metrics == nil {
		return func() {}, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.config.MetricsAddr)
	if err != nil {
		return nil, configError(err, "MetricsAddr")
	}
	server := a.metrics.Server(ln.Addr(), a.adapters.log)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(ln) // returns when the server is closed
	}()
	a.adapters.log.Info("serving metrics", "addr", ln.Addr().String(), "url", "http://"+ln.Addr().String()+"/metrics")
	return func() {
		_ = server.Close() // also closes the connection of a running profile
		<-served
	}, nil
}

// sendTraces sends the remaining traces.
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
