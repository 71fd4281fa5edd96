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
)

func TestEveryRequestIsOneLineInTheLog(t *testing.T) {
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
			lines := s.log.lines("request")
			if len(lines) != 1 || strings.Count(s.log.String(), "\n") != 1 {
				t.Fatalf("the log is\n%s", s.log)
			}
			line := lines[0]
			for key, want := range map[string]any{
				"level": "INFO", "id": got.header.Get("X-Request-Id"), "method": test.method, "route": test.route,
				"status": test.status, "client": "127.0.0.1", "user": test.user,
			} {
				if line[key] != want {
					t.Errorf("%s is %v, want %v", key, line[key], want)
				}
			}
			if took, _ := line["duration"].(float64); took < 0 || line["duration"] == nil {
				t.Errorf("duration is %v", line["duration"])
			}
			for _, key := range slices.Sorted(maps.Keys(line)) {
				if !slices.Contains([]string{"time", "level", "msg", "id", "method", "route", "status", "duration", "client", "user"}, key) {
					t.Errorf("the line has %s: %v", key, line[key])
				}
			}
		})
	}
}

// TestAnyOtherHandlerIsToldTheAttributes of a request by their names, also one that is
// wrapped around ours.
func TestAnyOtherHandlerIsToldTheAttributes(t *testing.T) {
	t.Parallel()
	var told logBuffer
	s := serve(t, func(s *server) { s.handler = attrsOf{s.handler, &told} })
	s.do(t, currentUser)
	if got := told.String(); got != "id method route status duration client user " {
		t.Errorf("it is told %s", got)
	}
	if lines := s.log.lines("request"); len(lines) != 1 || lines[0]["route"] != "/api/v1/auth/user" {
		t.Errorf("the log is\n%s", s.log)
	}
}

// attrsOf writes the names of the attributes that it passes on.
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

// TestConnectionWithoutARequestIsNoneInTheLog, such as a load balancer's that only
// looks whether it can connect.
func TestConnectionWithoutARequestIsNoneInTheLog(t *testing.T) {
	t.Parallel()
	var s *server
	t.Cleanup(func() { // when the server has ended
		if lines := s.log.lines("request"); len(lines) != 1 {
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
	s.do(t, request{method: "GET", path: "/healthz"}) // so the one before is accepted
}

// TestNoSecretIsEverLogged sends secrets wherever there is room for one. What
// serve does at the end of every test looks for them in the log.
func TestNoSecretIsEverLogged(t *testing.T) {
	t.Parallel()
	s := serve(t)
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
			{method: "GET", path: "/" + escaped},
			{method: "GET", path: "http://" + escaped + "@localhost/healthz"},
			{method: strings.TrimSpace(strings.ReplaceAll(escaped, "%", "")), path: "/healthz"},
			register.sending("application/json", `"`+secret+strings.Repeat("x", 64<<10)),
			getWidget.as(secret + strings.Repeat("x", 8<<10)),
			{raw: "GET /healthz HTTP/1.1\r\nAuthorization Bearer " + secret + "\r\n\r\n"},
			{raw: secret + "\r\n\r\n"},
		} {
			s.do(t, r)
		}
	}
	for _, id := range []string{password, email} { // a token is too long for one
		s.do(t, getWidget.with("X-Request-Id: "+id)).want(t, 200, gearBody)
	}
	if n := len(s.log.lines("request")); n != 5*18+2 {
		t.Errorf("%d lines in the access log", n)
	}
}
