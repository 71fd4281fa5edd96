package main_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// memoryLimit is the limit of the program's memory in the test of a flood.
const memoryLimit = 256 << 20

// limitMemory makes the system refuse the server more memory than memoryLimit
// (RLIMIT_DATA). The system's buffers of connections do not count. The whole stacks of
// threads of C do, so they are made small.
func (s *server) limitMemory() {
	s.cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -s 256 && ulimit -d %d && exec "$0" "$@"`, memoryLimit>>10), binary}, s.cmd.Args[1:]...)
	s.cmd.Path = "/bin/sh"
}

// hostile are kinds of connections that make a server hold memory: what the client
// sends at once, and what it sends again and again.
var hostile = []hostileKind{
	{"idle after a large request", "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 64<<10), ""},
	{"slow headers", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", 4<<10), "x"},
	{"slow body", "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 60<<10), "x"},
	{slowReader, "", ""}, // set by the test: it needs a token
	{"silent", "", ""},
	{"TLS half done", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "x"},
}

type hostileKind struct{ name, begin, trickle string }

// slowReader is the kind that reads no response.
const slowReader = "slow reader"

// TestHonestReadsAreAnsweredDuringAFloodOfConnections opens many connections of
// each hostile kind from many addresses, again and again when the server closes
// them: 10,000 with -torture, a tenth of that without.
func TestHonestReadsAreAnsweredDuringAFloodOfConnections(t *testing.T) {
	flood, duration := 1000, 5*time.Second
	if *torture > 0 {
		flood, duration = 10_000, *torture
	}
	if raceEnabled {
		flood = 200 // the race detector makes the server several times slower
	}
	p := newPair(t, t.TempDir())
	data := folder(t)
	plain := start(t, data, asAdmin...)
	admin := plain.logIn(t, adminEmail, adminPassword)
	long := "https://example.com/" + strings.Repeat("x", 2000)
	for i := range 100 {
		plain.do(t, post("/widgets", admin, widgetFields().with("name", fmt.Sprintf("w%d", i)).with("info_url", long))).want(t, 201, "")
	}
	plain.stop()
	for _, test := range []struct {
		name     string
		settings []string
		share    int // of the flood
	}{
		{"TCP", nil, 1},
		{"TLS", []string{"--tls-cert", p.cert, "--tls-key", p.key}, 5}, // half of the clients finish the handshake
	} {
		t.Run(test.name, func(t *testing.T) {
			s := prepare(t, data, append(test.settings, "--log-level=info")...)
			if !raceEnabled { // the race detector reserves more memory than the limit
				s.limitMemory()
			}
			s.launch(t)
			s.awaitListening(t)
			if test.name == "TLS" {
				s.trust(p)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var clients sync.WaitGroup
			for i := range flood / test.share {
				clients.Go(func() { attack(ctx, s.addr, i, admin, test.name == "TLS" && i/len(hostile)%2 == 0) })
			}
			time.Sleep(duration / 4) // the flood begins
			var reads []time.Duration
			for began := time.Now(); time.Since(began) < duration*3/4; {
				s.client.CloseIdleConnections()
				sent := time.Now()
				s.do(t, get("/widgets/w1", admin)).want(t, 200, "")
				reads = append(reads, time.Since(sent))
			}
			open := s.connections(t)
			cancel()
			clients.Wait()
			slices.Sort(reads)
			t.Logf("flood of %d over %s, %d open at the end: %d reads over new connections, median %v, 99%% within %v, longest %v; %d MB of the program, %d MB of the system's buffers for all TCP",
				flood/test.share, test.name, open, len(reads), median(reads), reads[len(reads)*99/100], reads[len(reads)-1], s.peakMemory(t)>>20, socketMemory(t)>>20)
			if most := reads[len(reads)*95/100]; most > time.Second {
				t.Errorf("5%% of the reads took more than %v", most)
			}
			if peak := s.peakMemory(t); peak > memoryLimit && !raceEnabled {
				t.Errorf("the server used %d MB of memory", peak>>20)
			}
			s.stop()
		})
	}
}

// attack connects from an address of its own, with TLS if it is secure, again when it
// is disconnected.
func attack(ctx context.Context, addr string, i int, token string, secure bool) {
	kind := hostile[i%len(hostile)]
	if kind.name == slowReader {
		kind.begin = strings.Repeat("GET "+api+"/widgets?per_page=100 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\n\r\n", 5)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(1+i%250), byte(i/250), 1)}, Timeout: 5 * time.Second}
	for ctx.Err() == nil {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			if secure {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // an attacker does not care
			}
			occupy(ctx, conn, kind)
			_ = conn.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// occupy keeps a connection until the server closes it.
func occupy(ctx context.Context, conn net.Conn, kind hostileKind) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_, err := io.WriteString(conn, kind.begin)
	for err == nil && kind.trickle != "" {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
			_, err = io.WriteString(conn, kind.trickle)
		}
	}
	if kind.name == slowReader {
		select {
		case <-ctx.Done():
		case <-time.After(15 * time.Second): // the server resets the connection before
		}
		return
	}
	_, _ = io.Copy(io.Discard, conn)
}

// socketMemory returns the memory of the system's buffers for all TCP connections of
// this machine, also those of the clients.
func socketMemory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`TCP:.* mem (\d+)`).FindSubmatch(text)
	if found == nil {
		return 0
	}
	pages, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
