package main_test

import (
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
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// cutOff is the time after which the server closes the connection of a slow client,
// with a margin for a machine that is busy with other tests.
const cutOff = 10*time.Second + 3*time.Second

// slowRequests are requests that never become complete, and the statuses that the
// server answers before it closes the connection. A client sends begin at once and
// then trickle again and again.
var slowRequests = map[string]struct{ begin, trickle, statuses string }{
	"nothing":           {statuses: "408"},
	"half a line":       {begin: "GET /heal", statuses: "408"},
	"half a header":     {begin: "GET /healthz HTTP/1.1\r\nHost: x\r\nX-", statuses: "408"},
	"trickled header":   {begin: "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", trickle: "x", statuses: "408"},
	"trickled lines":    {trickle: "\r"}, // no request has begun
	"half a body":       {begin: "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nemail=", statuses: "408"},
	"trickled body":     {begin: "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", trickle: "x", statuses: "408"},
	"half a chunk":      {begin: "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nemail=", statuses: "408"},
	"trickled chunks":   {begin: "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", trickle: "1\r\nx\r\n", statuses: "408"},
	"half a second one": {begin: "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal", statuses: "200 408"},
}

// sendSlowly sends begin, and trickle again and again, until the server closes the
// connection. It returns the statuses of the responses.
func sendSlowly(conn net.Conn, begin, trickle string) (statuses string, err error) {
	defer conn.Close()
	closed := make(chan []byte, 1)
	go func() {
		answered, _ := io.ReadAll(conn)
		closed <- answered
	}()
	_, _ = io.WriteString(conn, begin)
	late, next := time.After(cutOff), time.NewTicker(200*time.Millisecond)
	defer next.Stop()
	for {
		select {
		case answered := <-closed:
			return statusesIn(answered), nil
		case <-late:
			return "", fmt.Errorf("the connection is still open after %v", cutOff)
		case <-next.C:
			_, _ = io.WriteString(conn, trickle)
		}
	}
}

// statusesIn returns the statuses of all responses in a text: "200 408".
func statusesIn(responses []byte) string {
	var statuses []string
	for _, line := range regexp.MustCompile(`HTTP/1\.1 (\d+) `).FindAllSubmatch(responses, -1) {
		statuses = append(statuses, string(line[1]))
	}
	return strings.Join(statuses, " ")
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	p := newPair(t, t.TempDir())
	plain, encrypted := start(t, folder(t)), startTLS(t, p)
	var clients sync.WaitGroup
	client := func(name string, dial func() (net.Conn, error), begin, trickle, want string) {
		clients.Go(func() {
			conn, err := dial()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			if got, err := sendSlowly(conn, begin, trickle); err != nil || got != want {
				t.Errorf("%s: answered %q, want %q: %v", name, got, want, err)
			}
		})
	}
	tcp := func(s *server) func() (net.Conn, error) {
		return func() (net.Conn, error) { return net.Dial("tcp", s.addr) }
	}
	overTLS := func() (net.Conn, error) {
		return tls.Dial("tcp", encrypted.addr, &tls.Config{RootCAs: p.trust})
	}
	for name, slow := range slowRequests {
		client(name, tcp(plain), slow.begin, slow.trickle, slow.statuses)
		client(name+" over TLS", overTLS, slow.begin, slow.trickle, slow.statuses)
	}
	const hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" // announces 512 bytes
	client("no handshake", tcp(encrypted), "", "", "")
	client("half a handshake", tcp(encrypted), hello, "", "")
	client("trickled handshake", tcp(encrypted), hello, "x", "")
	clients.Wait()

	silent, err := net.Dial("tcp", encrypted.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	encrypted.do(t, healthz).want(t, 200, "") // the server has accepted the silent connection before
	began := time.Now()
	encrypted.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a connection without a handshake delays the end by %v", took)
	}
}

// The buffers of the connection fill up, and then the server cannot send more.
func TestClientsThatReadNothingAreCutOff(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, dial func() (net.Conn, error)) {
		conn, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		const more = "GET " + api + "/ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
		for late := time.Now().Add(cutOff); err == nil; time.Sleep(200 * time.Millisecond) { // a write fails when the server has closed the connection
			if time.Now().After(late) {
				t.Fatalf("the connection is still open after %v", cutOff)
			}
			_, err = io.WriteString(conn, more)
		}
	})
}

// A connection is idle for longer than the time limit of a response. The deadline of the
// first response must not apply to the second one.
func TestRefusalsAreSentOnConnectionsThatWereIdle(t *testing.T) {
	t.Parallel()
	const head = "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	bothWays(t, func(t *testing.T, dial func() (net.Conn, error)) {
		var clients sync.WaitGroup
		for name, test := range map[string]struct{ request, statuses string }{
			"too large":       {head + "Content-Length: 100000\r\n\r\n", "200 413"},
			"too much header": {head + "X: " + strings.Repeat("x", 9<<10) + "\r\n\r\n", "200 431"},
			"no request":      {"x\r\n\r\n", "200 400"},
			"expecting":       {head + "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", "200 100 400"},
		} {
			clients.Go(func() {
				if got, err := sendAfterPause(dial, test.request); err != nil || got != test.statuses {
					t.Errorf("%s: answered %q, want %q: %v", name, got, test.statuses, err)
				}
			})
		}
		clients.Wait()
	})
}

// sendAfterPause sends a request, and another one 11 seconds later. It returns the
// statuses of both responses.
func sendAfterPause(dial func() (net.Conn, error), request string) (statuses string, err error) {
	conn, err := dial()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", err
	}
	time.Sleep(11 * time.Second)
	if _, err := io.WriteString(conn, request); err != nil {
		return "", err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	answered, err := io.ReadAll(conn)
	return statusesIn(answered), err
}

// bothWays runs a test over TCP and over TLS, in parallel.
func bothWays(t *testing.T, test func(t *testing.T, dial func() (net.Conn, error))) {
	t.Helper()
	p := newPair(t, t.TempDir())
	plain, encrypted := start(t, folder(t)), startTLS(t, p)
	t.Run("TCP", func(t *testing.T) {
		t.Parallel()
		test(t, func() (net.Conn, error) { return net.Dial("tcp", plain.addr) })
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		test(t, func() (net.Conn, error) { return tls.Dial("tcp", encrypted.addr, &tls.Config{RootCAs: p.trust}) })
	})
}

// Other clients are served meanwhile. Afterwards no connection is left.
func TestThousandSlowClientsDoNotBlockOthers(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	admin := s.logIn(t, adminEmail, adminPassword)
	s.client.CloseIdleConnections()
	s.awaitConnections(t, 0)
	var clients sync.WaitGroup
	for _, begin := range []string{slowRequests["half a header"].begin, slowRequests["half a body"].begin} {
		for range 500 {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			clients.Go(func() {
				if _, err := sendSlowly(conn, begin, ""); err != nil {
					t.Error(err)
				}
			})
		}
	}
	s.awaitConnections(t, 1000)
	var reads []time.Duration
	for range 50 {
		began := time.Now()
		s.do(t, get("/widgets", admin)).want(t, 200, "")
		reads = append(reads, time.Since(began))
	}
	if half := median(reads); half > time.Second {
		t.Errorf("the median time of a read is %v", half)
	}
	s.logIn(t, adminEmail, adminPassword)
	clients.Wait()
	s.client.CloseIdleConnections()
	s.awaitConnections(t, 0)
}

// The clients close their connections before, during and after a request.
func TestClientsThatDisconnectLeaveNoConnections(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--max-login-failures=0")
	s.awaitConnections(t, 0)
	whole := "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
		"Content-Length: 35\r\n\r\nemail=nobody@example.com&password=x"
	begins := []string{whole, whole[:len(whole)-1]}
	for _, slow := range slowRequests {
		begins = append(begins, slow.begin)
	}
	for i := range 200 {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, begins[i%len(begins)])
		if i%2 == 0 {
			_ = conn.(*net.TCPConn).SetLinger(0) // a reset, as after a crash of the client
		}
		conn.Close()
	}
	s.awaitConnections(t, 0)
	s.do(t, attempt("nobody@example.com", false)).want(t, 401, mismatch)
}

// More clients connect than the server has file descriptors for.
func TestServerRecoversFromALackOfFileDescriptors(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	limit := [2]uint64{64, 64}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(s.cmd.Process.Pid), syscall.RLIMIT_NOFILE,
		uintptr(unsafe.Pointer(&limit)), 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	var conns []net.Conn
	for range 100 {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	if _, ok := s.log.await("msg", "no connection can be accepted for now", s.exited); !ok {
		t.Errorf("the log does not report it:\n%s", s.log)
	}
	for _, conn := range conns {
		conn.Close()
	}
	s.logIn(t, adminEmail, adminPassword)
}

// Each log-in of the flood is answered: with 401, or with 503 if the queue for
// hashing is full.
func TestFloodOfLogInsLeavesReadsFast(t *testing.T) {
	s := start(t, folder(t), append(asAdmin, "--max-login-failures=0", "GOMAXPROCS=2")...) // the number of cores limits the memory for hashes
	admin := s.logIn(t, adminEmail, adminPassword)
	began := time.Now()
	s.do(t, attempt("nobody@example.com", false)).want(t, 401, mismatch)
	alone := time.Since(began) // measures the machine and its load
	const flood = 300
	answered := make(chan struct{})
	var reads []time.Duration
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for {
			select {
			case <-answered:
				return
			default:
			}
			began := time.Now()
			s.do(t, get("/widgets", admin)).want(t, 200, "")
			reads = append(reads, time.Since(began))
		}
	}()
	var mu sync.Mutex
	var refusedAfter []time.Duration
	counts := atOnce(flood, func(i int) int {
		began := time.Now()
		status := s.do(t, attempt(fmt.Sprintf("person-%d@example.com", i), false)).status // 503 has Retry-After, see check
		if status == 503 {
			mu.Lock()
			defer mu.Unlock()
			refusedAfter = append(refusedAfter, time.Since(began))
		}
		return status
	})
	close(answered)
	<-reading
	t.Logf("statuses %v; a log-in alone %v; %d reads, median %v; median of the refusals %v; %d MB", counts,
		alone, len(reads), median(reads), median(refusedAfter), s.peakMemory(t)>>20)
	if counts[401] < 10 || counts[503] < 10 || counts[401]+counts[503] != flood {
		t.Errorf("number of responses by status: %v", counts)
	}
	if limit := max(500*time.Millisecond, 3*alone); len(reads) < 5 || median(reads) > limit {
		t.Errorf("%d reads during the flood, median %v, want at most %v", len(reads), median(reads), limit)
	}
	if peak := s.peakMemory(t); peak > 1<<30 { // without the queue, the hashes would take seven times as much
		t.Errorf("the server used %d MB of memory", peak>>20)
	}
	s.logIn(t, adminEmail, adminPassword)
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	if len(times) == 0 {
		return 0
	}
	return times[len(times)/2]
}

// awaitConnections waits until the server has at least want open connections, or none if
// want is 0.
func (s *server) awaitConnections(t *testing.T, want int) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // the system reports no event for this
		got := s.connections(t)
		if got == want || want > 0 && got > want {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("the server has %d connections open, want %d", got, want)
		}
	}
}

// connections returns the number of the server's sockets, without the two listening ones:
// that of the API and the control socket.
func (s *server) connections(t *testing.T) (n int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", s.cmd.Process.Pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if target, _ := os.Readlink(dir + file.Name()); strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n - 2
}

// peakMemory returns the largest number of bytes of memory that the server has used.
func (s *server) peakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
