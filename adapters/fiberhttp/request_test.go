package fiberhttp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func TestEveryRequestIsLoggedOnce(t *testing.T) {
	t.Parallel()
	const (
		somebody = "ab000000-0000-0000-0000-000000000001"
		root     = "cd000000-0000-0000-0000-000000000002"
	)
	for name, test := range map[string]struct {
		request       request
		method, route string
		status        float64
		user          any
	}{
		"register":   {register, "POST", "/api/v1/auth/register", 201, nil},
		"log in":     {logIn, "POST", "/api/v1/auth/login", 200, nil},
		"user":       {currentUser, "GET", "/api/v1/auth/user", 200, somebody},
		"log out":    {logOut, "POST", "/api/v1/auth/logout", 200, somebody},
		"list":       {listWidgets, "GET", "/api/v1/widgets", 200, somebody},
		"create":     {createWidget, "POST", "/api/v1/widgets", 201, root},
		"get":        {getWidget, "GET", "/api/v1/widgets/:name", 200, somebody},
		"put":        {putWidget, "PUT", "/api/v1/widgets/:name", 200, root},
		"delete":     {deleteWidget, "DELETE", "/api/v1/widgets/:name", 204, root},
		"health":     {request{method: "GET", path: "/healthz"}, "GET", "/healthz", 200, nil},
		"readiness":  {request{method: "GET", path: "/readyz"}, "GET", "/readyz", 200, nil},
		"HEAD":       {request{method: "HEAD", path: "/healthz"}, "HEAD", "/healthz", 200, nil},
		"no token":   {getWidget.as(""), "GET", "/api/v1/widgets/:name", 401, nil},
		"bad token":  {getWidget.as("x"), "GET", "/api/v1/widgets/:name", 401, nil},
		"forbidden":  {deleteWidget.as(userToken), "DELETE", "/api/v1/widgets/:name", 403, somebody},
		"not found":  {request{method: "GET", path: "/api/v1/widgets/nope", token: userToken}, "GET", "/api/v1/widgets/:name", 404, somebody},
		"bad type":   {createWidget.sending("text/plain", "x"), "POST", "/api/v1/widgets", 415, root},
		"no route":   {request{method: "GET", path: "/nope", token: userToken}, "GET", "", 404, nil},
		"no method":  {request{method: "DELETE", path: "/healthz"}, "DELETE", "", 405, nil},
		"odd method": {request{method: userToken, path: "/healthz"}, "TRACE", "", 405, nil},
		"large body": {request{method: userToken, path: "/" + userToken}.sending("text/plain", strings.Repeat("x", 65<<10)), "TRACE", "", 413, nil},
		"preflight":  {request{method: "OPTIONS", path: "/api/v1/widgets"}.with("Origin: https://a.example", "Access-Control-Request-Method: GET"), "OPTIONS", "", 204, nil},
		"ambiguous":  {request{raw: "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"}, "GET", "", 400, nil},
		"nonsense":   {request{raw: userToken + "\r\n\r\n"}, "", "", 400, nil},
		"no header":  {request{raw: "PUT /healthz HTTP/1.1\r\n" + userToken + "\r\n\r\n"}, "", "", 400, nil},
		"too much":   {getWidget.with("X: " + strings.Repeat("x", 9<<10)), "", "", 431, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			got := s.do(t, test.request)
			lines, unmatched := s.log.Lines("request"), s.log.Lines("no route")
			if len(lines) != 1 || strings.Count(s.log.String(), "\n") != 1+len(unmatched) {
				t.Fatalf("the log is\n%s", s.log)
			}
			if isUnmatched := test.status == 404 && test.route == "" || test.status == 405; isUnmatched != (len(unmatched) == 1) {
				t.Errorf("the log is\n%s", s.log)
			}
			line, level := lines[0], "INFO"
			if test.route == "/healthz" || test.route == "/readyz" {
				level = "DEBUG"
			}
			for key, want := range map[string]any{
				"level": level, "id": got.header.Get("X-Request-Id"), "method": test.method, "route": test.route,
				"status": test.status, "client": "127.0.0.1", "user": test.user,
			} {
				if line[key] != want {
					t.Errorf("%s is %v, want %v", key, line[key], want)
				}
			}
			if took, ok := line["duration_ms"].(float64); !ok || took < 0 {
				t.Errorf("duration_ms is %v", line["duration_ms"])
			}
			for _, key := range slices.Sorted(maps.Keys(line)) {
				if !slices.Contains([]string{"time", "level", "msg", "id", "method", "route", "status", "duration_ms", "client", "user"}, key) {
					t.Errorf("the line has %s: %v", key, line[key])
				}
			}
		})
	}
}

// TestRequestIsLoggedWithAnyHandler uses a handler that is not of package
// logging.
func TestRequestIsLoggedWithAnyHandler(t *testing.T) {
	t.Parallel()
	var names strings.Builder
	s := serve(t, func(s *server) { s.handler = attrsOf{s.handler, &names} })
	s.do(t, currentUser)
	if got := names.String(); got != "id method route status duration_ms client user " {
		t.Errorf("the attributes are %s", got)
	}
	if lines := s.log.Lines("request"); len(lines) != 1 || lines[0]["route"] != "/api/v1/auth/user" {
		t.Errorf("the log is\n%s", s.log)
	}
}

func TestDurationIsLoggedInMilliseconds(t *testing.T) {
	t.Parallel()
	const wait = 20 * time.Millisecond
	s := serve(t, func(s *server) {
		s.auth.CurrentUserFunc = func(context.Context, domain.Claims) (domain.User, error) {
			time.Sleep(wait)
			return user, nil
		}
	})
	s.do(t, currentUser)
	if took, _ := s.log.Lines("request")[0]["duration_ms"].(float64); took < 20 || took > 20_000 {
		t.Errorf("duration_ms is %v for a request of %v or a little more", took, wait)
	}
}

func TestProbesAreLoggedAtDebug(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level]int{slog.LevelDebug: 4, slog.LevelInfo: 0} {
		s := serve(t, func(s *server) { s.handler = slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: level}) })
		for _, path := range []string{"/healthz", "/readyz"} {
			s.do(t, request{method: "GET", path: path})
			s.do(t, request{method: "HEAD", path: path})
		}
		if got := len(s.log.Lines("request")); got != want {
			t.Errorf("level %v: %d lines, want %d", level, got, want)
		}
	}
}

func TestPathWithoutARouteIsLoggedAtDebugOnly(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/nope":                           "/nope",
		"/api/v1/widget/a?token=x":        "/api/v1/widget/a",
		"/a%20b%0A%E2%80%AE//../x?y":      "/a%20b%0A%E2%80%AE//../x",
		"/\"q\"\\\u202e\xff":              "/%22q%22%5C%E2%80%AE%FF",
		"http://u:p@example.com/x":        "/x",
		"/" + strings.Repeat("x", 127):    "/" + strings.Repeat("x", 127),
		"/" + strings.Repeat("x", 999):    "/" + strings.Repeat("x", 127) + "...",
		"/" + strings.Repeat("\x80", 999): "/" + strings.Repeat("%80", 43) + "...",
	} {
		for level, lines := range map[slog.Level]int{slog.LevelDebug: 1, slog.LevelInfo: 0} {
			s := serve(t, func(s *server) { s.handler = slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: level}) })
			got := s.do(t, request{raw: "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"})
			if got.status != 404 {
				t.Errorf("%q is answered with %d", path, got.status)
			}
			unmatched := s.log.Lines("no route")
			if len(unmatched) != lines || strings.Count(s.log.String(), "\n") != 1+lines {
				t.Errorf("%q at level %v: the log is\n%s", path, level, s.log)
				continue
			}
			for _, line := range unmatched {
				if line["path"] != want || line["level"] != "DEBUG" || line["id"] != got.header.Get("X-Request-Id") {
					t.Errorf("%q: the log has %v, want the path %q", path, line, want)
				}
			}
		}
	}
}

// attrsOf writes the names of the attributes of every record.
type attrsOf struct {
	slog.Handler
	names io.Writer
}

func (a attrsOf) Handle(ctx context.Context, line slog.Record) error {
	line.Attrs(func(attr slog.Attr) bool {
		fmt.Fprintf(a.names, "%s ", attr.Key)
		return true
	})
	return a.Handler.Handle(ctx, line)
}

// TestConnectionWithoutARequestIsNotLogged connects as a load balancer does
// that tests whether the server accepts connections.
func TestConnectionWithoutARequestIsNotLogged(t *testing.T) {
	t.Parallel()
	var s *server
	t.Cleanup(func() { // after the server has stopped
		if lines := s.log.Lines("request"); len(lines) != 1 {
			t.Errorf("the log has %v", lines)
		}
	})
	s = serve(t)
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0) // a reset
	conn.Close()
	s.do(t, request{method: "GET", path: "/healthz"}) // the connection before is accepted now
}

// TestNoSecretIsEverLogged sends secrets in every part of a request. At the end
// of the test serve searches the log for them. The exception is the path of a request
// that no route matches, at level debug.
func TestNoSecretIsEverLogged(t *testing.T) {
	t.Parallel()
	t.Run("debug", func(t *testing.T) { testNoSecretIsLogged(t, slog.LevelDebug) })
	t.Run("info", func(t *testing.T) { testNoSecretIsLogged(t, slog.LevelInfo) })
}

func testNoSecretIsLogged(t *testing.T, level slog.Level) {
	s := serve(t, func(s *server) { s.handler = slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: level}) })
	const email = "ada@example.com"
	for _, secret := range []string{password, email, adminToken, issuedToken, userToken} {
		escaped := url.QueryEscape(secret)
		for _, r := range []request{
			register.sending(fields{"email", secret, "password", secret}.form()),
			logIn.sending(fields{"email", email, "password", secret}.json()),
			logIn.sending("application/json", `{"email":"`+email+`","password":"`+secret),
			logIn.sending("application/json; x="+quote(secret), "{}"),
			createWidget.sending(fields{"name", secret, "info_url", secret, "deadline", secret}.multipart()),
			getWidget.as(secret),
			getWidget.as("").with("Authorization: Basic " + secret),
			getWidget.with("X-Forwarded-For: "+secret, "User-Agent: "+secret, "Referer: "+secret, "Origin: "+secret, "Cookie: "+secret),
			{method: "GET", path: "/api/v1/widgets/" + escaped, token: userToken},
			{method: "PUT", path: "/api/v1/widgets/" + escaped, token: adminToken},
			{method: "GET", path: "/api/v1/widgets?page=" + escaped + "&" + escaped + "=1", token: userToken},
			{method: "GET", path: "http://" + escaped + "@localhost/healthz"},
			{method: strings.TrimSpace(strings.ReplaceAll(escaped, "%", "")), path: "/healthz"},
			register.sending("application/json", `"`+secret+strings.Repeat("x", 64<<10)),
			getWidget.as(secret + strings.Repeat("x", 8<<10)),
			{raw: "GET /healthz HTTP/1.1\r\nAuthorization Bearer " + secret + "\r\n\r\n"},
			{raw: secret + "\r\n\r\n"},
			{method: "GET", path: "/nope?" + escaped},
		} {
			s.do(t, r)
		}
		if level > slog.LevelDebug {
			s.do(t, request{method: "GET", path: "/" + escaped})
			s.do(t, request{method: "GET", path: "/healthz/" + escaped})
		}
	}
	for _, id := range []string{password, email} { // a token is longer than an id may be
		s.do(t, getWidget.with("X-Request-Id: "+id)).want(t, 200, gearBody)
	}
	want := 5*18 + 2
	if level > slog.LevelDebug {
		want += 5*2 - 5 // without the probe
	}
	if n := len(s.log.Lines("request")); n != want {
		t.Errorf("%d lines in the access log, want %d", n, want)
	}
}
