// Package fiberhttp serves the HTTP contract of the Widget API with Fiber. It
// parses requests into domain values, asks a driving port, and renders what the
// port returns; it decides no rule.
//
// Where things are:
//
//	fiberhttp.go   the server: its limits, timeouts and routes
//	middleware.go  what happens around every request; who is asking
//	accesslog.go   a line about every request
//	timeout.go     how long the ports may take
//	body.go        form, multipart and JSON bodies into fields
//	auth.go        /auth
//	widgets.go     /widgets
//	deadline.go    the texts that a deadline may be written in
//	render.go      users, widgets and pages as JSON
//	format.go      how dates and durations are written
//	errors.go      the one place where errors become responses
//	limits.go      log-in failures and registrations per client
//	telemetry.go   what is counted and traced
//	client.go      the client's address, behind proxies too
//	security.go    what browsers are told about every response
//	listener.go    connections that close well, and their deadlines
//	openapi.yaml   the contract as an OpenAPI document, served as openapi.json
//	ui.go          the page that shows it
//	file.go        what is served as it is
package fiberhttp

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/cors"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// The contract's limits, and how long a client may take.
const (
	maxBodyBytes   = 64 << 10
	maxHeaderBytes = 8 << 10

	// writeBufferBytes is room for a page of ten widgets, which Fiber's 4 KiB would
	// send in two writes.
	writeBufferBytes = 8 << 10

	readTimeout  = 10 * time.Second // for a whole request
	writeTimeout = 10 * time.Second // for a whole response
	idleTimeout  = 60 * time.Second // between two requests

	// answerTimeout is how long the ports may take for one request, so that
	// a store that hangs is told to the client within 5 seconds.
	answerTimeout = 4 * time.Second
)

// Base is the path that every endpoint of version 1 is under.
const Base = "/api/v1"

// exposedHeaders are what pages of other origins may read of a response.
const exposedHeaders = "Link,Location,Total-Count,X-Request-Id,Retry-After,WWW-Authenticate"

// Config is what an operator may choose.
type Config struct {
	// PasswordMinLength is how many characters a new password must have.
	PasswordMinLength int
	// MaxLoginFailures is how many log-ins may fail per client address and
	// email within 15 minutes. 0 is any number.
	MaxLoginFailures int
	// MaxRegistrations is how many accounts one client address may register
	// within an hour. 0 is any number.
	MaxRegistrations int
	// TrustedProxies are the addresses whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// CORSOrigins are the origins whose pages may call the API, each a scheme
	// and a host; "*" alone is every origin, none is no other origin.
	CORSOrigins []string
	// TLS is whether the connections that Serve is given are encrypted, so that
	// browsers may be told to insist on it.
	TLS bool
	// Observer is told how requests ended. nil: nobody is.
	Observer Observer
	// Tracer traces requests, which continue a trace that Propagator finds in
	// their headers. Both are nil, or neither is.
	Tracer     trace.Tracer
	Propagator propagation.TextMapPropagator
}

// Server answers HTTP requests.
type Server struct {
	auth    ports.Auth
	widgets ports.Widgets
	clock   ports.Clock
	ready   func(context.Context) error
	config  Config
	log     *slog.Logger
	fiber   *fiber.App

	headers       fixedHeaders
	cors          fiber.Handler // nil if no page of another origin may call
	listener      atomic.Pointer[listener]
	loginFailures *limiter
	registrations *limiter
	checking      crowd
}

// New returns a server that asks the given ports. ready returns nil when the
// store answers, for /readyz.
func New(auth ports.Auth, widgets ports.Widgets, clock ports.Clock,
	ready func(context.Context) error, log *slog.Logger, config Config) *Server {
	s := &Server{
		auth:    auth,
		widgets: widgets,
		clock:   clock,
		ready:   ready,
		config:  config,
		log:     log,

		headers:       headersOfAll(config.TLS),
		loginFailures: newLimiter(config.MaxLoginFailures, 15*time.Minute, clock),
		registrations: newLimiter(config.MaxRegistrations, time.Hour, clock),
		checking:      crowd{sizes: map[netip.Prefix]int{}},
	}
	if len(config.CORSOrigins) > 0 { // the middleware takes none for all
		s.cors = cors.New(cors.Config{
			AllowOrigins:  strings.Join(config.CORSOrigins, ","),
			AllowMethods:  "GET,HEAD,POST,PUT,DELETE",
			AllowHeaders:  "Authorization,Content-Type,X-Request-Id",
			ExposeHeaders: exposedHeaders,
			MaxAge:        int((10 * time.Minute).Seconds()),
		})
	}
	s.fiber = fiber.New(fiber.Config{
		DisableStartupMessage:        true,
		CaseSensitive:                true,
		BodyLimit:                    maxBodyBytes,
		ReadBufferSize:               maxHeaderBytes,
		WriteBufferSize:              writeBufferBytes,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		DisablePreParseMultipartForm: true, // who is asking comes first
		JSONEncoder:                  encodeJSON,
		ErrorHandler:                 s.refuseUnread,
	})
	server := s.fiber.Server()
	server.Handler = routeUnknownMethods(server.Handler)
	server.CloseOnShutdown = true
	s.route()
	return s
}

func (s *Server) route() {
	if s.config.Tracer != nil {
		s.fiber.Use(s.trace)
	}
	s.fiber.Use(s.handle)

	s.fiber.Get("/healthz", s.healthz)
	s.fiber.Get("/readyz", s.readyz)

	s.routeOpenAPI()
	s.routeUI()

	v1 := s.fiber.Group(Base)
	v1.Post("/auth/register", s.register)
	v1.Post("/auth/login", s.logIn)
	v1.Get("/auth/user", s.authenticate, s.currentUser)
	v1.Post("/auth/logout", s.authenticate, s.logOut)

	v1.Get("/widgets", s.authenticate, s.listWidgets)
	v1.Post("/widgets", s.authenticate, requireAdmin, s.createWidget)
	v1.Get("/widgets/:name", s.authenticate, s.getWidget)
	v1.Put("/widgets/:name", s.authenticate, requireAdmin, s.putWidget)
	v1.Delete("/widgets/:name", s.authenticate, requireAdmin, s.deleteWidget)
}

// Serve answers requests that come in by ln, until Shutdown. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	l := newListener(ln, s.log)
	s.listener.Store(l)
	return s.fiber.Listener(l)
}

// Shutdown stops accepting connections and waits for requests in flight, at the
// most until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	if l := s.listener.Load(); l != nil {
		_ = l.Close()
		l.closeSilent()
	}
	return s.fiber.ShutdownWithContext(ctx)
}

// healthz says that the process answers.
func (s *Server) healthz(c *fiber.Ctx) error {
	return c.JSON(statusBody{Status: "ok"})
}

// readyz says whether the store answers.
func (s *Server) readyz(c *fiber.Ctx) error {
	if err := s.ready(c.UserContext()); err != nil {
		return &domain.Error{Kind: domain.Unavailable, Err: err} // whatever its kind
	}
	return c.JSON(statusBody{Status: "ok"})
}

// routeUnknownMethods lets a request with a method that Fiber does not know (and
// would answer in plain text) be refused by the router, as one with a known
// method that no route takes.
func routeUnknownMethods(handler fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		ctx.Request.Header.SetMethod(knownMethod(string(ctx.Method())))
		handler(ctx)
	}
}

// knownMethod returns a method that Fiber knows: the given one, else TRACE, which
// no route takes.
func knownMethod(method string) string {
	if i := slices.Index(fiber.DefaultMethods, method); i >= 0 {
		return fiber.DefaultMethods[i] // not method, which Fiber's buffer may hold
	}
	return fiber.MethodTrace
}

// statusBody is the body of an answer that says how something went.
type statusBody struct {
	Status  string `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
}

func succeeded(message string) statusBody { return statusBody{Status: "success", Message: message} }
