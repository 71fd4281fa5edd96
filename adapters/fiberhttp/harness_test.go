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

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/adapters/fiberhttp/openapitest"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

// start is the time on every test's clock when it begins.
var start = time.Date(2026, 11, 22, 6, 55, 7, 0, time.UTC)

const (
	userToken   = "somebodys.access.token"
	adminToken  = "administrators.access.token"
	issuedToken = "newly.issued.token"
	password    = " påss wörd+100%;&=\t🔑 "
)

var (
	user = domain.User{
		PublicID:     domain.UUID{0xab, 15: 1},
		Email:        must(domain.ParseEmail("Ada@example.com")),
		PasswordHash: "hash",
		RegisteredOn: time.Date(2026, 11, 22, 6, 55, 4, 0, time.UTC),
	}
	admin = domain.User{PublicID: domain.UUID{0xcd, 15: 2}, Email: must(domain.ParseEmail("root@example.com")), Admin: true}

	userClaims  = domain.NewClaims(domain.UUID{3}, user, start.Add(-2*time.Second), time.Hour)
	adminClaims = domain.NewClaims(domain.UUID{4}, admin, start.Add(-2*time.Second), time.Hour)

	gear = domain.NewWidget(name("gear"), must(domain.ParseInfoURL("https://example.com/gear?a=1&b=2")),
		must(domain.NewDeadline(domain.EndOfDay(2027, time.December, 31), start)), admin, start)
)

// document is what every response is checked against.
var document = sync.OnceValue(func() *openapitest.Document { return must(openapitest.Parse(fiberhttp.OpenAPI())) })

// gearBody is how gear is rendered at start.
const gearBody = `{"name":"gear","info_url":"https://example.com/gear?a=1&b=2",` +
	`"created_at":"11/22/26 06:55:07 AM UTC","created_at_iso8601":"2026-11-22T06:55:07Z",` +
	`"created_at_rfc822":"Sun, 22 Nov 2026 06:55:07 -0000",` +
	`"deadline":"12/31/27 11:59:59 PM UTC","deadline_iso8601":"2027-12-31T23:59:59Z",` +
	`"deadline_passed":false,"time_remaining":"404 days 17 hours 4 minutes 52 seconds",` +
	`"owner":{"email":"root@example.com","public_id":"cd000000-0000-0000-0000-000000000002"},` +
	`"link":"/api/v1/widgets/gear"}`

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func name(s string) domain.WidgetName { return must(domain.ParseWidgetName(s)) }

// server is the adapter on a real socket, with fakes behind it.
type server struct {
	auth    *fakes.AuthMock
	widgets *fakes.WidgetsMock
	clock   *clock
	ready   func(context.Context) error
	config  fiberhttp.Config
	log     *logBuffer
	handler slog.Handler // writes to log

	http  *fiberhttp.Server
	addr  string
	conns *listener
}

// serve starts a server whose fakes know two tokens, one password and one
// widget, and stops it when the test is over. The test may change what the fakes
// do.
func serve(t testing.TB, change ...func(*server)) *server {
	t.Helper()
	s := &server{
		clock:  &clock{now: start},
		ready:  func(context.Context) error { return nil },
		config: fiberhttp.Config{PasswordMinLength: 1, CORSOrigins: []string{"*"}},
		log:    &logBuffer{},
	}
	s.handler = fiberhttp.NewLogHandler(s.log, slog.LevelDebug)
	issued := domain.AccessToken{Text: issuedToken, ExpiresIn: time.Hour}
	s.auth = &fakes.AuthMock{
		RegisterFunc: func(context.Context, domain.Email, domain.Password) (domain.AccessToken, error) { return issued, nil },
		LogInFunc: func(_ context.Context, _ domain.Email, given domain.Password) (domain.AccessToken, error) {
			if given.Reveal() != password {
				return domain.AccessToken{}, domain.CredentialsMismatch
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
			return domain.Claims{}, domain.TokenInvalid
		},
		CurrentUserFunc: func(context.Context, domain.Claims) (domain.User, error) { return user, nil },
		LogOutFunc:      func(context.Context, domain.Claims) error { return nil },
	}
	s.widgets = &fakes.WidgetsMock{
		CreateFunc: func(context.Context, domain.Claims, domain.WidgetName, domain.InfoURL, domain.Deadline) error {
			return nil
		},
		ListFunc: func(_ context.Context, page domain.PageRequest) (domain.Page, error) {
			return domain.Page{Request: page, Items: []domain.Widget{gear}, TotalItems: 1}, nil
		},
		GetFunc: func(_ context.Context, asked domain.WidgetName) (domain.Widget, error) {
			if asked != gear.Name {
				return domain.Widget{}, domain.WidgetNotFound(asked.String())
			}
			return gear, nil
		},
		PutFunc: func(_ context.Context, _ domain.Claims, asked domain.WidgetName, _ domain.InfoURL, _ domain.Deadline) (bool, error) {
			return asked != gear.Name, nil
		},
		DeleteFunc: func(context.Context, domain.Claims, domain.WidgetName) error { return nil },
	}
	for _, f := range change {
		f(s)
	}
	s.http = fiberhttp.New(s.auth, s.widgets, s.clock, s.ready, slog.New(s.handler), s.config)

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
		_ = tcp.Close() // else a server that did not accept yet would begin to
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		for _, secret := range []string{userToken, adminToken, issuedToken, password, strings.TrimSpace(password), "@example"} {
			if strings.Contains(s.log.String(), secret) {
				t.Errorf("the log holds %q:\n%s", secret, s.log)
			}
		}
	})
	return s
}

// listener knows when all the connections that it accepted are closed. Shutdown
// finds that out too, but looks only ten times a second.
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

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// lines returns the attributes of the log's lines with that message.
func (b *logBuffer) lines(message string) []map[string]any {
	var lines []map[string]any
	for text := range strings.Lines(b.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			panic(err)
		}
		if line["msg"] == message {
			lines = append(lines, line)
		}
	}
	return lines
}

// request is one on its way to the server.
type request struct {
	method, path string
	token        string   // of the Authorization header, if any
	header       []string // more lines, as in "Name: value"
	content      string   // Content-Type, if any
	body         string
	raw          string // all of the request as it is sent, in place of the above
	impossible   bool   // a fake answers what its port never does, so the document does not know of it
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

// fields are a body's, in pairs of name and value.
type fields []string

func (f fields) json() (content, body string) {
	values := map[string]string{}
	for i := 0; i < len(f); i += 2 {
		values[f[i]] = f[i+1]
	}
	return "application/json", string(must(json.Marshal(values)))
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
		must(0, form.WriteField(f[i], f[i+1]))
	}
	must(0, form.Close())
	return form.FormDataContentType(), text.String()
}

var (
	credentials  = fields{"email", "Ada@example.com", "password", password}
	widgetFields = fields{"name", "sprocket", "info_url", "https://example.com/s?a=1&b=2#c", "deadline", "2027-05-13"}

	register     = request{method: "POST", path: "/api/v1/auth/register"}.sending(credentials.json())
	logIn        = request{method: "POST", path: "/api/v1/auth/login"}.sending(credentials.json())
	currentUser  = request{method: "GET", path: "/api/v1/auth/user", token: userToken}
	logOut       = request{method: "POST", path: "/api/v1/auth/logout", token: userToken}
	listWidgets  = request{method: "GET", path: "/api/v1/widgets", token: userToken}
	createWidget = request{method: "POST", path: "/api/v1/widgets", token: adminToken}.sending(widgetFields.json())
	getWidget    = request{method: "GET", path: "/api/v1/widgets/gear", token: userToken}
	putWidget    = request{method: "PUT", path: "/api/v1/widgets/gear", token: adminToken}.sending(widgetFields.json())
	deleteWidget = request{method: "DELETE", path: "/api/v1/widgets/gear", token: adminToken}
)

// client is a connection that requests are sent over, one after the other.
type client struct {
	net.Conn
	in *bufio.Reader
}

// dial opens a connection that the test's end closes.
func (s *server) dial(t testing.TB) *client {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{conn, bufio.NewReader(conn)}
}

// do sends a request over a connection of its own.
func (s *server) do(t testing.TB, r request) response {
	t.Helper()
	c := s.dial(t)
	if c == nil {
		return response{}
	}
	defer func() { _ = c.Close() }()
	return c.do(t, r)
}

// do sends all of the request, then reads the response, and checks what the
// contract promises of every response. Everything that the tests ask the server
// goes through here. It may be called from any goroutine.
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
	if err != nil {
		t.Errorf("%s %s: receiving the body: %v", r.method, r.path, err)
	}
	if c.in.Buffered() > 0 {
		t.Errorf("%s %s: %d bytes follow the response", r.method, r.path, c.in.Buffered())
	}
	if answer.Close {
		answer.Header.Set("Connection", "close") // which ReadResponse takes out
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

// response is what came back.
type response struct {
	status int
	header http.Header
	body   string
}

// check returns what is wrong with the response, by the rules for all.
func (r response) check(to request) error {
	empty := to.method == "HEAD" || r.status == http.StatusNoContent || 300 <= r.status && r.status < 400
	page := r.status == http.StatusOK && strings.HasPrefix(to.path, "/api/v1/ui") // the only thing that is no JSON
	required := map[int]string{401: "WWW-Authenticate", 403: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}
	switch {
	case r.header.Get("X-Request-Id") == "":
		return errors.New("no X-Request-Id")
	case !r.isSecured():
		return errors.New("browsers are not told to be careful")
	case empty && r.body != "":
		return errors.New("has a body")
	case !empty && !page && (r.header.Get("Content-Type") != "application/json" || !strings.HasPrefix(r.body, "{") || !json.Valid([]byte(r.body))):
		return errors.New("is no JSON object")
	case required[r.status] != "" && r.header.Get(required[r.status]) == "":
		return fmt.Errorf("no %s", required[r.status])
	}
	return nil
}

// isSecured reports whether the response has the headers that keep a browser from
// guessing its type, framing it and telling others where it was, once each.
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

// checkDocumented returns what about the response is not as in the OpenAPI
// document.
func (r response) checkDocumented(to request) error {
	if to.impossible {
		return nil
	}
	line, _, _ := strings.Cut(to.wire(), "\r\n")
	method, target, _ := strings.Cut(line, " ")
	target, _, _ = strings.Cut(target, " ")
	return document().Check(method, target, http.Response{StatusCode: r.status, Header: r.header}, r.body)
}

// want compares the response with the expected status, body and headers, each as
// in "Name: value", or "Name:" for one that must not be there.
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

// message is the body of an answer that says only that.
func message(text string) string { return `{"message":` + quote(text) + `}` }

// success and fail are the bodies of an action that was done, and of one that was not.
func success(text string) string { return `{"status":"success","message":` + quote(text) + `}` }

func fail(text string) string { return `{"status":"fail","message":` + quote(text) + `}` }

// invalid is the body of a validation error; the pairs are fields, in alphabetical order.
func invalid(pairs ...string) string {
	var why []string
	for i := 0; i < len(pairs); i += 2 {
		why = append(why, quote(pairs[i])+":"+quote(pairs[i+1]))
	}
	return `{"message":"Input payload validation failed","errors":{` + strings.Join(why, ",") + `}}`
}

func quote(s string) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	must(0, encoder.Encode(s))
	return strings.TrimSpace(text.String())
}
