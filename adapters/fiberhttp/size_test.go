package fiberhttp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const limit = 64 << 10

// chunked returns a request whose body is sent in chunks of a length.
func chunked(r request, length int) request {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
		r.method, r.path, r.token, r.content)
	var body strings.Builder
	for rest := r.body; rest != ""; rest = rest[min(length, len(rest)):] {
		fmt.Fprintf(&body, "%x\r\n%s\r\n", min(length, len(rest)), rest[:min(length, len(rest))])
	}
	return request{method: r.method, path: r.path, raw: head + body.String() + "0\r\n\r\n"}
}

// padded returns a JSON body of n bytes with valid credentials.
func padded(n int) string {
	_, body := credentials.json()
	return body + strings.Repeat(" ", n-len(body))
}

func TestBodiesOfUpTo64KiBAreRead(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, r := range map[string]request{
		"64 KiB":                   logIn.sending("application/json", padded(limit)),
		"64 KiB in chunks":         chunked(logIn.sending("application/json", padded(limit)), 1000),
		"64 KiB in one":            chunked(logIn.sending("application/json", padded(limit)), limit),
		"64 KiB announced":         logIn.sending("application/json", padded(limit)).with("Connection: close"),
		"a byte at a time":         chunked(logIn.sending("application/json", padded(200)), 1),
		"a length of another kind": {raw: strings.Replace(chunked(logIn, 1000).raw, "Transfer", "X-Content-Length: 1\r\nTransfer", 1)},
		"a form of that":           logIn.sending("application/x-www-form-urlencoded", "email=ada@example.com&password=wrong&pad="+strings.Repeat("x", limit-42)),
		"a file within that":       logIn.sending(fields{"email", "ada@example.com", "password", "wrong", "pad", strings.Repeat("x", limit-1000)}.multipart()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := s.do(t, r); got.status != 200 && got.status != 401 {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
}

func TestClientCanReadTheRefusalOfALargeRequest(t *testing.T) {
	t.Parallel()
	s := serve(t)
	huge := strings.Repeat("x", 300<<10)
	for name, test := range map[string]struct {
		request request
		status  int
		body    string
	}{
		"a byte over":                  {logIn.sending("application/json", padded(limit+1)), 413, "Request Entity Too Large"},
		"300 KB":                       {logIn.sending("application/json", huge), 413, "Request Entity Too Large"},
		"300 KB in chunks":             {chunked(logIn.sending("application/json", huge), 4096), 413, "Request Entity Too Large"},
		"300 KB in one chunk":          {chunked(logIn.sending("application/json", huge), 300<<10), 413, "Request Entity Too Large"},
		"300 KB of a form":             {register.sending("application/x-www-form-urlencoded", huge), 413, "Request Entity Too Large"},
		"300 KB of multipart":          {putWidget.sending("multipart/form-data; boundary=x", huge), 413, "Request Entity Too Large"},
		"300 KB for no route":          {request{method: "POST", path: "/nope"}.sending("text/plain", huge), 413, "Request Entity Too Large"},
		"300 KB of an unknown method":  {request{method: "FOO", path: "/healthz"}.sending("text/plain", huge), 413, "Request Entity Too Large"},
		"1 MB":                         {logIn.sending("application/json", strings.Repeat("x", 1<<20)), 413, "Request Entity Too Large"},
		"10 KB header":                 {getWidget.with("X-Padding: " + huge[:10<<10]), 431, "Request Header Fields Too Large"},
		"300 KB header":                {getWidget.with("X-Padding: " + huge), 431, "Request Header Fields Too Large"},
		"300 KB of many headers":       {getWidget.with(strings.Split(strings.Repeat("X-Padding: x\n", 20_000), "\n")[:20_000]...), 431, "Request Header Fields Too Large"},
		"300 KB token":                 {getWidget.as(huge), 431, "Request Header Fields Too Large"},
		"300 KB path":                  {request{method: "GET", path: "/" + huge}, 431, "Request Header Fields Too Large"},
		"300 KB method":                {request{method: huge, path: "/"}, 431, "Request Header Fields Too Large"},
		"300 KB without a line end":    {request{raw: huge}, 431, "Request Header Fields Too Large"},
		"300 KB header and body of it": {logIn.with("X-Padding: "+huge).sending("application/json", huge), 431, "Request Header Fields Too Large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 20 {
				s.do(t, test.request).want(t, test.status, message(test.body), "Connection: close")
			}
		})
	}
}

func TestHeadersWithin8KiBAreRead(t *testing.T) {
	t.Parallel()
	s := serve(t)
	head := len(getWidget.with("X-Padding: ").wire())
	s.do(t, getWidget.with("X-Padding: "+strings.Repeat("x", 8<<10-head))).want(t, 200, gearBody)
	s.do(t, getWidget.with("X-Padding: "+strings.Repeat("x", 8<<10-head+1))).want(t, 431, message("Request Header Fields Too Large"))
}

func TestRefusalDoesNotHaveTheIDOfThePreviousRequest(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.dial(t)
	c.do(t, getWidget.with("X-Request-Id: first")).want(t, 200, gearBody, "X-Request-Id: first")
	got := c.do(t, getWidget.with("X-Padding: "+strings.Repeat("x", 9<<10)))
	got.want(t, 431, message("Request Header Fields Too Large"))
	if got.header.Get("X-Request-Id") == "first" {
		t.Error("the response has the id of the previous request")
	}
}

func TestMalformedAndAmbiguousRequestsAreBadRequests(t *testing.T) {
	t.Parallel()
	s := serve(t)
	check := func(name, raw string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw += "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" // the server must not take this for a request
			s.do(t, request{raw: raw}).want(t, 400, message("Bad Request"), "Connection: close")
		})
	}
	for name, raw := range map[string]string{
		"no request line":               "nonsense\r\n\r\n",
		"no path":                       "GET\r\nHost: localhost\r\n\r\n",
		"no protocol":                   "GET /healthz\r\nHost: localhost\r\n\r\n",
		"another protocol":              "GET /healthz FTP/1.1\r\nHost: localhost\r\n\r\n",
		"space in the path":             "GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"TLS":                           "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
		"token for a method":            userToken + "@ / HTTP/9\r\n\r\n",
		"line without a colon":          "GET /healthz HTTP/1.1\r\nHost: localhost\r\nAuthorization Bearer " + userToken + "\r\n\r\n",
		"space in a name":               "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX Y: 1\r\n\r\n",
		"folded line":                   "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Folded: one\r\n\ttwo\r\n\r\n",
		"lines that end in line feeds":  "GET /healthz HTTP/1.1\nHost: localhost\n\n",
		"length and chunks of a GET":    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"no host":                       "GET /healthz HTTP/1.1\r\n\r\n",
		"two hosts":                     "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"transfer encoding of HTTP/1.0": "POST /api/v1/auth/login HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	} {
		check(name, raw)
	}
	// These follow the other headers of a log-in.
	for name, rest := range map[string]string{
		"space before a colon":         "Content-Length : 2\r\n\r\n{}",
		"length that is no number":     "Content-Length: two\r\n\r\n{}",
		"negative length":              "Content-Length: -2\r\n\r\n{}",
		"signed length":                "Content-Length: +2\r\n\r\n{}",
		"two lengths":                  "Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}",
		"lengths in a list":            "Content-Length: 2, 30\r\n\r\n{}",
		"length and chunks":            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"chunks and length":            "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"length and no chunks":         "Content-Length: 42\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"length and identity":          "transfer-encoding: identity\r\ncontent-length: 2\r\n\r\n{}",
		"unknown transfer encoding":    "Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"chunk size that is no number": "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
		"chunk longer than it says":    "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
		"folded coding":                "Transfer-Encoding:\r\n chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"coding in a folded line":      " Transfer-Encoding: chunked\r\n\r\n",
		"coding behind a line feed":    "X: y\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
		"length behind a line feed":    "X: y\nContent-Length: 2\r\n\r\n{}",
		"carriage return in a header":  "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
		"NUL in a header":              "X: y\x00\r\nContent-Length: 2\r\n\r\n{}",
		"coding that is none":          "Transfer-Encoding: identity\r\n\r\n",
		"empty coding":                 "Transfer-Encoding:\r\n\r\n",
		"two codings":                  "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"codings in the other order":   "Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"coding and another":           "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"coding twice":                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"coding after a vertical tab":  "Transfer-Encoding: \vchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"coding with a parameter":      "Transfer-Encoding: chunked;q=1\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"quoted coding":                "Transfer-Encoding: \"chunked\"\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"one length twice":             "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		"length in hex":                "Content-Length: 0x2\r\n\r\n{}",
		"length with a space in it":    "Content-Length: 1 2\r\n\r\n{}",
		"length that wraps around":     "Content-Length: 18446744073709551618\r\n\r\n{}",
		"empty length":                 "Content-Length: \r\n\r\n",
		"chunk size that wraps around": "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n",
		"chunk size with a sign":       "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
		"chunk size with a prefix":     "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
		"empty chunk size":             "Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n",
		"chunk size and a line feed":   "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
		"chunk extension, line feed":   "Transfer-Encoding: chunked\r\n\r\n2;x\n{}\r\n0\r\n\r\n",
		"chunk and a line feed":        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n",
		"last chunk and line feeds":    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\n\n",
		"length in a trailer":          "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
	} {
		check(name, "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+rest)
	}
}

func TestConnectionOfARefusedClientIsClosedSoon(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(*client){
		"nothing more, and stays": func(*client) {},
		"without end": func(c *client) {
			for err := error(nil); err == nil; {
				_, err = c.Write(make([]byte, 64<<10))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			c := s.dial(t)
			c.do(t, request{raw: "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"}).
				want(t, 413, message("Request Entity Too Large"))
			closed := make(chan struct{})
			go func() {
				s.conns.open.Wait()
				close(closed)
			}()
			send(c)
			select {
			case <-closed:
			case <-time.After(5 * time.Second):
				t.Error("the connection is open")
			}
		})
	}
}
