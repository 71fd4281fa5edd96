package main_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestIdleConnectionsTakeLittleHeap measures the heap of the program that connections
// hold after a page of 100 widgets, and after a body of 64 KiB.
func TestIdleConnectionsTakeLittleHeap(t *testing.T) {
	t.Parallel()
	const connections = 400
	p := newPair(t, t.TempDir())
	for name, test := range map[string]struct {
		settings []string
		most     float64 // bytes of heap of a connection
	}{
		"TCP": {nil, 4 << 10},
		"TLS": {[]string{"--tls-cert", p.cert, "--tls-key", p.key}, 32 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, folder(t), slices.Concat(test.settings, asAdmin, []string{"--metrics-addr=127.0.0.1:0"})...)
			dial := func() (net.Conn, error) { return net.Dial("tcp", s.addr) }
			if name == "TLS" {
				s.trust(p)
				dial = func() (net.Conn, error) { return tls.Dial("tcp", s.addr, &tls.Config{RootCAs: p.trust}) }
			}
			admin := s.logIn(t, adminEmail, adminPassword)
			for i := range 100 {
				s.do(t, put(fmt.Sprintf("/widgets/w%d", i), admin, widgetFields().with("info_url", "https://example.com/"+strings.Repeat("x", 2000)))).want(t, 201, "")
			}
			page := "GET " + api + "/widgets?per_page=100 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + admin + "\r\n\r\n"
			large := "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 64<<10)
			for what, raw := range map[string]string{"a page of 100": page, "a body of 64 KiB": large} {
				before := s.heap(t)
				conns := make([]net.Conn, connections)
				for i := range conns {
					conn, err := dial()
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = conn.Close() })
					conns[i] = conn
					exchange(t, conn, raw)
				}
				if each := (s.heap(t) - before) / connections; each > test.most {
					t.Errorf("an idle connection takes %.0f bytes of heap after %s, want %.0f at most", each, what, test.most)
				} else {
					t.Logf("an idle connection takes %.0f bytes of heap after %s", each, what)
				}
				for _, conn := range conns {
					_ = conn.Close()
				}
			}
		})
	}
}

// exchange sends a request and reads the response.
func exchange(t *testing.T, conn net.Conn, raw string) {
	t.Helper()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	var head []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, one...) {
		if _, err := conn.Read(one); err != nil {
			t.Fatal(err)
		}
	}
	var length int64
	for line := range strings.SplitSeq(string(head), "\r\n") {
		if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "Content-Length") {
			_, _ = fmt.Sscan(value, &length)
		}
	}
	if n, err := io.CopyN(io.Discard, conn, length); err != nil || n == 0 {
		t.Fatalf("read %d bytes of the body: %v", n, err)
	}
}

// heap returns the bytes of the live heap of the program, after a garbage collection.
func (s *server) heap(t *testing.T) float64 {
	t.Helper()
	for range 2 { // the second collection empties the pools
		res, err := http.Get(s.metricsURL(t) + "/debug/pprof/heap?gc=1")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	return s.scrape(t)["go_memstats_heap_alloc_bytes"]
}
