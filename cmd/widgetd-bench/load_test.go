package main

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestContentLength(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		head string
		want int
		ok   bool
	}{
		"none":                   {"HTTP/1.1 204 No Content\r\nDate: today", 0, true},
		"the last":               {"HTTP/1.1 200 OK\r\nContent-Length: 350", 350, true},
		"among others":           {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nDate: today", 7, true},
		"zero":                   {"HTTP/1.1 200 OK\r\nContent-Length: 0", 0, true},
		"suffix of another name": {"HTTP/1.1 200 OK\r\nX-Content-Length: 7", 0, true},
		"empty":                  {"HTTP/1.1 200 OK\r\nContent-Length: \r\nDate: today", 0, false},
		"negative":               {"HTTP/1.1 200 OK\r\nContent-Length: -1", 0, false},
		"not a number":           {"HTTP/1.1 200 OK\r\nContent-Length: 7b", 0, false},
		"too long":               {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := contentLength([]byte(test.head))
			if (err == nil) != test.ok || test.ok && got != test.want {
				t.Errorf("contentLength(%q) = %d, %v; want %d, ok %v", test.head, got, err, test.want, test.ok)
			}
		})
	}
}

func TestExchange(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000) // more than one read returns
	for name, test := range map[string]struct {
		reads []string // the parts that the response arrives in
		want  string   // a part of the error; empty: no error
	}{
		"at once":                 {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"}, ""},
		"without a body":          {[]string{"HTTP/1.1 200 OK\r\n\r\n"}, ""},
		"in pieces":               {[]string{"HTT", "P/1.1 200 OK\r\nContent-Le", "ngth: 2\r\n\r", "\n", "h", "i"}, ""},
		"long":                    {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", long}, ""},
		"another status":          {[]string{"HTTP/1.1 401 Unauthorized\r\n\r\n"}, "status is not 200"},
		"not a number":            {[]string{"HTTP/1.1 2x0 OK\r\n\r\n"}, "status is not 200"},
		"another protocol":        {[]string{"SSH-2.0-OpenSSH\r\n\r\n"}, "no status line"},
		"no headers":              {[]string{"\r\n\r\n"}, "no status line"},
		"status cut off":          {[]string{"HTTP/1.1 2"}, "EOF"},
		"malformed length":        {[]string{"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nhi"}, "invalid syntax"},
		"body too long":           {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!"}, "1 bytes too many"},
		"body too long, in parts": {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi", "hi!!!"}, "3 bytes too many"},
		"end in the body":         {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh"}, "EOF"},
		"end before the headers":  {nil, "EOF"},
		"endless headers":         {[]string{"HTTP/1.1 200 OK\r\n" + long}, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				if _, err := there.Read(make([]byte, 100)); err != nil {
					return
				}
				for _, read := range test.reads {
					if _, err := there.Write([]byte(read)); err != nil {
						return // the client has refused it and closed the connection
					}
				}
			}()
			defer here.Close()
			c := connection{Conn: here, status: http.StatusOK, in: make([]byte, 64<<10)}
			wantError(t, c.exchange([]byte("GET / HTTP/1.1\r\n\r\n")), test.want)
		})
	}
}

func TestLoadEndsWithItsRequests(t *testing.T) {
	t.Parallel()
	const connections, each = 3, 5
	l := load{serveStatus(t, http.StatusOK), http.StatusOK, func(int) func() []byte {
		left := each
		return func() []byte {
			if left--; left < 0 {
				return nil
			}
			return request(http.MethodGet, "/", "", "")
		}
	}}
	c, err := l.dial(connections)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	found, err := c.run(time.Minute)
	if err != nil || found.requests != connections*each || found.latency.TotalCount() != connections*each {
		t.Errorf("run = %d requests, %d latencies, %v; want %d of both", found.requests, found.latency.TotalCount(), err, connections*each)
	}
}

func TestLoadReturnsAnErrorForAnotherStatus(t *testing.T) {
	t.Parallel()
	same := request(http.MethodGet, "/", "", "")
	l := load{serveStatus(t, http.StatusTeapot), http.StatusOK, func(int) func() []byte { return func() []byte { return same } }}
	c, err := l.dial(2)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	_, err = c.run(time.Minute)
	wantError(t, err, "status is not 200: HTTP/1.1 418")
}

// serveStatus starts a server that answers every request with the status, and returns
// its address.
func serveStatus(t *testing.T, status int) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	return ln.Addr().String()
}

// wantError expects an error that contains the text want, or no error if want is empty.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got the error %v, want %q", err, want)
	}
}
