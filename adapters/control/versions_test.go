package control_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/control"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// post sends a request to the socket in the folder dir and returns the response's body.
func post(t *testing.T, dir, path string, header http.Header, body string) (status int, text string) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, "control.sock"))
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://control"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(got)
}

func TestServerRefusesAClientOfAnotherProtocol(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	fake := answering(sample.User(1), nil)
	start(t, dir, fake)
	for _, header := range []http.Header{
		{},
		{"Widgetd-Control": {"0"}, "Widgetd-Version": {"v9.9.9"}},
		{"Widgetd-Control": {"2"}, "Widgetd-Version": {"v9.9.9"}},
	} {
		client := header.Get("Widgetd-Version")
		if client == "" {
			client = "of an unknown version"
		}
		status, body := post(t, dir, "/accounts/delete", header, `{"id":"`+sample.ID(1).String()+`"}`)
		if want := "the server is widgetd v1.2.3, this is widgetd " + client + ": "; status != 400 || !strings.Contains(body, want) {
			t.Errorf("%v: %d %s, want %q", header, status, body, want)
		}
	}
	if calls := fake.DeleteCalls(); len(calls) > 0 {
		t.Errorf("the use case was called: %+v", calls)
	}
}

func TestRequestThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	start(t, dir, answering(sample.User(1), nil))
	header := http.Header{"Widgetd-Control": {"1"}}
	for path, bodies := range map[string][]string{
		"/accounts/get":    {``, `[]`, `{"id":7}`, `{"id":"no id"}`, `{}`},
		"/accounts/list":   {`{"page":0,"per_page":10}`, `{"page":1,"per_page":7}`},
		"/accounts/create": {`{"email":"nobody","password":"x"}`, `{"email":"a@example.com"}`, `{"email":"a@example.com","password":"` + strings.Repeat("x", 70_000) + `"}`},
		"/accounts/change": {`{}`, `{"id":"` + sample.ID(1).String() + `","password":""}`},
		"/accounts/delete": {`{"id":"../"}`},
	} {
		for _, body := range bodies {
			if status, text := post(t, dir, path, header, body); status/100 != 4 || !strings.Contains(text, `"kind":"invalid"`) {
				t.Errorf("%s %.60s: %d %s", path, body, status, text)
			}
		}
	}
}

// serve answers every request at a control socket in the folder dir with a handler.
func serve(t *testing.T, dir string, handler http.HandlerFunc) {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { server.Close() })
}

func TestClientRefusesAServerOfAnotherProtocol(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header http.Header
		want   string
	}{
		"a later version": {http.Header{"Widgetd-Control": {"2"}, "Widgetd-Version": {"v9.9.9"}}, "the server is widgetd v9.9.9, this is widgetd v1.2.3: "},
		"another program": {http.Header{}, "the server is widgetd of an unknown version, this is widgetd v1.2.3: "},
	} {
		dir := folder(t)
		serve(t, dir, func(w http.ResponseWriter, _ *http.Request) {
			for key, values := range test.header {
				w.Header()[key] = values
			}
			_, _ = io.WriteString(w, "{}")
		})
		_, err := control.Dial(t.Context(), dir, version)
		if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, control.ErrNotRunning) {
			t.Errorf("%s: Dial returned %v, want %q", name, err, test.want)
		}
	}
}

// connectToEarlierServer returns a client of a server of version v1.0.0 that knows the
// protocol and no operation.
func connectToEarlierServer(t *testing.T) *control.Client {
	t.Helper()
	dir := folder(t)
	serve(t, dir, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Widgetd-Control", "1")
		w.Header().Set("Widgetd-Version", "v1.0.0")
		if r.URL.Path != "/hello" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, "{}")
	})
	return connect(t, dir)
}

func TestOperationThatTheServerDoesNotKnowIsReportedWithTheVersions(t *testing.T) {
	t.Parallel()
	_, err := connectToEarlierServer(t).Get(t.Context(), domain.Operator(), sample.ID(1))
	if want := "the server is widgetd v1.0.0, this is widgetd v1.2.3: "; err == nil || !strings.Contains(err.Error(), want) || domain.KindOf(err) != "" {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestServerThatEndsTheConnectionIsReported(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	serve(t, dir, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := control.Dial(t.Context(), dir, version)
	if !errors.Is(err, domain.Unavailable) || errors.Is(err, control.ErrNotRunning) || !strings.Contains(err.Error(), "stopped before it answered") {
		t.Errorf("Dial returned %v", err)
	}
}
