// Package app ties the rooms together: [New] makes the use cases on the adapters
// that the [Config] and the options choose, and [App.Run] serves them.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/adapters/metrics"
	"github.com/widgetd/widgetd/adapters/systemclock"
	"github.com/widgetd/widgetd/adapters/tracing"
	"github.com/widgetd/widgetd/app/auth"
	"github.com/widgetd/widgetd/app/widgets"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

const (
	// shutdownTimeout is how long requests in flight may take to end.
	shutdownTimeout = 10 * time.Second

	// purgeLastTimeout is how long the last purge may take, before the store is
	// closed.
	purgeLastTimeout = time.Second

	// purgeInterval is how often expired tokens are taken off the blacklist.
	purgeInterval = time.Minute
)

// App is the service, wired: the use cases, and the server in front of them.
type App struct {
	Auth    *auth.Service
	Widgets *widgets.Service

	config      Config
	adapters    adapters
	certificate *certificate     // nil without TLS
	metrics     *metrics.Metrics // nil: nothing is counted
	tracing     *tracing.Tracing // nil: nothing is traced
	server      *fiberhttp.Server
	stopping    atomic.Bool
	close       func() error
}

// adapters is what stands behind the driven ports. What no option sets, New does.
type adapters struct {
	users     ports.UserRepository
	widgets   ports.WidgetRepository
	blacklist ports.TokenBlacklist
	signer    ports.TokenSigner
	hasher    ports.PasswordHasher
	clock     ports.Clock
	log       *slog.Logger
}

// Option swaps an adapter for another.
type Option func(*adapters)

// WithUserRepository swaps the store of accounts.
func WithUserRepository(users ports.UserRepository) Option {
	return func(a *adapters) { a.users = users }
}

// WithWidgetRepository swaps the store of widgets.
func WithWidgetRepository(widgets ports.WidgetRepository) Option {
	return func(a *adapters) { a.widgets = widgets }
}

// WithTokenBlacklist swaps the store of logged-out tokens.
func WithTokenBlacklist(blacklist ports.TokenBlacklist) Option {
	return func(a *adapters) { a.blacklist = blacklist }
}

// WithTokenSigner swaps what signs tokens.
func WithTokenSigner(signer ports.TokenSigner) Option {
	return func(a *adapters) { a.signer = signer }
}

// WithPasswordHasher swaps what hashes passwords.
func WithPasswordHasher(hasher ports.PasswordHasher) Option {
	return func(a *adapters) { a.hasher = hasher }
}

// WithClock swaps what tells the time.
func WithClock(clock ports.Clock) Option {
	return func(a *adapters) { a.clock = clock }
}

// WithLogger swaps [slog.Default] as where the server logs to.
func WithLogger(log *slog.Logger) Option {
	return func(a *adapters) { a.log = log }
}

// New wires the service, opening the store that the config names unless options
// replace all that it is for. A MongoDB that does not answer is tried again for
// half a minute. The caller closes what New returns.
func New(ctx context.Context, config Config, options ...Option) (*App, error) {
	a, err := prepare(ctx, config, options)
	if err != nil {
		return nil, err
	}
	if config.MongoDBURI != "" && config.SecretKey == "" && a.adapters.signer == nil {
		return nil, errors.New("WIDGETD_SECRET_KEY must be set with MongoDB: servers that share a store must share the key")
	}
	if a.certificate, err = loadCertificate(config); err != nil {
		return nil, err
	}
	if err := a.openStore(ctx); err != nil {
		return nil, err
	}
	if err := a.wire(ctx); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// AddUser adds an account, an administrator's if admin is true, to the store that
// the config names. It needs no key, for it signs no token. AlreadyExists (see
// [domain.UserExists]) when the email has an account.
func AddUser(ctx context.Context, config Config, email domain.Email, password domain.Password, admin bool,
	options ...Option) (user domain.User, err error) {
	a, err := prepare(ctx, config, options)
	if err != nil {
		return domain.User{}, err
	}
	if err := a.openStore(ctx); err != nil {
		return domain.User{}, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	with := a.adapters
	hasher, err := with.passwordHasher()
	if err != nil {
		return domain.User{}, err
	}
	return auth.New(with.users, with.blacklist, with.signer, hasher, with.clock, config.TokenTTL).AddUser(ctx, email, password, admin)
}

// OpenAPI returns the description of the HTTP API: an OpenAPI 3.1 document, as
// JSON.
func OpenAPI() []byte { return fiberhttp.OpenAPI() }

// NewLogHandler returns a handler for the logger of WithLogger that writes what a
// [slog.JSONHandler] does, but the line about every request in much less time. Unlike
// slog's it does not lock: w must be safe for concurrent use.
func NewLogHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return fiberhttp.NewLogHandler(w, level)
}

// prepare checks the config and returns an App with the adapters that the options
// choose.
func prepare(ctx context.Context, config Config, options []Option) (*App, error) {
	if err := errors.Join(ctx.Err(), config.check()); err != nil {
		return nil, err
	}
	a := &App{
		config:   config,
		adapters: adapters{clock: systemclock.Clock{}, log: slog.Default()},
		close:    func() error { return nil },
	}
	for _, option := range options {
		option(&a.adapters)
	}
	return a, nil
}

func (a *App) wire(ctx context.Context) error {
	hasher, err := a.adapters.passwordHasher()
	if err != nil {
		return err
	}
	signer, err := a.adapters.tokenSigner(a.config)
	if err != nil {
		return err
	}
	a.count(hasher)
	a.trace(ctx)
	with := a.adapters
	a.Auth = auth.New(with.users, with.blacklist, signer, hasher, with.clock, a.config.TokenTTL)
	a.Widgets = widgets.New(with.widgets, with.users, with.clock)
	a.server = fiberhttp.New(a.Auth, a.Widgets, with.clock, a.ready, with.log, a.observed(fiberhttp.Config{
		PasswordMinLength: a.config.PasswordMinLength,
		MaxLoginFailures:  a.config.MaxLoginFailures,
		MaxRegistrations:  a.config.MaxRegistrations,
		TrustedProxies:    a.config.TrustedProxies,
		CORSOrigins:       a.config.CORSOrigins,
		TLS:               a.certificate != nil,
	}))
	return nil
}

func (with adapters) passwordHasher() (ports.PasswordHasher, error) {
	if with.hasher != nil {
		return with.hasher, nil
	}
	return argon2id.New(argon2id.DefaultParams())
}

func (with adapters) tokenSigner(config Config) (ports.TokenSigner, error) {
	if with.signer != nil {
		return with.signer, nil
	}
	secret, err := secretKey(config)
	if err != nil {
		return nil, err
	}
	return jwtsigner.New(secret)
}

// Close purges the blacklist once more, sends the traces that are left, and closes
// the store.
func (a *App) Close() error {
	a.purgeLast()
	a.sendTraces()
	return a.close()
}

// Run listens on the configured address and serves until ctx ends; see Serve.
func (a *App) Run(ctx context.Context) error {
	err := checkAddr(a.config.Addr) // package net takes none for all interfaces
	if err != nil {
		return fmt.Errorf("--addr (WIDGETD_ADDR): %w", err)
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.config.Addr)
	if err != nil {
		return fmt.Errorf("--addr (WIDGETD_ADDR): %w", err)
	}
	return a.Serve(ctx, ln)
}

// Serve answers requests that come in by ln, over TLS if the config names a
// certificate, until ctx ends. Then it stops accepting, waits up to 10 seconds for
// requests in flight, and returns nil. It closes ln.
func (a *App) Serve(ctx context.Context, ln net.Listener) error {
	log := a.adapters.log
	stopMetrics, err := a.serveMetrics(ctx)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer stopMetrics()
	if err := a.prepareAdmin(ctx); err != nil {
		return errors.Join(err, ln.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	purging := make(chan struct{})
	go func() {
		defer close(purging)
		a.purge(ctx)
	}()
	scheme := "http"
	if a.certificate != nil {
		scheme, ln = "https", a.certificate.listen(ln)
	}
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(ln) }()
	log.Info("listening", "addr", ln.Addr().String(), "url", scheme+"://"+ln.Addr().String()+fiberhttp.Base)

	select {
	case err = <-served:
	case <-ctx.Done():
		err = a.shutdown(ln, served)
	}
	cancel()
	<-purging
	return err
}

func (a *App) shutdown(ln net.Listener, served <-chan error) error {
	a.stopping.Store(true)
	a.adapters.log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		a.adapters.log.Warn("stopped before every request had ended", "error", err)
		return nil
	}
	_ = ln.Close() // else a server that did not accept yet would begin to
	return <-served
}

// prepareAdmin makes the administrator whom the settings name. Where there is
// none at all it tells how to make one.
func (a *App) prepareAdmin(ctx context.Context) error {
	email, password, err := a.config.admin()
	if err != nil {
		return err
	}
	if a.config.AdminEmail != "" {
		return a.Auth.EnsureAdmin(ctx, email, password)
	}
	found, err := a.adapters.users.HasAdmin(ctx)
	if err == nil && !found {
		addUser := "run 'widgetd add-user --admin EMAIL'"
		if a.config.MongoDBURI == "" {
			addUser = "stop the server and " + addUser // the embedded store is one process's
		}
		a.adapters.log.Info("there is no administrator yet: " + addUser +
			", or start it with WIDGETD_ADMIN_EMAIL and WIDGETD_ADMIN_PASSWORD set")
	}
	return err
}

// ready returns nil when the store answers and the server is not stopping.
func (a *App) ready(ctx context.Context) error {
	if a.stopping.Load() {
		return &domain.Error{Kind: domain.Unavailable, Message: "the server is stopping"}
	}
	_, err := a.adapters.users.HasAdmin(ctx)
	return err
}

// purge takes expired tokens off the blacklist, now and then, until ctx ends.
func (a *App) purge(ctx context.Context) {
	ticker := time.NewTicker(purgeInterval)
	defer ticker.Stop()
	for {
		forgotten, err := a.purgeOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			a.adapters.log.Error("expired tokens stay on the blacklist", "error", err)
		case forgotten > 0:
			a.adapters.log.Debug("purged the blacklist", "tokens", forgotten)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// purgeLast has the store remember how far time had come, for the next start.
func (a *App) purgeLast() {
	ctx, cancel := context.WithTimeout(context.Background(), purgeLastTimeout)
	defer cancel()
	if _, err := a.purgeOnce(ctx); err != nil {
		a.adapters.log.Warn("expired tokens stay on the blacklist", "error", err)
	}
}

// purgeOnce makes a panic an error: it would end the server, which can do without
// a purge.
func (a *App) purgeOnce(ctx context.Context) (forgotten int, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v", value)
		}
	}()
	return a.Auth.Purge(ctx)
}
