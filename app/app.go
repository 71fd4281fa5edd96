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
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/adapters/logging"
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
	settingKeys settingKeys       // not of WithTokenSigner
	keyFolder   *jwtsigner.Folder // nil if no keys are in the data folder of an embedded store
	keysMu      sync.Mutex        // of settingKeys
	keysChanged chan struct{}     // has a value after a change of the keys in keyFolder
	signer      ports.TokenSigner
	server      *fiberhttp.Server
	stopping    atomic.Bool
	embedded    bool         // the store is in the data folder of the config
	newFolder   string       // the absolute path of the data folder, if its store was created
	store       ports.Store  // without metrics and traces of its operations
	closeStore  func() error // does nothing if WithStore set the store
}

// adapters holds the values that an option can replace. If store, signer or hasher is
// nil, the App makes it from the Config.
type adapters struct {
	store     ports.Store
	signer    ports.TokenSigner
	hasher    ports.PasswordHasher
	clock     ports.Clock
	audit     ports.Audit
	log       *slog.Logger
	adminHint string
	newStore  bool // see WithNewStore

	droppedLogLines func() uint64 // nil: unknown
}

// Option replaces a default of [New], [OpenAccounts], [OpenKeys], [OpenTransfer] or
// [OpenMaintenance].
type Option func(*adapters)

// WithStore replaces the store that the Config names. The caller closes it, after
// [App.Close].
func WithStore(store ports.Store) Option {
	return func(a *adapters) { a.store = store }
}

// WithTokenSigner replaces the signer that uses the keys of the [Config]. If it has the
// method JWKS() []byte, the server publishes what the method returns: its public keys as a
// JSON Web Key Set (RFC 7517 section 5).
func WithTokenSigner(signer ports.TokenSigner) Option {
	return func(a *adapters) { a.signer = signer }
}

// WithPasswordHasher replaces the Argon2id hasher.
func WithPasswordHasher(hasher ports.PasswordHasher) Option {
	return func(a *adapters) { a.hasher = hasher }
}

// WithClock replaces the system's clock.
func WithClock(clock ports.Clock) Option {
	return func(a *adapters) { a.clock = clock }
}

// WithAudit replaces the audit record. The default one writes lines of JSON to standard
// error; [logging.Writer.Audit] returns one that writes to a log. If [Config.Audit] is
// false, there is no audit record.
func WithAudit(audit ports.Audit) Option {
	return func(a *adapters) { a.audit = audit }
}

// WithLogger replaces [slog.Default] as the logger.
func WithLogger(log *slog.Logger) Option {
	return func(a *adapters) { a.log = log }
}

// WithAdminHint sets a text that says how to add an administrator. Serve logs it if the
// store has no administrator when it starts.
func WithAdminHint(hint string) Option {
	return func(a *adapters) { a.adminHint = hint }
}

// WithDroppedLogLines adds the number of lines that the logger has dropped to the
// metrics: [logging.Writer.Dropped] of the writer that [NewLogWriter] returns.
func WithDroppedLogLines(count func() uint64) Option {
	return func(a *adapters) { a.droppedLogLines = count }
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

// NewLogWriter returns a writer that collects lines and writes many at once to
// another writer. When that writer takes no lines they are dropped and counted. The
// handler that newHandler returns logs their number. The caller closes the writer.
func NewLogWriter(to io.Writer, newHandler func(io.Writer) slog.Handler) *logging.Writer {
	return logging.NewWriter(to, newHandler)
}

// NewLogHandler returns a handler for [WithLogger] that writes JSON, as
// [slog.JSONHandler] does, in less time. It does not lock: w must be safe for
// concurrent use, as the writer of [NewLogWriter] is.
func NewLogHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return logging.NewJSONHandler(w, level)
}

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
	a.Keys = keys.New(keys.Config{Ring: a.keyRing(), Audit: audit})
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

// auditRecord returns the audit record for the use cases and the server.
func (a *App) auditRecord() ports.Audit { return fiberhttp.UseCaseAudit(a.configuredAudit()) }

// configuredAudit returns the record that WithAudit set, or else one that writes to
// standard error. If Config.Audit is false, it returns one that writes nothing.
func (a *App) configuredAudit() ports.Audit {
	switch {
	case !a.config.Audit:
		return logging.NewAudit(io.Discard, newJSONHandler)
	case a.adapters.audit != nil:
		return a.adapters.audit
	}
	return logging.NewAudit(os.Stderr, newJSONHandler)
}

func newJSONHandler(w io.Writer) slog.Handler { return logging.NewJSONHandler(w, slog.LevelInfo) }

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

func (a *adapters) passwordHasher() (ports.PasswordHasher, error) {
	if a.hasher != nil {
		return a.hasher, nil
	}
	return argon2id.New(argon2id.DefaultParams())
}
