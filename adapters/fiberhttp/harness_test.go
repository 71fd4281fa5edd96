package fiberhttp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/openapitest"
	"github.com/widgetd/widgetd/internal/testlog"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

// start is the time of the clock when a test begins.
var start = time.Date(2026, 11, 22, 6, 55, 7, 0, time.UTC)

const (
	introspectionSecret = "an introspection secret, 100%+ of 32 bytes"

	userToken   = "somebodys.access.token"
	adminToken  = "administrators.access.token"
	issuedToken = "newly.issued.token"
	publicKeys  = `{"keys":[{"kty":"OKP","use":"sig","alg":"EdDSA","kid":"k1","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	password    = " påss wörd+100%;&=\t🔑 "
)

var (
	user = domain.User{
		PublicID:     domain.UUID{0xab, 15: 1},
		Email:        sample.Email("Ada@example.com"),
		PasswordHash: domain.NewPasswordHash("hash"),
		RegisteredOn: time.Date(2026, 11, 22, 6, 55, 4, 0, time.UTC),
	}
	admin = domain.User{PublicID: domain.UUID{0xcd, 15: 2}, Email: sample.Email("root@example.com"), Admin: true}

	userClaims  = domain.NewClaims(domain.UUID{3}, user, start.Add(-2*time.Second), time.Hour)
	adminClaims = domain.NewClaims(domain.UUID{4}, admin, start.Add(-2*time.Second), time.Hour)
)

// document is the OpenAPI document, which describes every response.
var document = sync.OnceValue(func() *openapitest.Document { return sample.Must(openapitest.Parse(fiberhttp.OpenAPI())) })

// server is a server on a real socket, with fakes as ports.
type server struct {
	auth     *fakes.AuthMock
	accounts *fakes.AccountsMock
	widgets  *fakes.WidgetsMock
	attempts ports.AttemptLimiter
	audit    *auditRecord
	clock    *clock
	ready    func(context.Context) error
	config   fiberhttp.Config
	jwks     func() []byte
	log      *testlog.Buffer
	handler  slog.Handler // writes to log
	useCases useCases     // in place of the fakes, unless nil

	http  *fiberhttp.Server
	addr  string
	conns *listener
}

// useCases are the driving ports of a server without fakes.
type useCases struct {
	auth     ports.Auth
	accounts ports.Accounts
	widgets  ports.Widgets
}

// serve starts a server and stops it at the end of the test. Its fakes know two
// tokens, one password, one widget and the accounts of the tokens. The functions may
// change it before it starts. At the end serve checks that the log and the audit record
// have no secret.
func serve(t testing.TB, change ...func(*server)) *server {
	t.Helper()
	s := &server{
		audit:  &auditRecord{},
		clock:  &clock{now: start},
		ready:  func(context.Context) error { return nil },
		config: fiberhttp.Config{CORSOrigins: []string{"*"}, IntrospectionSecret: introspectionSecret},
		jwks:   func() []byte { return []byte(publicKeys) },
		log:    &testlog.Buffer{},
	}
	s.handler = slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})
	issued := domain.AccessToken{Text: issuedToken, ExpiresIn: time.Hour}
	s.auth = &fakes.AuthMock{
		CheckNewPasswordFunc: func(domain.Password) error { return nil },
		RegisterFunc:         func(context.Context, domain.Email, domain.Password) (domain.AccessToken, error) { return issued, nil },
		LogInFunc: func(_ context.Context, _ domain.Email, given domain.Password) (domain.AccessToken, error) {
			if given.Reveal() != password {
				return domain.AccessToken{}, domain.ErrCredentialsMismatch
			}
			return issued, nil
		},
		AuthenticateFunc: func(_ context.Context, token string) (domain.Claims, error) {
			switch token {
			case userToken:
				return userClaims, nil
			case adminToken:
				return adminClaims, nil
			}
			return domain.Claims{}, domain.ErrTokenInvalid
		},
		CurrentUserFunc: func(context.Context, domain.Claims) (domain.User, error) { return user, nil },
		LogOutFunc:      func(context.Context, domain.Claims) error { return nil },

		LogOutEverywhereFunc: func(context.Context, domain.Claims) error { return nil },
		ChangePasswordFunc: func(_ context.Context, _ domain.Claims, current, _ domain.Password) (domain.AccessToken, error) {
			if current.Reveal() != password {
				return domain.AccessToken{}, domain.PasswordMismatch("current_password", domain.ErrCredentialsMismatch)
			}
			return issued, nil
		},
		UnregisterFunc: func(_ context.Context, _ domain.Claims, given domain.Password) error {
			if given.Reveal() != password {
				return domain.PasswordMismatch("password", domain.ErrCredentialsMismatch)
			}
			return nil
		},
	}
	s.accounts = accountsOf(user, admin)
	s.widgets = &fakes.WidgetsMock{
		CreateFunc: func(_ context.Context, _ domain.Claims, name domain.WidgetName, _ domain.WidgetFields, _ domain.Condition) (domain.Widget, error) {
			return gearAs(name), nil
		},
		ListFunc: func(_ context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error) {
			return domain.Page[domain.Widget]{Request: page, Items: []domain.Widget{gear}, TotalItems: 1}, nil
		},
		GetFunc: func(_ context.Context, name domain.WidgetName) (domain.Widget, error) {
			if name != gear.Name {
				return domain.Widget{}, domain.WidgetNotFound(name.String())
			}
			return gear, nil
		},
		SliceFunc: func(context.Context, domain.WidgetQuery, string, int) (domain.Slice[domain.Widget], error) {
			return domain.Slice[domain.Widget]{Items: []domain.Widget{gear}}, nil
		},
		PutFunc: func(_ context.Context, _ domain.Claims, name domain.WidgetName, _ domain.WidgetFields, _ domain.Condition) (domain.Widget, bool, error) {
			return gearAs(name), name != gear.Name, nil
		},
		ChangeFunc: func(_ context.Context, _ domain.Claims, name domain.WidgetName, _ domain.WidgetChange, _ domain.Condition) (domain.Widget, error) {
			return gearAs(name), nil
		},
		DeleteFunc: func(context.Context, domain.Claims, domain.WidgetName, domain.Condition) error { return nil },
	}
	s.attempts = memory.NewAttemptLimiter(s.clock)
	for _, f := range change {
		f(s)
	}
	of := fiberhttp.Ports{Auth: s.auth, Accounts: s.accounts, Widgets: s.widgets, Attempts: s.attempts, Clock: s.clock, Audit: s.audit, Ready: s.ready, JWKS: s.jwks}
	if s.useCases != (useCases{}) {
		of.Auth, of.Accounts, of.Widgets = s.useCases.auth, s.useCases.accounts, s.useCases.widgets
	}
	s.http = fiberhttp.New(of, slog.New(s.handler), s.config)

	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.conns = &listener{Listener: tcp}
	s.addr = tcp.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.conns) }()
	t.Cleanup(func() {
		s.conns.open.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.http.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		_ = tcp.Close() // ends a server that has not accepted a connection yet
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		for _, secret := range []string{userToken, adminToken, issuedToken, introspectionSecret, password, strings.TrimSpace(password), "@example"} {
			if strings.Contains(s.log.String(), secret) {
				t.Errorf("the log holds %q:\n%s", secret, s.log)
			}
			if strings.Contains(s.audit.String(), secret) {
				t.Errorf("the audit record holds %q:\n%s", secret, s.audit)
			}
		}
	})
	return s
}

// listener counts the connections that are open. Shutdown waits for them too, but
// polls only ten times a second.
type listener struct {
	net.Listener
	open sync.WaitGroup
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &accepted{conn.(*net.TCPConn), sync.OnceFunc(l.open.Done)}, nil
}

type accepted struct {
	*net.TCPConn
	closed func()
}

func (c *accepted) Close() error {
	defer c.closed()
	return c.TCPConn.Close()
}

// clock is a clock that a test can advance.
type clock struct {
	mu      sync.Mutex
	now     time.Time
	running time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Running() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.running += d
}

// setAhead sets the wall clock ahead, or back. No time passes.
func (c *clock) setAhead(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// request is a request that a test sends.
type request struct {
	method, path string
	token        string   // of the Authorization header, if any
	header       []string // more lines, like "Name: value"
	content      string   // Content-Type, if any
	body         string
	raw          string // the bytes of the whole request; the fields above are ignored
	impossible   bool   // a fake returns an error that its port never returns, so the response is not in the document
}

func (r request) wire() string {
	if r.raw != "" {
		return r.raw
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\n", r.method, r.path)
	if r.token != "" {
		fmt.Fprintf(&text, "Authorization: Bearer %s\r\n", r.token)
	}
	if r.content != "" {
		fmt.Fprintf(&text, "Content-Type: %s\r\n", r.content)
	}
	for _, line := range r.header {
		text.WriteString(line + "\r\n")
	}
	if r.body != "" {
		fmt.Fprintf(&text, "Content-Length: %d\r\n", len(r.body))
	}
	return text.String() + "\r\n" + r.body
}

// as returns the request with a token.
func (r request) as(token string) request { r.token = token; return r }

// with returns the request with more header lines.
func (r request) with(lines ...string) request {
	r.header = append(r.header[:len(r.header):len(r.header)], lines...)
	return r
}

// sending returns the request with a body.
func (r request) sending(content, body string) request {
	r.content, r.body = content, body
	return r
}

// fields are the fields of a body, in pairs of name and value.
type fields []string

func (f fields) json() (content, body string) {
	values := map[string]string{}
	for i := 0; i < len(f); i += 2 {
		values[f[i]] = f[i+1]
	}
	return "application/json", string(sample.Must(json.Marshal(values)))
}

func (f fields) form() (content, body string) {
	values := url.Values{}
	for i := 0; i < len(f); i += 2 {
		values.Add(f[i], f[i+1])
	}
	return "application/x-www-form-urlencoded", values.Encode()
}

func (f fields) multipart() (content, body string) {
	var text bytes.Buffer
	form := multipart.NewWriter(&text)
	for i := 0; i < len(f); i += 2 {
		sample.Must(0, form.WriteField(f[i], f[i+1]))
	}
	sample.Must(0, form.Close())
	return form.FormDataContentType(), text.String()
}

var (
	credentials  = fields{"email", "Ada@example.com", "password", password}
	register     = request{method: "POST", path: "/api/v1/auth/register"}.sending(credentials.json())
	logIn        = request{method: "POST", path: "/api/v1/auth/login"}.sending(credentials.json())
	currentUser  = request{method: "GET", path: "/api/v1/auth/user", token: userToken}
	logOut       = request{method: "POST", path: "/api/v1/auth/logout", token: userToken}
	listWidgets  = request{method: "GET", path: "/api/v1/widgets", token: userToken}
	createWidget = request{method: "POST", path: "/api/v1/widgets", token: adminToken}.sending(sprocket.json())
	getWidget    = request{method: "GET", path: "/api/v1/widgets/gear", token: userToken}
	putWidget    = request{method: "PUT", path: "/api/v1/widgets/gear", token: adminToken}.sending(sprocket.json())
	patchWidget  = request{method: "PATCH", path: "/api/v1/widgets/gear", token: adminToken}.sending(sprocket[2:].json())
	deleteWidget = request{method: "DELETE", path: "/api/v1/widgets/gear", token: adminToken}
	sliceWidgets = request{method: "GET", path: "/api/v1/widgets?after=", token: userToken}

	logOutEverywhere = logOut.sending(fields{"everywhere", "true"}.form())
	changePassword   = request{method: "POST", path: "/api/v1/auth/password", token: userToken}.
				sending(fields{"current_password", password, "new_password", "changed"}.json())
	unregister = request{method: "POST", path: "/api/v1/auth/unregister", token: userToken}.sending(fields{"password", password}.json())
	listUsers  = request{method: "GET", path: "/api/v1/users", token: adminToken}
	createUser = request{method: "POST", path: "/api/v1/users", token: adminToken}.sending(credentials.json())
	getUser    = request{method: "GET", path: "/api/v1/users/" + userID, token: adminToken}
	changeUser = request{method: "PATCH", path: "/api/v1/users/" + userID, token: adminToken}.sending("application/json", `{"disabled":true}`)
	logOutUser = request{method: "POST", path: "/api/v1/users/" + userID + "/logout", token: adminToken}
	deleteUser = request{method: "DELETE", path: "/api/v1/users/" + userID, token: adminToken}
)

// client is a connection that sends one request after the other.
type client struct {
	net.Conn
	in *bufio.Reader
}

// dial opens a connection. The end of the test closes it.
func (s *server) dial(t testing.TB) *client {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{conn, bufio.NewReader(conn)}
}

// do sends a request over a new connection.
func (s *server) do(t testing.TB, r request) response {
	t.Helper()
	c := s.dial(t)
	if c == nil {
		return response{}
	}
	defer func() { _ = c.Close() }()
	return c.do(t, r)
}

// do sends a request, reads the response, and checks the rules of the contract for
// every response. The tests send every request with do. It is safe for concurrent use.
func (c *client) do(t testing.TB, r request) response {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, r.wire()); err != nil {
		t.Errorf("%s %s: sending: %v", r.method, r.path, err)
		return response{}
	}
	answer, err := http.ReadResponse(c.in, &http.Request{Method: r.method})
	if err != nil {
		t.Errorf("%s %s: receiving: %v", r.method, r.path, err)
		return response{}
	}
	body, err := io.ReadAll(answer.Body)
	if err == nil && len(body) > 0 && answer.Header.Get("Content-Encoding") == "gzip" {
		body, err = fasthttp.AppendGunzipBytes(nil, body)
	}
	if err != nil {
		t.Errorf("%s %s: receiving the body: %v", r.method, r.path, err)
	}
	if c.in.Buffered() > 0 {
		t.Errorf("%s %s: %d bytes follow the response", r.method, r.path, c.in.Buffered())
	}
	if answer.Close {
		answer.Header.Set("Connection", "close") // ReadResponse has removed it
		if _, err := c.in.ReadByte(); err != io.EOF {
			t.Errorf("%s %s: the connection ends with %v", r.method, r.path, err)
		}
	}
	got := response{answer.StatusCode, answer.Header, strings.TrimSuffix(string(body), "\n")}
	if err := errors.Join(got.check(r), got.checkDocumented(r)); err != nil {
		t.Errorf("%s %s: %v:\n%d %v\n%s", r.method, r.path, err, got.status, got.header, got.body)
	}
	return got
}

// response is the response to a request.
type response struct {
	status int
	header http.Header
	body   string
}

// check returns an error if the response breaks a rule for all responses.
func (r response) check(to request) error {
	empty := to.method == "HEAD" || r.status == http.StatusNoContent || 300 <= r.status && r.status < 400
	page := r.status == http.StatusOK && strings.HasPrefix(to.path, "/api/v1/ui") // the only content that is no JSON
	required := map[int]string{401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}
	switch {
	case r.header.Get("X-Request-Id") == "":
		return errors.New("no X-Request-Id")
	case !r.isSecured():
		return errors.New("no security headers")
	case empty && r.body != "":
		return errors.New("has a body")
	case !empty && !page && (r.header.Get("Content-Type") != "application/json" || !strings.HasPrefix(r.body, "{") || !json.Valid([]byte(r.body))):
		return errors.New("the body is no JSON object")
	case r.status == 403 && (r.header.Get("WWW-Authenticate") == "") != strings.HasPrefix(r.body, `{"status":"fail"`):
		return errors.New("a challenge for a refusal that no token opens, or no challenge")
	case required[r.status] != "" && r.header.Get(required[r.status]) == "":
		return fmt.Errorf("no %s", required[r.status])
	}
	return nil
}

// isSecured reports whether the response has each security header once.
func (r response) isSecured() bool {
	once := func(name string) string {
		if values := r.header.Values(name); len(values) == 1 {
			return values[0]
		}
		return ""
	}
	policy := once("Content-Security-Policy")
	return once("X-Content-Type-Options") == "nosniff" && once("Referrer-Policy") == "no-referrer" &&
		strings.HasPrefix(policy, "default-src 'none'; ") && strings.HasSuffix(policy, "frame-ancestors 'none'")
}

// checkDocumented returns an error if the OpenAPI document does not describe the
// response.
func (r response) checkDocumented(to request) error {
	if to.impossible {
		return nil
	}
	line, _, _ := strings.Cut(to.wire(), "\r\n")
	method, target, _ := strings.Cut(line, " ")
	target, _, _ = strings.Cut(target, " ")
	return document().Check(method, target, http.Response{StatusCode: r.status, Header: r.header}, r.body)
}

// want compares the response with the expected status, body and headers, each
// like "Name: value", or "Name:" for a header that must not be there.
func (r response) want(t testing.TB, status int, body string, header ...string) {
	t.Helper()
	if r.status != status || r.body != body {
		t.Errorf("got %d %s\nwant %d %s", r.status, r.body, status, body)
	}
	for _, line := range header {
		key, value, _ := strings.Cut(line, ":")
		if got := strings.Join(r.header.Values(key), "|"); got != strings.TrimSpace(value) {
			t.Errorf("%s is %q, want %q", key, got, strings.TrimSpace(value))
		}
	}
}

// message is the body of a response with only a message.
func message(text string) string { return `{"message":` + quote(text) + `}` }

// success and fail are the bodies of an action that succeeded or was refused.
func success(text string) string { return `{"status":"success","message":` + quote(text) + `}` }

func fail(text string) string { return `{"status":"fail","message":` + quote(text) + `}` }

// invalid is the body of a validation error. The pairs are a field and the reason,
// in alphabetical order.
func invalid(pairs ...string) string {
	var why []string
	for i := 0; i < len(pairs); i += 2 {
		why = append(why, quote(pairs[i])+":"+quote(pairs[i+1]))
	}
	return `{"message":"Input payload validation failed","errors":{` + strings.Join(why, ",") + `}}`
}

func quote(s string) string { return encode(s) }

// encode returns a value as JSON, with the characters of URLs as they are.
func encode(value any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	sample.Must(0, encoder.Encode(value))
	return strings.TrimSuffix(text.String(), "\n")
}
