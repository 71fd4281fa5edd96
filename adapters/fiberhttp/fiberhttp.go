// Package fiberhttp serves the HTTP API with Fiber. It parses requests into domain
// values, calls a driving port, and renders the result. The rules are in package
// domain and in the use cases.
//
// Package app makes a [Server] with every part. A program with use cases of its own calls
// [New] with an implementation of each driving port, and then [Server.Serve]. [Server.Handler]
// and [Server.Mount] add the API to a server of net/http or to an app of Fiber.
//
// The files:
//
//	fiberhttp.go   the server: its configuration, limits and routes
//	middleware.go  code that runs around every handler; authentication
//	request.go     the record of a request, and its line in the log
//	headers.go     the headers of every response
//	errors.go      errors as responses
//	unread.go      requests that could not be read
//	body.go        form, multipart and JSON bodies
//	auth.go        /auth
//	introspect.go  /auth/introspect, for other services
//	jwks.go        the public keys, for other services
//	users.go       /users
//	widgets.go     /widgets
//	widgetlist.go  the parameters of lists of widgets
//	paths.go       names and ids in paths
//	baseurl.go     the URL of the server as clients see it
//	mount.go       the API in another server
//	mounthttp.go   the API as a handler of net/http
//	mountfiber.go  the API in another Fiber app
//	attempts.go    the limits of operations with passwords
//	audit.go       which requests are in the audit record; refused requests
//	pages.go       page numbers and links of lists
//	slices.go      lists that are read by position: cursors and links
//	versions.go    ETag, If-Match and If-None-Match
//	render.go      users, widgets and pages as JSON
//	telemetry.go   metrics and traces
//	client.go      the address of the client, also behind proxies
//	origins.go     the origins of pages that may call the API
//	openapi.go     the OpenAPI document, openapi.yaml
//	ui.go          the page that shows the document
//	file.go        documents with an ETag
//
// The packages under internal do not know the API:
//
//	concurrency    a limit on the operations of each client that are in progress
//	connections    what fasthttp lacks in the handling of connections
//	framing        where a request ends; requests whose end is not certain
//	text           JSON, times and durations without allocations
//	timeout        deadlines without timers
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

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/concurrency"
	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/connections"
	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/framing"
	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/text"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

const (
	maxBodyBytes   = 64 << 10
	maxHeaderBytes = 8 << 10

	// writeBufferBytes is enough for a page of ten widgets. With Fiber's default
	// of 4 KiB, that page needs two writes and 20% more CPU time.
	writeBufferBytes = 8 << 10

	readTimeout  = 10 * time.Second // for a whole request
	writeTimeout = 10 * time.Second // for a whole response

	// answerTimeout is the time limit of the ports for one request. It is shorter
	// than the 5 seconds within which the contract requires a response.
	answerTimeout = 4 * time.Second

	// maxCredentialChecks is the maximum number of operations with passwords, such as
	// registrations and log-ins, that one client may have in progress. It is less than
	// the length of the hasher's queue on two processors, so that one client cannot fill
	// the queue.
	maxCredentialChecks = 100

	// A page of more widgets than largestSmallPage is large: it takes up to a megabyte
	// while it is made. maxLargePages is the number of large pages that are made at
	// once. Without the limit, a flood of such requests takes all the memory of a small
	// container.
	largestSmallPage = 25
	maxLargePages    = 32
)

// DefaultIdleTimeout is longer than load balancers usually keep a connection, so
// that they close it first. The other way round, a request can be lost.
const DefaultIdleTimeout = 75 * time.Second

// Base is the path of version 1 of the API.
const Base = "/api/v1"

// The paths of the probes.
const (
	healthzPath = "/healthz"
	readyzPath  = "/readyz"
)

// exposedHeaders are the response headers that a page of another origin may read.
const exposedHeaders = "ETag,Link,Location,Total-Count,X-Request-Id,Retry-After,WWW-Authenticate"

// allowedHeaders are the request headers that a page of another origin may send:
// those that the API reads, and those that tracing in browsers and common wrappers
// of fetch add.
const allowedHeaders = "Authorization,Content-Type,X-Request-Id,If-Match,If-None-Match," +
	"traceparent,tracestate,baggage,X-Requested-With,Cache-Control"

// Config is the configuration of a [Server].
type Config struct {
	// MaxLoginFailures is the number of log-ins that may fail for each client
	// address and email within 15 minutes. 0 is no limit.
	MaxLoginFailures int
	// MaxRegistrations is the number of accounts that one client address may
	// register within an hour. 0 is no limit.
	MaxRegistrations int
	// RegistrationClosed is true if nobody may register. Administrators and the
	// operator still add accounts.
	RegistrationClosed bool
	// BaseURL is the URL that clients reach the server at, without /api/v1, as
	// ParseBaseURL returns it. Its path is in front of every link. If it is empty,
	// links begin with /api/v1.
	BaseURL string
	// IntrospectionSecret authenticates the services that ask whether a token is
	// valid. If it is empty, their endpoint does not exist.
	IntrospectionSecret string
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For header
	// names the client.
	TrustedProxies []netip.Prefix
	// CORSOrigins are the origins whose pages may call the API, each a scheme
	// and a host. "*" alone allows every origin. An empty list allows no origin
	// but the server's own.
	CORSOrigins []string
	// TLS is true if the connections of Serve are encrypted. Then every response
	// has the header Strict-Transport-Security, unless WithoutHSTS is true.
	TLS, WithoutHSTS bool
	// MaxConnections is the number of connections that may be open. Of one client
	// network MaxConnectionsPerClient may be open; the loopback and TrustedProxies
	// are exempt. 0 is no limit.
	MaxConnections, MaxConnectionsPerClient int
	// MaxBufferedBytes bounds the memory of requests that arrive slowly or are
	// large, and of responses that clients do not read. 0 is no limit.
	MaxBufferedBytes int64
	// IdleTimeout is how long a connection may rest between two requests. 0 is
	// DefaultIdleTimeout.
	IdleTimeout time.Duration
	// Metrics counts requests; may be nil.
	Metrics Metrics
	// Tracer starts a span for each request. Propagator reads the client's trace
	// from the request's headers. Set both, or neither.
	Tracer     trace.Tracer
	Propagator propagation.TextMapPropagator
}

// Ports are the ports that a [Server] calls. All are required.
type Ports struct {
	Auth     ports.Auth
	Accounts ports.Accounts
	Widgets  ports.Widgets
	Clock    ports.Clock

	// Attempts counts failed log-ins and registrations. The server does not call it for a
	// limit of 0.
	Attempts ports.AttemptLimiter
	// Audit records the writes that no use case has recorded. The use cases must
	// use [UseCaseAudit] of the same record.
	Audit ports.Audit
	// Ready returns nil if the store answers. The server calls it for /readyz.
	Ready func(context.Context) error
	// JWKS returns the public keys that verify tokens, as a JSON Web Key Set (RFC
	// 7517 section 5).
	JWKS func() []byte
}

// Server is the HTTP server of the API.
type Server struct {
	auth     ports.Auth
	accounts ports.Accounts
	widgets  ports.Widgets
	attempts ports.AttemptLimiter
	clock    ports.Clock
	audit    ports.Audit
	ready    func(context.Context) error
	jwks     func() []byte
	config   Config
	links    links
	log      *slog.Logger
	fiber    *fiber.App
	writes   []write // the routes whose requests are in the audit record

	listener         atomic.Pointer[connections.Listener] // of Serve
	registrations    *limit
	loginFailures    *limit
	credentialChecks *concurrency.Limiter
	largePages       chan struct{} // holds one element for each large page that is being made
	busy             busyLog
}

// New returns a server that calls the given ports.
func New(p Ports, log *slog.Logger, config Config) *Server {
	if config.IdleTimeout == 0 {
		config.IdleTimeout = DefaultIdleTimeout
	}
	s := &Server{
		auth:     p.Auth,
		accounts: p.Accounts,
		widgets:  p.Widgets,
		attempts: p.Attempts,
		clock:    p.Clock,
		audit:    p.Audit,
		ready:    p.Ready,
		jwks:     p.JWKS,
		config:   config,
		links:    newLinks(pathOf(config.BaseURL)),
		log:      log,

		registrations:    registrationLimit(config.MaxRegistrations),
		loginFailures:    loginFailureLimit(config.MaxLoginFailures),
		credentialChecks: concurrency.NewLimiter(maxCredentialChecks),
		largePages:       make(chan struct{}, maxLargePages),
	}
	s.fiber = fiber.New(fiber.Config{
		DisableStartupMessage:        true,
		CaseSensitive:                true,
		BodyLimit:                    maxBodyBytes,
		ReadBufferSize:               maxHeaderBytes,
		WriteBufferSize:              writeBufferBytes,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  config.IdleTimeout,
		ReduceMemoryUsage:            true, // package connections needs it
		DisablePreParseMultipartForm: true, // authentication comes first
		JSONEncoder:                  text.EncodeJSON,
		ErrorHandler:                 s.respondUnread,
	})
	server := s.fiber.Server()
	server.Handler = replaceUnknownMethod(server.Handler)
	server.CloseOnShutdown = true
	s.route()
	return s
}

func (s *Server) route() {
	if s.config.Tracer != nil {
		s.fiber.Use(s.trace)
	}
	s.fiber.Use(s.respondErrors, s.refuseMalformed, s.recoverPanic)
	if len(s.config.CORSOrigins) > 0 { // no origin means every origin to package cors
		s.fiber.Use(cors.New(cors.Config{
			AllowOrigins:  strings.Join(s.config.CORSOrigins, ","),
			AllowMethods:  "GET,HEAD,POST,PUT,PATCH,DELETE",
			AllowHeaders:  allowedHeaders,
			ExposeHeaders: exposedHeaders,
			MaxAge:        int((10 * time.Minute).Seconds()),
		}))
	}

	s.fiber.Get(healthzPath, s.healthz)
	s.fiber.Get(readyzPath, s.readyz)
	s.fiber.Get(jwksPath, s.serveJWKS)
	s.routeOpenAPI()
	s.routeUI()

	s.routeAuth()
	s.routeUsers()
	s.routeWidgets()
}

func (s *Server) routeAuth() {
	s.routeWrite(fiber.MethodPost, registerRoute, domain.AuditUserRegister, s.register)
	s.routeWrite(fiber.MethodPost, logInRoute, domain.AuditUserLogIn, s.logIn)
	s.routeIntrospection()
	s.fiber.Get(authPath+"/user", s.authenticate, s.currentUser)
	s.routeWrite(fiber.MethodPost, authPath+"/logout", domain.AuditUserLogOut, s.authenticate, s.logOut)
	s.routeWrite(fiber.MethodPost, authPath+"/password", domain.AuditUserPassword, s.authenticate, s.changePassword)
	s.routeWrite(fiber.MethodPost, authPath+"/unregister", domain.AuditUserDelete, s.authenticate, s.unregister)
}

func (s *Server) routeUsers() {
	const one = usersPath + "/:" + idParameter
	s.fiber.Get(usersPath, s.authenticate, requireAdmin, s.listUsers)
	s.routeWrite(fiber.MethodPost, usersPath, domain.AuditUserCreate, s.authenticate, requireAdmin, s.createUser)
	s.fiber.Get(one, s.authenticate, requireAdmin, s.getUser)
	// The action is AuditUserAdmin unless readAccountChange sets another one.
	s.routeWrite(fiber.MethodPatch, one, domain.AuditUserAdmin, s.authenticate, requireAdmin, s.changeUser)
	s.routeWrite(fiber.MethodPost, one+"/logout", domain.AuditUserLogOut, s.authenticate, requireAdmin, s.logOutUser)
	s.routeWrite(fiber.MethodDelete, one, domain.AuditUserDelete, s.authenticate, requireAdmin, s.deleteUser)
}

func (s *Server) routeWidgets() {
	s.fiber.Get(widgetsPath, s.authenticate, s.listWidgets)
	s.routeWrite(fiber.MethodPost, widgetsPath, domain.AuditWidgetCreate, s.authenticate, requireAdmin, s.createWidget)
	s.fiber.Get(widgetPattern, s.authenticate, s.getWidget)
	s.routeWrite(fiber.MethodPut, widgetPattern, domain.AuditWidgetUpdate, s.authenticate, requireAdmin, s.putWidget)
	s.routeWrite(fiber.MethodPatch, widgetPattern, domain.AuditWidgetUpdate, s.authenticate, requireAdmin, s.patchWidget)
	s.routeWrite(fiber.MethodDelete, widgetPattern, domain.AuditWidgetDelete, s.authenticate, requireAdmin, s.deleteWidget)
}

// Serve serves the connections of ln until Shutdown is called. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	l := connections.NewListener(ln, connections.Config{
		Limits:         framing.Limits{Head: maxHeaderBytes, Body: maxBodyBytes},
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    s.config.IdleTimeout,
		MaxConnections: s.config.MaxConnections,
		MaxPerClient:   s.config.MaxConnectionsPerClient,
		MaxBuffered:    s.config.MaxBufferedBytes,
		IsExempt:       s.isTrustedProxy,
		Log:            s.log,
	})
	s.listener.Store(l)
	return s.fiber.Listener(l)
}

// Shutdown stops accepting connections and waits for the requests in progress,
// until ctx ends at the latest.
func (s *Server) Shutdown(ctx context.Context) error {
	if l := s.listener.Load(); l != nil {
		_ = l.Close()
		l.CloseSilent()
	}
	return s.fiber.ShutdownWithContext(ctx)
}

// healthz always responds with 200.
func (s *Server) healthz(c *fiber.Ctx) error { return c.JSON(statusBody{Status: "ok"}) }

// readyz responds with 200 if ready returns nil.
func (s *Server) readyz(c *fiber.Ctx) error {
	if err := s.ready(c.UserContext()); err != nil {
		return &domain.Error{Kind: domain.Unavailable, Err: err}
	}
	return c.JSON(statusBody{Status: "ok"})
}

// replaceUnknownMethod replaces a method that Fiber does not know by TRACE, which no
// route has. The router then responds with a 405 or 404 in JSON. To the original
// method, Fiber would respond in plain text.
func replaceUnknownMethod(handler fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		ctx.Request.Header.SetMethod(knownMethod(string(ctx.Method())))
		handler(ctx)
	}
}

// knownMethod returns the given method if Fiber knows it, else TRACE, which no route
// has. The result does not share memory with the argument.
func knownMethod(method string) string {
	if i := slices.Index(fiber.DefaultMethods, method); i >= 0 {
		return fiber.DefaultMethods[i]
	}
	return fiber.MethodTrace
}
