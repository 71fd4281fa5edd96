package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/widgetd/widgetd/app"
)

// hotPaths are the most frequent requests, each with its allowed number of
// allocations. The limits are the current numbers, so the test fails when one grows.
var hotPaths = []struct {
	name, path string
	allowed    float64
}{
	{"get", "/api/v1/widgets/widget-07", 8},
	{"list", "/api/v1/widgets?page=1&per_page=10", 19},
	{"user", "/api/v1/auth/user", 7},
}

// TestHotPathAllocations counts the allocations of the whole process. It cannot run
// in parallel with other tests, because it would count their allocations too.
func TestHotPathAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates too; CI also runs this test without it")
	}
	h := startHot(t)
	for _, hot := range hotPaths {
		if got := testing.AllocsPerRun(500, h.request(t, hot.path)); got > hot.allowed {
			t.Errorf("%s: %v allocations, want %v or fewer", hot.name, got, hot.allowed)
		}
	}
}

// BenchmarkHotPath sends requests over a socket to the whole program: the embedded
// store and the access log included.
func BenchmarkHotPath(b *testing.B) {
	h := startHot(b)
	for _, hot := range hotPaths {
		b.Run(hot.name, func(b *testing.B) {
			send := h.request(b, hot.path)
			b.ReportAllocs()
			for b.Loop() {
				send()
			}
		})
	}
}

// hot is a server on an embedded store with 20 widgets, and a connection to it.
type hot struct {
	conn  net.Conn
	token string
	in    []byte
}

func startHot(t testing.TB) *hot {
	t.Helper()
	config := withAdmin()
	config.DataDir = t.TempDir()
	a, err := app.New(t.Context(), config, app.WithLogger(slog.New(app.NewLogHandler(io.Discard, slog.LevelInfo))),
		app.WithPasswordHasher(plainHasher{}))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- a.Serve(ctx, ln) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	h := &hot{conn: conn, in: make([]byte, 64<<10)}
	var loggedIn struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(h.post(t, "/api/v1/auth/login", "email="+adminEmail+"&password="+adminPassword), &loggedIn); err != nil {
		t.Fatal(err)
	}
	h.token = loggedIn.Token
	for n := range 20 {
		h.post(t, "/api/v1/widgets", fmt.Sprintf("name=widget-%02d&info_url=https://example.com/widgets/%d?a=1%%26b=2&deadline=2099-12-31", n, n))
	}
	return h
}

// request returns a function that sends a request and receives its response, which
// must be a 200. The function itself allocates nothing.
func (h *hot) request(t testing.TB, path string) (send func()) {
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + h.token + "\r\n\r\n")
	ok := []byte("HTTP/1.1 200 OK\r\n")
	return func() {
		if response := h.exchange(t, request); !bytes.HasPrefix(response, ok) {
			t.Fatalf("GET %s: %s", path, response)
		}
	}
}

// post sends a form and returns the body of the response, which must be a success.
func (h *hot) post(t testing.TB, path, form string) []byte {
	t.Helper()
	response := h.exchange(t, fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", path, h.token, len(form), form))
	head, body, _ := bytes.Cut(response, []byte("\r\n\r\n"))
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 20")) {
		t.Fatalf("POST %s: %s", path, response)
	}
	return body
}

// exchange sends a request and returns the response, which is valid until the next
// call. The body of a response is one line, so the response ends with that line.
func (h *hot) exchange(t testing.TB, request []byte) []byte {
	if _, err := h.conn.Write(request); err != nil {
		t.Fatal(err)
	}
	n := 0
	for n == 0 || !bytes.HasSuffix(h.in[:n], []byte("}\n")) {
		read, err := h.conn.Read(h.in[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += read
	}
	return h.in[:n]
}
