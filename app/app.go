// Package app puts the program together: it connects the use cases to the adapters that
// a [Config] and the options choose.
//
// # A server
//
// [New] opens the store. [App.Run] serves the HTTP API until ctx ends:
//
//	api, err := app.New(ctx, app.DefaultConfig())
//	if err != nil {
//		return err
//	}
//	return errors.Join(api.Run(ctx), api.Close())
//
// [DefaultConfig] has the defaults of the command widgetd. An option replaces one adapter:
// [WithStore], [WithTokenSigner], [WithPasswordHasher], [WithClock], [WithAudit] or
// [WithLogger]. New does not open the adapter that an option replaces.
//
// # The API in another server
//
// [App.Handler] returns the API as a handler of package net/http, and [App.MountFiber] adds
// it to an app of Fiber, both under any prefix. Call [App.Start] before the first request: it
// does the regular work, such as forgetting tokens that have expired. After the last
// request call the function that Start returned, and then [App.Close].
//
// # Use cases without HTTP
//
// The fields of an [App] are the use cases of packages auth, accounts, widgets, keys, transfer
// and maintenance. A program that does not need this package imports those packages directly.
// It then compiles neither Fiber nor a database driver.
//
// # Commands of the operator
//
// [OpenAccounts], [OpenKeys], [OpenTransfer] and [OpenMaintenance] work beside a running
// server, which they ask through its control socket, and without one. They are for a command
// line, and their actor is [domain.Operator].
package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/adapters/metrics"
	"github.com/widgetd/widgetd/adapters/systemclock"
	"github.com/widgetd/widgetd/adapters/tracing"
	"github.com/widgetd/widgetd/app/accounts"
	"github.com/widgetd/widgetd/app/auth"
	"github.com/widgetd/widgetd/app/departures"
	"github.com/widgetd/widgetd/app/keys"
	"github.com/widgetd/widgetd/app/maintenance"
	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/app/widgets"
	"github.com/widgetd/widgetd/ports"
)

// App is the service: the use cases and the HTTP server that calls them. Make one
// with [New].
type App struct {
	Auth        *auth.Service
	Accounts    *accounts.Service
	Widgets     *widgets.Service
	Keys        *keys.Service
	Transfer    *transfer.Service
	Maintenance *maintenance.Service

	departures  *departures.Service
	config      Config
	adapters    adapters
	certificate *certificate      // nil without TLS
	metrics     *metrics.Metrics  // nil without Config.MetricsAddr
	tracing     *tracing.Tracing  // nil without tracing
	keyOrigin   string            // for the log
	settingKeys settingKeys       // the zero value with WithTokenSigner
	keyFolder   *jwtsigner.Folder // nil if no keys are in the data folder of an embedded store
	keysMu      sync.Mutex        // guards settingKeys
	keysChanged chan struct{}     // has a value after a change of the keys in keyFolder
	signer      ports.TokenSigner
	server      *fiberhttp.Server
	stopping    atomic.Bool
	embedded    bool         // the store is in the data folder of the config
	withStore   bool         // WithStore set the store
	newFolder   string       // the absolute path of the data folder, if its store was created
	store       ports.Store  // without metrics and traces of its operations
	closeStore  func() error // does nothing if WithStore set the store
}

// New builds the service and opens its store. A MongoDB that does not answer is
// tried again for half a minute. A store file of an older format is migrated, and
// the progress is logged. The caller closes the App.
//
// The error is a [ConfigError] when a setting cannot be used.
func New(ctx context.Context, config Config, options ...Option) (*App, error) {
	a, err := newApp(ctx, config, options)
	if err != nil {
		return nil, err
	}
	if a.hasSharedStore() && config.SecretKey == "" && config.SigningKey == "" && a.adapters.signer == nil {
		return nil, configError(errors.New("must be set with MongoDB: servers that share a store must share the key"), "SecretKey")
	}
	if a.certificate, err = loadCertificate(config); err != nil {
		return nil, err
	}
	if a.adapters.signer == nil {
		if a.settingKeys, err = readKeys(a.config); err != nil {
			return nil, err
		}
	}
	if config.MetricsAddr != "" {
		a.metrics = metrics.New()
	}
	a.adapters.newStore = true
	if err := a.openStore(ctx, migrationLogger(a.adapters.log)); err != nil {
		return nil, err
	}
	if err := a.connect(ctx); err != nil {
		return nil, errors.Join(err, a.closeStore())
	}
	a.warnOfDataDir()
	a.warnOfTLSKey()
	return a, nil
}

// OpenAPI returns the description of the HTTP API: an OpenAPI 3.1 document as
// JSON.
func OpenAPI() []byte { return fiberhttp.OpenAPI() }

// Close purges the blacklist, sends the remaining traces and closes the store.
func (a *App) Close() error {
	a.purgeLast()
	a.sendTraces()
	return a.closeStore()
}

// newApp checks the config and applies the options. It opens nothing.
func newApp(ctx context.Context, config Config, options []Option) (*App, error) {
	config, err := config.normal()
	if err := errors.Join(ctx.Err(), err); err != nil {
		return nil, err
	}
	a := &App{
		config:      config,
		adapters:    adapters{clock: systemclock.Clock{}, log: slog.Default()},
		keysChanged: make(chan struct{}, 1),
		closeStore:  func() error { return nil },
	}
	for _, option := range options {
		option(&a.adapters)
	}
	return a, nil
}

// connect builds the use cases and the server on an open store.
func (a *App) connect(ctx context.Context) error {
	hasher, err := a.adapters.passwordHasher()
	if err != nil {
		return err
	}
	if a.signer, err = a.tokenSigner(); err != nil {
		return err
	}
	a.store = a.adapters.store
	a.watchGauges(hasher)
	a.startTracing(ctx)
	a.observeStore()
	store, clock := a.adapters.store, a.adapters.clock
	audit := a.auditRecord()
	a.Auth = auth.New(auth.Config{
		Users: store.Users(), Blacklist: store.Blacklist(), Signer: a.signer, Hasher: hasher, Clock: clock, Audit: audit,
		TokenTTL: a.config.TokenTTL, PasswordPolicy: a.config.passwordPolicy(),
	})
	a.Accounts = a.newAccounts(hasher)
	a.Widgets = widgets.New(widgets.Config{
		Widgets: store.Widgets(), Users: store.Users(), Clock: clock, Audit: audit, CursorKey: store.CursorKey(),
	})
	a.Keys = keys.New(keys.Config{Ring: serverKeys{a}, Audit: audit})
	a.Transfer = a.newTransfer()
	a.Maintenance = a.newMaintenance(a.store)
	a.departures = departures.New(departures.Config{Users: store.Users(), Widgets: store.Widgets(), Clock: clock})
	a.server = fiberhttp.New(fiberhttp.Ports{
		Auth: a.Auth, Accounts: a.Accounts, Widgets: a.Widgets, Attempts: a.attempts(), Clock: clock, Audit: audit,
		Ready: a.ready, JWKS: a.jwks,
	}, a.adapters.log, a.serverConfig())
	return nil
}

func (a *App) newAccounts(hasher ports.PasswordHasher) *accounts.Service {
	return accounts.New(accounts.Config{
		Users:          a.adapters.store.Users(),
		Blacklist:      a.adapters.store.Blacklist(),
		Hasher:         hasher,
		Clock:          a.adapters.clock,
		Audit:          a.auditRecord(),
		TokenTTL:       a.config.TokenTTL,
		PasswordPolicy: a.config.passwordPolicy(),
	})
}

func (a *App) serverConfig() fiberhttp.Config {
	config := fiberhttp.Config{
		MaxLoginFailures:   a.config.MaxLoginFailures,
		MaxRegistrations:   a.config.MaxRegistrations,
		RegistrationClosed: a.config.RegistrationClosed,
		BaseURL:            a.config.BaseURL,
		TrustedProxies:     a.config.TrustedProxies,
		CORSOrigins:        a.config.CORSOrigins,
		TLS:                a.certificate != nil,
		WithoutHSTS:        !a.config.HSTS,
		IdleTimeout:        a.config.IdleTimeout,

		IntrospectionSecret: a.config.IntrospectionSecret,
	}
	available := availableResources()
	config.MaxConnections = cmp.Or(a.config.MaxConnections, available.connections())
	config.MaxConnectionsPerClient = cmp.Or(a.config.MaxConnectionsPerClient, max(1, config.MaxConnections/4))
	config.MaxBufferedBytes = available.bufferedBytes()
	if a.metrics != nil {
		config.Metrics = a.metrics
	}
	if a.tracing != nil {
		config.Tracer, config.Propagator = a.tracing.Tracer, a.tracing.Propagator
	}
	return config
}
