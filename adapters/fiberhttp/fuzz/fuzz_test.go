// Package fuzz_test sends the server what nobody would think of. It is apart from
// the other tests of package fiberhttp because fuzzing compiles all that its
// package imports anew, and they import a validator of OpenAPI documents, which
// takes minutes.
package fuzz_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/fakes"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// FuzzRequest sends any bytes. Whatever is answered is a response as all are,
// and no fault of the server.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /api/v1/widgets?page=2&per_page=5 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n",
		"GET /api/v1/widgets/%67ear HTTP/1.1\r\nHost: x\r\nAuthorization: bearer good\r\nX-Request-Id: a b\r\n\r\n",
		"PUT /api/v1/widgets/gear HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\n" +
			"Content-Length: 55\r\n\r\n{\"info_url\":\"https://example.com\",\"deadline\":\"12/1/99\"}",
		"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 68\r\n\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na@b.cd\r\n--b--\r\n",
		"POST /api/v1/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n18\r\nemail=a%40b.cd&password=%00\r\n0\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nOrigin: https://example.com\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
		"DELETE /api/v1/widgets/gear HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"BREW /api/v1/ui/..%2f HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", "GET\n\n", "\x16\x03\x01",
	} {
		f.Add([]byte(seed))
	}
	s := serve(f)
	f.Fuzz(func(t *testing.T, sent []byte) {
		answered := s.send(sent)
		if len(answered) == 0 {
			return // nothing that could be a request
		}
		method, _, _ := bytes.Cut(bytes.TrimLeft(sent, "\r\n"), []byte(" "))
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answered)), &http.Request{Method: string(method)})
		if err != nil {
			t.Fatalf("%q is answered with %q: %v", sent, answered, err)
		}
		body, err := io.ReadAll(response.Body)
		switch isJSON := response.Header.Get("Content-Type") == "application/json"; {
		case response.StatusCode == http.StatusContinue:
		case response.StatusCode >= 500:
			t.Errorf("%q is answered with %s", sent, response.Status)
		case response.Header.Get("X-Request-Id") == "":
			t.Errorf("%q is answered without an id: %q", sent, answered)
		case err != nil, isJSON && len(body) > 0 && !json.Valid(body):
			t.Errorf("%q is answered with the body %q, %v", sent, body, err)
		}
	})
}

// FuzzAuthorization sends any Authorization header. What is taken for a token is
// the end of it, after a scheme.
func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "bearer a.b.c", "BEARER  a b", "Basic dTpw", " \tBearer x\t", "Bearer\tx", "Bearerx", "\u212Aearer x",
	} {
		f.Add(seed)
	}
	s := serve(f)
	f.Fuzz(func(t *testing.T, header string) {
		if strings.ContainsAny(header, "\r\n\x00") || len(header) > 4<<10 {
			t.Skip("no header")
		}
		s.token = ""
		s.send([]byte("GET /api/v1/auth/user HTTP/1.1\r\nHost: x\r\nAuthorization: " + header + "\r\n\r\n"))
		given := strings.Trim(header, " \t")
		scheme, rest, _ := strings.Cut(given, " ")
		switch token := s.token; {
		case token == "" && strings.EqualFold(scheme, "Bearer") && isVisible(strings.TrimLeft(rest, " ")):
			t.Errorf("%q is not taken for a token", header)
		case token == "":
		case !strings.EqualFold(scheme, "Bearer"):
			t.Errorf("%q is taken for the token %q", header, token)
		case strings.TrimLeft(rest, " ") != token:
			t.Errorf("the token of %q is %q", header, token)
		}
	})
}

// isVisible reports whether a text has only visible ASCII characters, and one.
func isVisible(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// FuzzDeadline sends any deadline. One that is taken is not past and, written as
// it is rendered, is the same.
func FuzzDeadline(f *testing.F) {
	for _, seed := range []string{
		"", "2027-05-13", "2027-5-13", "2027-05-13T17:00:00Z", "2027-05-13 17:00+02:00", "05/13/2027", "5/13/27", "May 13 2027",
		"May 13, 2027", "13 September 2027", "Thu, 13 May 2027 17:00:00 GMT", "12/31/27 11:59:59 PM UTC",
		"9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+10:00", "2027-05-13T17:00:00,5Z", "2027-02-29",
	} {
		f.Add(seed)
	}
	s := serve(f)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4<<10 {
			t.Skip("no deadline")
		}
		deadline, taken := s.putDeadline(text)
		if !taken {
			return
		}
		if deadline.Before(now.Truncate(24*time.Hour)) || deadline.Location() != time.UTC {
			t.Errorf("%q became %v", text, deadline)
		}
		again, taken := s.putDeadline(deadline.Format(time.RFC3339))
		if want := deadline.Truncate(time.Second); !taken || again != want {
			t.Errorf("%q became %v, which became %v", text, deadline, again)
		}
	})
}

// server is the adapter with fakes behind it, on connections that are in memory.
type server struct {
	accept chan net.Conn
	closed chan struct{}

	token    string          // that somebody was asked about last
	deadline domain.Deadline // that was put last
}

func serve(f *testing.F) *server {
	s := &server{accept: make(chan net.Conn), closed: make(chan struct{})}
	user := domain.User{PublicID: domain.UUID{1}, Email: must(domain.ParseEmail("root@example.com")), Admin: true, RegisteredOn: now}
	claims := domain.NewClaims(domain.UUID{2}, user, now, time.Hour)
	token := domain.AccessToken{Text: "good", ExpiresIn: time.Hour}
	gear := domain.NewWidget(must(domain.ParseWidgetName("gear")), must(domain.ParseInfoURL("https://example.com")),
		must(domain.NewDeadline(now.AddDate(1, 0, 0), now)), user, now)
	auth := &fakes.AuthMock{
		RegisterFunc:    func(context.Context, domain.Email, domain.Password) (domain.AccessToken, error) { return token, nil },
		LogInFunc:       func(context.Context, domain.Email, domain.Password) (domain.AccessToken, error) { return token, nil },
		CurrentUserFunc: func(context.Context, domain.Claims) (domain.User, error) { return user, nil },
		LogOutFunc:      func(context.Context, domain.Claims) error { return nil },
	}
	widgets := &fakes.WidgetsMock{
		CreateFunc: func(context.Context, domain.Claims, domain.WidgetName, domain.InfoURL, domain.Deadline) error {
			return nil
		},
		ListFunc: func(_ context.Context, page domain.PageRequest) (domain.Page, error) {
			return domain.Page{Request: page, Items: []domain.Widget{gear}, TotalItems: 1}, nil
		},
		GetFunc:    func(context.Context, domain.WidgetName) (domain.Widget, error) { return gear, nil },
		DeleteFunc: func(context.Context, domain.Claims, domain.WidgetName) error { return nil },
	}
	clock := &fakes.ClockMock{NowFunc: func() time.Time { return now }}
	ready := func(context.Context) error { return nil }
	adapter := fiberhttp.New(noticingAuth{auth, claims, s}, noticingWidgets{widgets, s}, clock, ready, slog.New(slog.DiscardHandler),
		fiberhttp.Config{PasswordMinLength: 1, CORSOrigins: []string{"*"}})
	served := make(chan error, 1)
	go func() { served <- adapter.Serve(s) }()
	f.Cleanup(func() {
		if err := adapter.Shutdown(context.Background()); err != nil {
			f.Error(err)
		}
		if err := <-served; err != nil {
			f.Error(err)
		}
	})
	return s
}

// noticingAuth tells the server of the token that it is asked about. Unlike a fake
// it does not remember every call, of which there are millions.
type noticingAuth struct {
	ports.Auth
	claims domain.Claims
	server *server
}

func (a noticingAuth) Authenticate(_ context.Context, token string) (domain.Claims, error) {
	a.server.token = token
	return a.claims, nil
}

// noticingWidgets tells the server of the deadline that is put.
type noticingWidgets struct {
	ports.Widgets
	server *server
}

func (w noticingWidgets) Put(_ context.Context, _ domain.Claims, _ domain.WidgetName, _ domain.InfoURL, deadline domain.Deadline) (bool, error) {
	w.server.deadline = deadline
	return true, nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// putDeadline puts a widget, and returns its deadline if it is taken.
func (s *server) putDeadline(text string) (deadline time.Time, taken bool) {
	form := url.Values{"info_url": {"https://example.com"}, "deadline": {text}}.Encode()
	answered := s.send(fmt.Appendf(nil, "PUT /api/v1/widgets/gear HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(form), form))
	return s.deadline.Time(), bytes.HasPrefix(answered, []byte("HTTP/1.1 201 "))
}

// send returns what is answered on a connection that ends with what is sent.
func (s *server) send(sent []byte) []byte {
	c := &conn{Reader: bytes.NewReader(sent), closed: make(chan struct{})}
	s.accept <- c
	<-c.closed
	return c.answered.Bytes()
}

// Accept implements [net.Listener].
func (s *server) Accept() (net.Conn, error) {
	select {
	case c := <-s.accept:
		return c, nil
	case <-s.closed:
		return nil, io.EOF
	}
}

// Close implements [net.Listener].
func (s *server) Close() error {
	close(s.closed)
	return nil
}

// Addr implements [net.Listener].
func (s *server) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// conn is a connection on which everything has been sent already.
type conn struct {
	io.Reader
	answered bytes.Buffer
	closed   chan struct{}
}

func (c *conn) Write(b []byte) (int, error) { return c.answered.Write(b) }

func (c *conn) Close() error {
	close(c.closed)
	return nil
}

func (c *conn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *conn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
