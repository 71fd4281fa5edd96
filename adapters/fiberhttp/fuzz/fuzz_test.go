// Package fuzz_test has the fuzz targets of package fiberhttp. Fuzzing instruments
// every package that the test imports. The other tests of fiberhttp import a validator
// of OpenAPI documents, whose instrumentation takes minutes.
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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// FuzzRequest sends arbitrary bytes. If the server responds, the response must be
// valid and must not be a 5xx.
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
		"PATCH /api/v1/widgets/gear HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nIf-Match: W/\"1\", \"2\"\r\n" +
			"Content-Type: application/merge-patch+json\r\nContent-Length: 25\r\n\r\n{\"deadline\":\"2099-12-31\"}",
		"GET /api/v1/widgets?after=&sort=-deadline&deadline_to=2027-05-13 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n",
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
			return // no part of a request
		}
		method, _, _ := bytes.Cut(bytes.TrimLeft(sent, "\r\n"), []byte(" "))
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answered)), &http.Request{Method: string(method)})
		if err != nil {
			t.Fatalf("%q got the response %q: %v", sent, answered, err)
		}
		body, err := io.ReadAll(response.Body)
		switch isJSON := response.Header.Get("Content-Type") == "application/json"; {
		case response.StatusCode == http.StatusContinue:
		case response.StatusCode >= 500:
			t.Errorf("%q got the response %s", sent, response.Status)
		case response.Header.Get("X-Request-Id") == "":
			t.Errorf("%q got a response without an id: %q", sent, answered)
		case err != nil, isJSON && len(body) > 0 && !json.Valid(body):
			t.Errorf("%q got the body %q, %v", sent, body, err)
		}
	})
}

// FuzzAuthorization sends an arbitrary Authorization header. The port must get the
// text after the scheme "Bearer" as the token.
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
			t.Errorf("the port got no token from %q", header)
		case token == "":
		case !strings.EqualFold(scheme, "Bearer"):
			t.Errorf("the port got the token %q from %q", token, header)
		case strings.TrimLeft(rest, " ") != token:
			t.Errorf("the token of %q is %q", header, token)
		}
	})
}

// isVisible reports whether a text is not empty and has only visible ASCII
// characters.
func isVisible(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// FuzzDeadline sends an arbitrary deadline. If the server accepts it, the deadline
// must be today or later, and its rendered form must mean the same deadline.
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
		deadline, accepted := s.putDeadline(text)
		if !accepted {
			return
		}
		if deadline.Before(now.Truncate(24*time.Hour)) || deadline.Location() != time.UTC {
			t.Errorf("%q became %v", text, deadline)
		}
		again, accepted := s.putDeadline(deadline.Format(time.RFC3339))
		if want := deadline.Truncate(time.Second); !accepted || again != want {
			t.Errorf("%q became %v, which became %v", text, deadline, again)
		}
	})
}

// FuzzPageRequest sends arbitrary parameters of a list. Either the port gets a valid
// page request, or the response is a 400.
func FuzzPageRequest(f *testing.F) {
	for _, seed := range [][2]string{
		{"1", "10"}, {"", ""}, {"0", "0"}, {"-1", "7"}, {"+1", " 5"}, {"1.5", "1000"},
		{"99999999999999999999", "100"}, {"9223372036854775807", "100"}, {"92233720368547758", "100"},
	} {
		f.Add(seed[0], seed[1])
	}
	s := serve(f)
	f.Fuzz(func(t *testing.T, page, perPage string) {
		if len(page)+len(perPage) > 1<<10 {
			t.Skip("too long for a header line")
		}
		s.page = domain.PageRequest{}
		query := url.Values{"page": {page}, "per_page": {perPage}}.Encode()
		response := s.send([]byte("GET /api/v1/widgets?" + query + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n"))
		isInvalid := bytes.HasPrefix(response, []byte("HTTP/1.1 400 "))
		if isInvalid != (s.page == domain.PageRequest{}) {
			t.Fatalf("page %q, per_page %q: the port got %+v, the response is %q", page, perPage, s.page, response)
		}
		if r := s.page; !isInvalid && (r.Number() < 1 || !slices.Contains(domain.PageSizes(), r.Size()) || r.Offset() < 0) {
			t.Errorf("page %q, per_page %q: number %d, size %d, offset %d", page, perPage, r.Number(), r.Size(), r.Offset())
		}
	})
}

// FuzzEntityTags sends an arbitrary If-Match and If-None-Match. Either the port gets
// conditions, or the response is a 400. A list that the server accepts is accepted again
// with one more tag, whose version is then in the condition.
func FuzzEntityTags(f *testing.F) {
	for _, seed := range [][2]string{
		{`"1"`, "*"}, {`W/"1", "2"`, `"1"`}, {" , ", ""}, {`"a,b"`, `"\"`}, {`*, "1"`, "\"\x80\""}, {`"1`, `1"`}, {`"01"`, `w/"1"`},
	} {
		f.Add(seed[0], seed[1])
	}
	s := serve(f)
	f.Fuzz(func(t *testing.T, match, noneMatch string) {
		if strings.ContainsAny(match+noneMatch, "\r\n\x00") || len(match)+len(noneMatch) > 4<<10 {
			t.Skip("no header")
		}
		condition := s.putIf(t, match, noneMatch)
		if condition == nil {
			return
		}
		if condition.Match == nil || condition.NoneMatch == nil {
			t.Fatalf("If-Match %q and If-None-Match %q became %+v", match, noneMatch, condition)
		}
		if condition.Match.Every || condition.NoneMatch.Every {
			return // a list cannot have another element beside the asterisk
		}
		again := s.putIf(t, match+`, "7"`, `W/"7",`+noneMatch)
		if again == nil || !again.Match.Has(7) || !again.NoneMatch.Has(7) || len(again.Match.List) != len(condition.Match.List)+1 {
			t.Errorf("If-Match %q and If-None-Match %q became %+v, with one more tag %+v", match, noneMatch, condition, again)
		}
	})
}

// putIf puts a widget under conditions. It returns what the port got, or nil if the response
// is a 400.
func (s *server) putIf(t *testing.T, match, noneMatch string) *domain.Condition {
	s.condition = nil
	const form = "info_url=https://example.com&deadline=2099-12-31"
	answered := s.send(fmt.Appendf(nil, "PUT /api/v1/widgets/gear HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nIf-Match: %s\r\nIf-None-Match: %s\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", match, noneMatch, len(form), form))
	if isInvalid := bytes.HasPrefix(answered, []byte("HTTP/1.1 400 ")); isInvalid != (s.condition == nil) {
		t.Fatalf("If-Match %q and If-None-Match %q: the port got %+v, the response is %q", match, noneMatch, s.condition, answered)
	}
	return s.condition
}

// FuzzSlice sends arbitrary parameters of a list that is read by position. Either the port
// gets a valid query, or the response is a 400. The link to the list itself means the same.
func FuzzSlice(f *testing.F) {
	for _, seed := range [][5]string{
		{"", "10", "created", "", "2027-05-13"}, {"x", "5", "-deadline", "ab000000-0000-0000-0000-000000000001", "5/13/27"},
		{domain.CursorKey{}.Seal("position", "list"), "25", "-created", "", ""},
		{"\x00", "", "deadline", "00000000-0000-0000-0000-000000000000", "2027-05-13T17:00:00+02:00"}, {"\xff", "100", "", "x", "soon"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	s := serve(f)
	f.Fuzz(func(t *testing.T, after, perPage, sort, owner, to string) {
		query := url.Values{"after": {after}}
		for name, value := range map[string]string{"per_page": perPage, "sort": sort, "owner": owner, "deadline_to": to} {
			if value != "" {
				query.Set(name, value)
			}
		}
		if len(query.Encode()) > 4<<10 {
			t.Skip("too long for a header line")
		}
		sent, limit, body := s.slice(t, query.Encode())
		if limit == 0 {
			return
		}
		if !slices.Contains(domain.PageSizes(), limit) || sent.Sort != domain.ByCreation && sent.Sort != domain.ByDeadline ||
			sent.Sort == domain.ByCreation && (sent.From != nil || sent.To != nil) {
			t.Errorf("%v: the port got %+v", query, sent)
		}
		var page struct{ Links struct{ Self string } }
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatalf("%v: %v: %s", query, err, body)
		}
		_, again, _ := strings.Cut(page.Links.Self, "?")
		if same, _, _ := s.slice(t, again); same.String() != sent.String() {
			t.Errorf("%v: the port got %v, and from the link %q %v", query, sent, again, same)
		}
	})
}

// slice reads a list by position. It returns what the port got, and the body of the
// response. The limit is 0 if the response is a 400.
func (s *server) slice(t *testing.T, query string) (sent domain.WidgetQuery, limit int, body []byte) {
	s.query, s.limit = domain.WidgetQuery{}, 0
	answered := s.send([]byte("GET /api/v1/widgets?" + query + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n"))
	if isInvalid := bytes.HasPrefix(answered, []byte("HTTP/1.1 400 ")); isInvalid != (s.limit == 0) {
		t.Fatalf("%s: the port got %+v, the response is %q", query, s.query, answered)
	}
	_, body, _ = bytes.Cut(answered, []byte("\r\n\r\n"))
	return s.query, s.limit, body
}

// server is a server with fakes as ports. Its connections are in memory.
type server struct {
	accept chan net.Conn
	closed chan struct{}

	// The arguments of the last calls of the ports.
	token     string
	deadline  domain.Deadline
	condition *domain.Condition
	page      domain.PageRequest
	query     domain.WidgetQuery
	limit     int
}

func serve(f *testing.F) *server {
	s := &server{accept: make(chan net.Conn), closed: make(chan struct{})}
	user := sample.Admin(1)
	claims := domain.NewClaims(sample.ID(2), user, now, time.Hour)
	token := domain.AccessToken{Text: "good", ExpiresIn: time.Hour}
	auth := &fakes.AuthMock{
		CheckNewPasswordFunc: func(domain.Password) error { return nil },
		RegisterFunc:         func(context.Context, domain.Email, domain.Password) (domain.AccessToken, error) { return token, nil },
		LogInFunc:            func(context.Context, domain.Email, domain.Password) (domain.AccessToken, error) { return token, nil },
		CurrentUserFunc:      func(context.Context, domain.Claims) (domain.User, error) { return user, nil },
		LogOutFunc:           func(context.Context, domain.Claims) error { return nil },
	}
	widgets := &fakes.WidgetsMock{
		CreateFunc: func(context.Context, domain.Claims, domain.WidgetName, domain.WidgetFields, domain.Condition) (domain.Widget, error) {
			return sample.Widget("gear"), nil
		},
		ChangeFunc: func(context.Context, domain.Claims, domain.WidgetName, domain.WidgetChange, domain.Condition) (domain.Widget, error) {
			return sample.Widget("gear"), nil
		},
		GetFunc:    func(context.Context, domain.WidgetName) (domain.Widget, error) { return sample.Widget("gear"), nil },
		DeleteFunc: func(context.Context, domain.Claims, domain.WidgetName, domain.Condition) error { return nil },
	}
	clock := &fakes.ClockMock{NowFunc: func() time.Time { return now }, RunningFunc: func() time.Duration { return 0 }}
	ready := func(context.Context) error { return nil }
	adapter := fiberhttp.New(fiberhttp.Ports{
		Auth: recordingAuth{auth, claims, s}, Widgets: recordingWidgets{widgets, s}, Clock: clock, Audit: forgetful{}, Ready: ready,
		JWKS: func() []byte { return []byte(`{"keys":[]}`) },
	}, slog.New(slog.DiscardHandler), fiberhttp.Config{CORSOrigins: []string{"*"}})
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

// forgetful is an audit record that keeps nothing.
type forgetful struct{}

func (forgetful) Ready(context.Context) error { return nil }

func (forgetful) Record(context.Context, domain.AuditEvent) error { return nil }

// recordingAuth records the token of the last call. A fake would record every call
// and fill the memory.
type recordingAuth struct {
	ports.Auth
	claims domain.Claims
	server *server
}

func (a recordingAuth) Authenticate(_ context.Context, token string) (domain.Claims, error) {
	a.server.token = token
	return a.claims, nil
}

// recordingWidgets records the arguments of the last calls.
type recordingWidgets struct {
	ports.Widgets
	server *server
}

func (w recordingWidgets) Put(_ context.Context, _ domain.Claims, _ domain.WidgetName, fields domain.WidgetFields, condition domain.Condition) (domain.Widget, bool, error) {
	w.server.deadline, w.server.condition = fields.Deadline, &condition
	return sample.Widget("gear"), true, nil
}

func (w recordingWidgets) Slice(_ context.Context, query domain.WidgetQuery, _ string, limit int) (domain.Slice[domain.Widget], error) {
	w.server.query, w.server.limit = query, limit
	return domain.Slice[domain.Widget]{Items: sample.Widgets(1)}, nil
}

func (w recordingWidgets) List(_ context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error) {
	w.server.page = page
	return domain.Page[domain.Widget]{Request: page, Items: sample.Widgets(1), TotalItems: 1}, nil
}

// putDeadline puts a widget. It returns the deadline that the port got.
func (s *server) putDeadline(text string) (deadline time.Time, accepted bool) {
	form := url.Values{"info_url": {"https://example.com"}, "deadline": {text}}.Encode()
	answered := s.send(fmt.Appendf(nil, "PUT /api/v1/widgets/gear HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(form), form))
	return s.deadline.Time(), bytes.HasPrefix(answered, []byte("HTTP/1.1 201 "))
}

// send sends the given bytes over a new connection, closes the sending side, and
// returns the response.
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

// conn is a connection whose input is known in advance.
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
