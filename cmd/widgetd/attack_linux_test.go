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

// cutOff is how long a slow client may go on, with some time for a machine that
// is busy with other tests.
const cutOff = 10*time.Second + 3*time.Second

// slowly are ways to begin something and not to end it, and the statuses that are
// answered at last. Those with a trickle go on with a byte at a time.
var slowly = map[string]struct{ begin, trickle, answers string }{
	"nothing":           {answers: "408"},
	"half a line":       {begin: "GET /heal", answers: "408"},
	"half a header":     {begin: "GET /healthz HTTP/1.1\r\nHost: x\r\nX-", answers: "408"},
	"trickled header":   {begin: "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", trickle: "x", answers: "408"},
	"trickled lines":    {trickle: "\r"}, // no request has begun
	"half a body":       {begin: "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nemail=", answers: "408"},
	"trickled body":     {begin: "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", trickle: "x", answers: "408"},
	"half a chunk":      {begin: "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nemail=", answers: "408"},
	"trickled chunks":   {begin: "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", trickle: "1\r\nx\r\n", answers: "408"},
	"half a second one": {begin: "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal", answers: "200 408"},
}

// linger sends what a slow client sends until the server ends the connection. It
// returns the statuses that were answered.
func linger(conn net.Conn, begin, trickle string) (statuses string, err error) {
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
			return "", fmt.Errorf("it is still open after %v", cutOff)
		case <-next.C:
			_, _ = io.WriteString(conn, trickle)
		}
	}
}

// statusesIn returns those of all responses, as in "200 408".
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
	client := func(what string, dial func() (net.Conn, error), begin, trickle, want string) {
		clients.Go(func() {
			conn, err := dial()
			if err != nil {
				t.Errorf("%s: %v", what, err)
				return
			}
			if got, err := linger(conn, begin, trickle); err != nil || got != want {
				t.Errorf("%s: answered %q, want %q: %v", what, got, want, err)
			}
		})
	}
	tcp := func(s *server) func() (net.Conn, error) {
		return func() (net.Conn, error) { return net.Dial("tcp", s.addr) }
	}
	overTLS := func() (net.Conn, error) {
		return tls.Dial("tcp", encrypted.addr, &tls.Config{RootCAs: p.trust})
	}
	for name, slow := range slowly {
		client(name, tcp(plain), slow.begin, slow.trickle, slow.answers)
		client(name+" over TLS", overTLS, slow.begin, slow.trickle, slow.answers)
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
	encrypted.do(t, request{method: "GET", path: "/healthz"}).want(t, 200, "") // so the one before is accepted
	began := time.Now()
	encrypted.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a handshake that never begins holds up the end for %v", took)
	}
}

// TestWhoReadsNothingIsCutOff when responses have nowhere to go.
func TestWhoReadsNothingIsCutOff(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, dial func() (net.Conn, error)) {
		conn, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		const more = "GET " + api + "/ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
		for late := time.Now().Add(cutOff); err == nil; time.Sleep(200 * time.Millisecond) { // a write tells that the server has closed
			if time.Now().After(late) {
				t.Fatalf("it is still open after %v", cutOff)
			}
			_, err = io.WriteString(conn, more)
		}
	})
}

// TestRefusalsReachWhoWasSilent for longer than a response may take.
func TestRefusalsReachWhoWasSilent(t *testing.T) {
	t.Parallel()
	const head = "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	bothWays(t, func(t *testing.T, dial func() (net.Conn, error)) {
		var clients sync.WaitGroup
		for what, of := range map[string]struct{ request, answers string }{
			"too large":       {head + "Content-Length: 100000\r\n\r\n", "200 413"},
			"too much header": {head + "X: " + strings.Repeat("x", 9<<10) + "\r\n\r\n", "200 431"},
			"no request":      {"x\r\n\r\n", "200 400"},
			"expecting":       {head + "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", "200 100 400"},
		} {
			clients.Go(func() {
				if got, err := askAfterRest(dial, of.request); err != nil || got != of.answers {
					t.Errorf("%s: answered %q, want %q: %v", what, got, of.answers, err)
				}
			})
		}
		clients.Wait()
	})
}

// askAfterRest sends a request, and another after 11 seconds, and returns the statuses
// that were answered.
func askAfterRest(dial func() (net.Conn, error), request string) (statuses string, err error) {
	conn, err := dial()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", err
	}
	time.Sleep(11 * time.Second) // of which nothing tells
	if _, err := io.WriteString(conn, request); err != nil {
		return "", err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	answered, err := io.ReadAll(conn)
	return statusesIn(answered), err
}

// bothWays runs a test with a server over TCP and with one over TLS, at once.
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

// TestThousandSlowClientsStarveNobody, and leave nothing behind.
func TestThousandSlowClientsStarveNobody(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	admin := s.logIn(t, adminEmail, adminPassword)
	s.client.CloseIdleConnections()
	s.awaitConnections(t, 0)
	var clients sync.WaitGroup
	for _, begin := range []string{slowly["half a header"].begin, slowly["half a body"].begin} {
		for range 500 {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			clients.Go(func() {
				if _, err := linger(conn, begin, ""); err != nil {
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
		t.Errorf("half of the reads take more than %v", half)
	}
	s.logIn(t, adminEmail, adminPassword)
	clients.Wait()
	s.client.CloseIdleConnections()
	s.awaitConnections(t, 0)
}

// TestClientsThatGoAwayLeaveNothingBehind, in the midst of whatever it is.
func TestClientsThatGoAwayLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--max-login-failures=0")
	s.awaitConnections(t, 0)
	whole := "POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
		"Content-Length: 35\r\n\r\nemail=nobody@example.com&password=x"
	begins := []string{whole, whole[:len(whole)-1]}
	for _, slow := range slowly {
		begins = append(begins, slow.begin)
	}
	for i := range 200 {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, begins[i%len(begins)])
		if i%2 == 0 {
			_ = conn.(*net.TCPConn).SetLinger(0) // a reset, as of a client that crashed
		}
		conn.Close()
	}
	s.awaitConnections(t, 0)
	s.do(t, attempt("nobody@example.com", false)).want(t, 401, mismatch)
}

// TestLackOfDescriptorsPasses has more clients than the system lets the server
// have.
func TestLackOfDescriptorsPasses(t *testing.T) {
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
		t.Errorf("the log does not tell of it:\n%s", s.log)
	}
	for _, conn := range conns {
		conn.Close()
	}
	s.logIn(t, adminEmail, adminPassword)
}

// TestFloodOfLogInsLeavesReadsQuick. Each of them is answered: by what is so, or
// that it is too much for now.
func TestFloodOfLogInsLeavesReadsQuick(t *testing.T) {
	s := start(t, folder(t), append(asAdmin, "--max-login-failures=0", "GOMAXPROCS=2")...) // hashes take as much memory as there are cores
	admin := s.logIn(t, adminEmail, adminPassword)
	began := time.Now()
	s.do(t, attempt("nobody@example.com", false)).want(t, 401, mismatch)
	alone := time.Since(began) // as measure of the machine, and of what else it does
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
	t.Logf("answers %v; a log-in alone %v; %d reads, half of them within %v; refusals, half of them within %v; %d MB", counts,
		alone, len(reads), median(reads), median(refusedAfter), s.peakMemory(t)>>20)
	if counts[401] < 10 || counts[503] < 10 || counts[401]+counts[503] != flood {
		t.Errorf("statuses and their numbers: %v", counts)
	}
	if limit := max(500*time.Millisecond, 3*alone); len(reads) < 5 || median(reads) > limit {
		t.Errorf("%d reads meanwhile, half of them took more than %v", len(reads), limit)
	}
	if peak := s.peakMemory(t); peak > 1<<30 { // all of them at once would take seven times that
		t.Errorf("it took %d MB of memory", peak>>20)
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

// awaitConnections waits until the server has that many connections open, or
// more if there should be any.
func (s *server) awaitConnections(t *testing.T, want int) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // the system tells nobody
		got := s.connections(t)
		if got == want || want > 0 && got > want {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("the server has %d connections open, want %d", got, want)
		}
	}
}

// connections returns how many sockets the server has, save the one it listens
// at.
func (s *server) connections(t *testing.T) (n int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", s.cmd.Process.Pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if what, _ := os.Readlink(dir + file.Name()); strings.HasPrefix(what, "socket:") {
			n++
		}
	}
	return n - 1
}

// peakMemory returns how many bytes of memory the server had at most.
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
