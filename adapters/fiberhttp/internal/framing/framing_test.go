package framing

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

var limits = Limits{Head: 8 << 10, Body: 64 << 10}

// scan gives the Scanner the request in pieces of a length, and one more byte
// after each piece that leaves it incomplete.
func scan(raw string, piece int) (s *Scanner, b []byte, state State, err error) {
	s = &Scanner{Limits: limits}
	for rest := raw; ; {
		n := min(piece, len(rest))
		b, rest = append(b, rest[:n]...), rest[n:]
		if b, state, err = s.Scan(b); err != nil || state != Incomplete || rest == "" {
			return s, append(b, rest...), state, err
		}
	}
}

const (
	get  = "GET /a HTTP/1.1\r\nHost: x\r\n"
	post = "POST /a HTTP/1.1\r\nHost: x\r\n"
)

// refused are requests that another server could read differently.
var refused = map[string]string{
	"line feed after the request line":   "GET / HTTP/1.1\nHost: x\r\n\r\n",
	"line feed after a header":           get + "A: b\n\r\n",
	"line feed at the end":               get + "\n",
	"line feed alone":                    "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	"line feed in a header":              get + "A: b\nContent-Length: 2\r\n\r\n",
	"two empty lines before":             "\r\n\r\n" + get + "\r\n",
	"carriage return in a value":         get + "A: b\rc: d\r\n\r\n",
	"carriage returns only":              "GET / HTTP/1.1\rHost: x\r\r",
	"carriage return before CRLF":        get + "A: b\r\r\n\r\n",
	"carriage return before the request": "\rGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	"folded line":                        get + "A: b\r\n c\r\n\r\n",
	"folded with a tab":                  get + "A: b\r\n\tc\r\n\r\n",
	"fold of nothing":                    get + "A: b\r\n \r\n\r\n",
	"fold of the request line":           "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
	"space before a colon":               get + "A : b\r\n\r\n",
	"tab before a colon":                 get + "A\t: b\r\n\r\n",
	"space in a name":                    get + "A b: c\r\n\r\n",
	"empty name":                         get + ": b\r\n\r\n",
	"no colon":                           get + "A\r\n\r\n",
	"NUL in a name":                      get + "A\x00: b\r\n\r\n",
	"letter that is not ASCII in a name": get + "Content-Length\u212a: 2\r\n\r\n",
	"NUL in a value":                     get + "A: b\x00\r\n\r\n",
	"DEL in a value":                     get + "A: b\x7f\r\n\r\n",
	"vertical tab in a value":            get + "A: \vb\r\n\r\n",
	"HTTP/2.0":                           "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
	"HTTP/1.2":                           "GET / HTTP/1.2\r\nHost: x\r\n\r\n",
	"HTTP/0.9":                           "GET / HTTP/0.9\r\nHost: x\r\n\r\n",
	"HTTP/1.10":                          "GET / HTTP/1.10\r\nHost: x\r\n\r\n",
	"http/1.1":                           "GET / http/1.1\r\nHost: x\r\n\r\n",
	"no version":                         "GET /\r\nHost: x\r\n\r\n",
	"no target":                          "GET HTTP/1.1\r\nHost: x\r\n\r\n",
	"two spaces after the method":        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
	"two spaces after the target":        "GET /  HTTP/1.1\r\nHost: x\r\n\r\n",
	"space at the end":                   "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
	"space at the start":                 " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	"tab for a space":                    "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
	"tab in the target":                  "GET /\t HTTP/1.1\r\nHost: x\r\n\r\n",
	"fragment in the target":             "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
	"NUL in the target":                  "GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
	"control character in the method":    "GE\x01T / HTTP/1.1\r\nHost: x\r\n\r\n",
	"TLS":                                "\x16\x03\x01\x02\x00",
	"no host":                            "GET / HTTP/1.1\r\nA: b\r\n\r\n",
	"empty host":                         "GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"two hosts":                          get + "host: x\r\n\r\n",
	"two hosts in one":                   "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n",
	"user in the host":                   "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
	"signed length":                      post + "Content-Length: +5\r\n\r\n",
	"negative length":                    post + "Content-Length: -5\r\n\r\n",
	"length in hex":                      post + "Content-Length: 0x5\r\n\r\n",
	"list of lengths":                    post + "Content-Length: 5, 5\r\n\r\n",
	"length with an underscore":          post + "Content-Length: 5_0\r\n\r\n",
	"length with a fraction":             post + "Content-Length: 5.0\r\n\r\n",
	"empty length":                       post + "Content-Length:\r\n\r\n",
	"length beyond 64 bits":              post + "Content-Length: 18446744073709551618\r\n\r\n",
	"length twice":                       post + "Content-Length: 5\r\ncontent-length: 5\r\n\r\n",
	"identity":                           post + "Transfer-Encoding: identity\r\n\r\n",
	"identity after chunked":             post + "Transfer-Encoding: chunked, identity\r\n\r\n",
	"gzip and chunked":                   post + "Transfer-Encoding: gzip, chunked\r\n\r\n",
	"chunked twice":                      post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	"chunked twice in one":               post + "Transfer-Encoding: chunked, chunked\r\n\r\n",
	"chunked and a comma":                post + "Transfer-Encoding: chunked,\r\n\r\n",
	"quoted coding":                      post + "Transfer-Encoding: \"chunked\"\r\n\r\n",
	"coding with a parameter":            post + "Transfer-Encoding: chunked;a=b\r\n\r\n",
	"empty coding":                       post + "Transfer-Encoding: \r\n\r\n",
	"chunks in HTTP/1.0":                 "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
}

// refusedChunks are bodies that another server could read differently. The head
// was accepted.
var refusedChunks = map[string]string{
	"extension":                     "2;a=b\r\n{}\r\n0\r\n\r\n",
	"empty extension":               "2;\r\n{}\r\n0\r\n\r\n",
	"extension of the last chunk":   "2\r\n{}\r\n0;a\r\n\r\n",
	"extension without end":         "2;" + strings.Repeat("x", 100),
	"size without end":              strings.Repeat("0", 9),
	"space after the size":          "2 \r\n{}\r\n0\r\n\r\n",
	"space before the size":         " 2\r\n{}\r\n0\r\n\r\n",
	"prefix of the size":            "0x2\r\n{}\r\n0\r\n\r\n",
	"sign of the size":              "+2\r\n{}\r\n0\r\n\r\n",
	"size that is no number":        "g\r\n",
	"size that wraps around":        "10000000000000002\r\n{}\r\n0\r\n\r\n",
	"empty size":                    "\r\n{}\r\n0\r\n\r\n",
	"line feed after the size":      "2\n{}\r\n0\r\n\r\n",
	"carriage return in the size":   "2\r2\r\n",
	"line feed after the data":      "2\r\n{}\n0\r\n\r\n",
	"more data than the size":       "1\r\n{}\r\n0\r\n\r\n",
	"less data than the size":       "5\r\n{}\r\n0\r\n\r\n00000",
	"line feed at the end":          "2\r\n{}\r\n0\r\n\n",
	"line feed after the last size": "2\r\n{}\r\n0\n\r\n",
	"trailer":                       "0\r\nA: b\r\n\r\n",
	"trailer with a line feed":      "0\r\nA: b\n\r\n",
	"folded trailer":                "0\r\nA: b\r\n c\r\n\r\n",
	"trailer with a space":          "0\r\nA : b\r\n\r\n",
	"length in a trailer":           "0\r\nContent-Length: 5\r\n\r\n",
}

func TestAmbiguousRequestsAreRefusedHoweverTheyArrive(t *testing.T) {
	t.Parallel()
	for name, raw := range refused {
		for piece := 1; piece <= len(raw); piece++ {
			if s, _, state, err := scan(raw, piece); err == nil || s.HasHead() {
				t.Errorf("%s in pieces of %d: state %v, error %v", name, piece, state, err)
			}
		}
	}
	for name, body := range refusedChunks {
		raw := post + "Transfer-Encoding: chunked\r\nA: b\r\n\r\n" + body
		for piece := 1; piece <= len(raw); piece++ {
			s, b, state, err := scan(raw, piece)
			if err == nil || !s.HasHead() {
				t.Errorf("%s in pieces of %d: state %v, error %v", name, piece, state, err)
				continue
			}
			head := post + "Content-Length:           0\r\nA: b\r\n\r\n"
			if got := string(b[:s.Len()]); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(head), " ") {
				t.Errorf("%s in pieces of %d: the head is %q", name, piece, got)
			}
		}
	}
}

func TestRequestWithALengthAndChunksIsRefusedWithItsHead(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n": post + "Xontent-Length: 5\r\nContent-Length:          0\r\n\r\n",
		post + "Transfer-Encoding: chunked\r\ncontent-length: 0\r\n\r\n": post + "Content-Length:          0\r\nXontent-length: 0\r\n\r\n",
	} {
		for piece := 1; piece <= len(raw); piece++ {
			if s, b, _, err := scan(raw, piece); err == nil || !s.HasHead() || string(b[:s.Len()]) != want {
				t.Errorf("%q in pieces of %d is %q, %v", raw, piece, b, err)
			}
		}
	}
}

func TestRefusalNeedsNoFurtherByte(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"GET / HTTP/1.1\n", "GET /\n", "\n", "\x16", "G\x00", "@", " ", "GET / HTTP/1.1\r\nA: b\n",
		"GET / HTTP/1.1\rH", "GET / HTTP/2.0\r\n", get + " ", get + "A: b\r\n c\r\n",
		post + "Transfer-Encoding: chunked\r\n\r\n2;", post + "Transfer-Encoding: chunked\r\n\r\n0\r\nA",
	} {
		if _, _, _, err := scan(raw, len(raw)); err == nil && raw != get+" " {
			t.Errorf("%q is not refused", raw)
		}
	}
}

func TestRequestsEndWhereTheyEndHoweverTheyArrive(t *testing.T) {
	t.Parallel()
	const next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, test := range map[string]struct{ raw, want string }{
		"no body":             {get + "\r\n", get + "\r\n"},
		"HTTP/1.0":            {"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"},
		"asterisk":            {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"},
		"absolute form":       {"GET http://x/a HTTP/1.1\r\nHost: x:80\r\n\r\n", "GET http://x/a HTTP/1.1\r\nHost: x:80\r\n\r\n"},
		"empty line before":   {"\r\n" + get + "\r\n", get + "\r\n"},
		"tab and UTF-8":       {get + "A:\té\t\r\n\r\n", get + "A:\té\t\r\n\r\n"},
		"no space":            {get + "A:b\r\nC:\r\n\r\n", get + "A:b\r\nC:\r\n\r\n"},
		"a body":              {post + "Content-Length: 2\r\n\r\n{}", post + "Content-Length: 2\r\n\r\n{}"},
		"space after length":  {post + "Content-Length:\t2 \r\n\r\n{}", post + "Content-Length:\t2 \r\n\r\n{}"},
		"a body of GET":       {get + "Content-Length: 2\r\n\r\n{}", get + "Content-Length: 2\r\n\r\n{}"},
		"no bytes":            {post + "Content-Length: 0\r\n\r\n", post + "Content-Length: 0\r\n\r\n"},
		"line feeds":          {post + "Content-Length: 2\r\n\r\n\n\n", post + "Content-Length: 2\r\n\r\n\n\n"},
		"chunks":              {post + "Transfer-Encoding: chunked\r\nA: b\r\n\r\n1\r\n{\r\n01\r\n}\r\n0\r\n\r\n", post + "Content-Length:          2\r\nA: b\r\n\r\n{}"},
		"chunk of line feeds": {post + "transfer-encoding:\tCHUNKED \r\n\r\nA\r\n\r\n0\r\n\r\n\r\n0\r\n00\r\n\r\n", post + "Content-Length:          10\r\n\r\n\r\n0\r\n\r\n\r\n0"},
		"no chunk":            {post + "Transfer-Encoding:chunked\r\n\r\n0\r\n\r\n", post + "Content-Length:         0\r\n\r\n"},
		"expectation":         {post + "EXPECT: 100-Continue\r\nContent-Length: 2\r\n\r\n{}", post + "EXPECT:             \r\nContent-Length: 2\r\n\r\n{}"},
		"other expectation":   {get + "Expect: miracles\r\n\r\n", get + "Expect: miracles\r\n\r\n"},
	} {
		raw := test.raw + next
		for piece := 1; piece <= len(raw); piece++ {
			s, b, state, err := scan(raw, piece)
			if err != nil || state != Complete {
				t.Fatalf("%s in pieces of %d: state %v, error %v", name, piece, state, err)
			}
			if got := string(b[:s.Len()]); got != test.want || string(b[s.Len():]) != next {
				t.Fatalf("%s in pieces of %d: got %q and %q, want %q", name, piece, got, b[s.Len():], test.want)
			}
			rest := b[s.Len():]
			s.Reset()
			if b, state, err := s.Scan(rest); err != nil || state != Complete || string(b) != next {
				t.Fatalf("%s in pieces of %d: the next is %q, %v, %v", name, piece, b, state, err)
			}
		}
		for cut := range len(test.raw) {
			if _, _, state, err := scan(test.raw[:cut], max(cut, 1)); err != nil || state != Incomplete {
				t.Errorf("%s, the first %d bytes: state %v, error %v", name, cut, state, err)
			}
		}
	}
}

func TestCloseIsReadInAnyCaseAndInLists(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"close": true, "Close": true, "CLOSE": true, "close, x": true, "x ,Close": true, "keep-alive\r\nConnection: close": true,
		"close\r\nConnection: keep-alive": true,
		"keep-alive":                      false, "closed": false, "": false, "close x": false,
	} {
		if s, _, state, _ := scan(get+"Connection: "+value+"\r\n\r\n", 100); s.Closes() != want || state != Complete {
			t.Errorf("%q: Closes is %v, state %v", value, s.Closes(), state)
		}
	}
}

func TestExpectationIsReadInAnyCase(t *testing.T) {
	t.Parallel()
	const head = "Content-Length: 2\r\n\r\n"
	for raw, want := range map[string]bool{
		post + "Expect: 100-continue\r\n" + head:                                    true,
		post + "expect: 100-Continue\r\n" + head:                                    true,
		post + "EXPECT:100-CONTINUE \r\n" + head:                                    true,
		post + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n":         true,
		post + "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n":                  false,
		post + "Expect: 100-continue\r\n\r\n":                                       false,
		post + "Expect: 100\r\n" + head:                                             false,
		"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n":      false,
		post + "Expect: 100-continue\r\nExpect: 100-continue\r\n" + head:            true,
		post + "Expect: 100-Continue, x\r\n" + head:                                 true,
		post + "Expect: x=y ,100-continue\r\n" + head:                               true,
		post + "Expect: 100-continued\r\n" + head:                                   false,
		post + "X-Expect: 100-continue\r\nContent-Length: 2\r\n\r\n":                false,
		post + "Content-Length: 2\r\nExpect: 100-continue\r\nConnection: a\r\n\r\n": true,
	} {
		if s, _, _, err := scan(raw, 7); s.ExpectsContinue() != want || err != nil {
			t.Errorf("%q: ExpectsContinue is %v, %v", raw, s.ExpectsContinue(), err)
		}
	}
}

func TestHeadersThatMayComeOnce(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]bool{
		"Authorization: Bearer a\r\n":                            false,
		"Authorization: Bearer a\r\nAUTHORIZATION: Bearer a\r\n": true,
		"Content-Type: a/b\r\ncontent-type: a/b\r\n":             true,
		"X-Forwarded-For: a\r\nX-Forwarded-For: b\r\n":           false,
	} {
		if s, _, state, err := scan(get+lines+"\r\n", 1000); s.IsAmbiguous() != want || state != Complete || err != nil {
			t.Errorf("%q: IsAmbiguous is %v, %v, %v", lines, s.IsAmbiguous(), state, err)
		}
	}
}

func TestControlCharactersAreFoundAnywhereInAValue(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		want := c >= ' ' && c != 0x7f || c == '\t'
		for at := range 20 {
			value := bytes.Repeat([]byte{0xff, 'a', ' ', '\t'}, 5)
			value[at] = byte(c)
			if got := isText(value); got != want {
				t.Fatalf("isText(%q) is %v", value, got)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	pad := func(n int) string { return strings.Repeat("x", n) }
	head := func(n int) string { return get + "A: " + pad(n-len(get)-len("A: \r\n\r\n")) + "\r\n\r\n" }
	chunks := post + "Transfer-Encoding: chunked\r\n\r\n"
	for name, test := range map[string]struct {
		raw  string
		want State
	}{
		"head":             {head(limits.Head), Complete},
		"head over":        {head(limits.Head + 1), HeadTooLarge},
		"line without end": {"GET /" + pad(limits.Head), HeadTooLarge},
		"method":           {pad(limits.Head + 1), HeadTooLarge},
		"many lines":       {get + strings.Repeat("a: b\r\n", 2000), HeadTooLarge},
		"body":             {post + "Content-Length: 65536\r\n\r\n" + pad(limits.Body), Complete},
		"body over":        {post + "Content-Length: 65537\r\n\r\n", BodyTooLarge},
		"huge body":        {post + "Content-Length: 999999999999\r\n\r\n", BodyTooLarge},
		"chunk":            {chunks + "10000\r\n" + pad(limits.Body) + "\r\n0\r\n\r\n", Complete},
		"chunks":           {chunks + strings.Repeat("1\r\nx\r\n", limits.Body) + "0\r\n\r\n", Complete},
		"chunk over":       {chunks + "10001\r\n", BodyTooLarge},
		"chunks over":      {chunks + strings.Repeat("1\r\nx\r\n", limits.Body+1), BodyTooLarge},
		"huge chunk":       {chunks + "ffffffff\r\n", BodyTooLarge},
	} {
		for _, piece := range []int{1000, len(test.raw)} {
			s, b, state, err := scan(test.raw, piece)
			if state != test.want || err != nil {
				t.Errorf("%s: state %v, error %v, want %v", name, state, err, test.want)
			}
			if test.want == BodyTooLarge && strings.HasPrefix(name, "chunk") && !bytes.Contains(b[:s.Len()], []byte(" 65537\r\n")) {
				t.Errorf("%s: the head is %q", name, b[:s.Len()])
			}
		}
	}
}

// FuzzScanner compares the Scanner with net/http: what both accept they read alike,
// and what the Scanner returns net/http accepts.
func FuzzScanner(f *testing.F) {
	for _, raw := range refused {
		f.Add([]byte(raw), uint8(7))
	}
	for _, body := range refusedChunks {
		f.Add([]byte(post+"Transfer-Encoding: chunked\r\n\r\n"+body), uint8(3))
	}
	f.Add([]byte(post+"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"+get+"\r\n"), uint8(1))
	f.Add([]byte("\r\n"+get+"\r\n"), uint8(1))
	f.Add([]byte(post+"Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"+get+"\r\n"), uint8(255))
	f.Fuzz(func(t *testing.T, raw []byte, piece uint8) {
		s, b, state, err := scan(string(raw), max(int(piece), 1))
		if err != nil || state != Complete {
			return
		}
		// net/http does not skip an empty line before a request, the Scanner does (RFC 9112 section 2.2).
		want, wantErr := readRequest(bytes.TrimPrefix(raw, []byte("\r\n")))
		got, gotErr := readRequest(b[:s.Len()])
		if gotErr != nil {
			if wantErr != nil {
				return // a target or host that the server behind the Scanner refuses
			}
			t.Fatalf("%q was made from %q: %v", b[:s.Len()], raw, gotErr)
		}
		if wantErr != nil {
			t.Fatalf("%q is accepted as %q: %v", raw, got, wantErr)
		}
		if got != want {
			t.Fatalf("%q is read as %q, want %q", raw, got, want)
		}
	})
}

// readRequest reads a request with net/http: method, target and body, and what
// follows it.
func readRequest(raw []byte) (string, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(r.Body)
	return r.Method + " " + r.RequestURI + " " + r.Host + " " + string(body), err
}
