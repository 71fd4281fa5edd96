package connections

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// isClosed waits until the server has closed a connection, for the given time.
func isClosed(client net.Conn, within time.Duration) bool {
	_ = client.SetReadDeadline(time.Now().Add(within))
	_, err := client.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// dial opens a connection without waiting for Accept.
func dial(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestNewConnectionTakesThePlaceOfTheLongestIdleOne(t *testing.T) {
	t.Parallel()
	_, connect := listen(t, func(c *Config) { c.MaxConnections = 3 })
	var clients []net.Conn
	for range 3 {
		client, server := connect()
		receive(t, client, server)
		_ = server.SetReadDeadline(time.Now().Add(config().IdleTimeout)) // as fasthttp does
		go func() { _, _ = server.Read(make([]byte, 1)) }()              // idle
		clients = append(clients, client)
		time.Sleep(10 * time.Millisecond) // the order of becoming idle
	}
	_, _ = connect()
	if !isClosed(clients[0], 5*time.Second) {
		t.Error("the connection that was idle for longest is open")
	}
	if isClosed(clients[1], 50*time.Millisecond) || isClosed(clients[2], 50*time.Millisecond) {
		t.Error("another idle connection is closed")
	}
}

func TestOneConnectionTooManyWaitsAndIsClosed(t *testing.T) {
	t.Parallel()
	l, connect := listen(t, func(c *Config) { c.MaxConnections = 2 })
	_, busy := connect()
	for _, server := range []net.Conn{busy, func() net.Conn { _, s := connect(); return s }()} {
		server.(*conn).phase.Store(serving)
	}
	go func() { _, _ = l.Accept() }()
	began := time.Now()
	if !isClosed(dial(t, l), 5*time.Second) {
		t.Error("the third connection is open")
	}
	if waited := time.Since(began); waited < admissionTime/2 {
		t.Errorf("the third connection was closed after %v", waited)
	}

	late := dial(t, l)
	time.Sleep(50 * time.Millisecond)
	_ = busy.Close()
	if isClosed(late, 2*admissionTime) {
		t.Error("a connection that waits is closed although another has ended")
	}
}

func TestConnectionsOfOneClientAreLimited(t *testing.T) {
	t.Parallel()
	l := NewListener(nil, config())
	l.config.MaxPerClient = 2
	l.config.IsExempt = func(ip netip.Addr) bool { return ip == netip.MustParseAddr("10.0.0.9") }
	admits := func(addr string) bool {
		c := &conn{listener: l, tcp: &deadlines{}}
		c.client, c.local = l.clientOf(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.makeRoom(c) {
			return false
		}
		l.add(c)
		return true
	}
	for _, step := range []struct {
		addr string
		want bool
	}{
		{"192.0.2.1:1", true}, {"192.0.2.1:2", true}, {"192.0.2.1:3", false}, {"[::ffff:192.0.2.1]:4", false}, {"192.0.2.2:1", true},
		{"[2001:db8::1]:1", true}, {"[2001:db8::2]:1", true}, {"[2001:db8::3]:1", false}, {"[2001:db8:0:1::1]:1", true},
		{"127.0.0.1:1", true}, {"127.0.0.1:2", true}, {"127.0.0.1:3", true}, {"[::1]:1", true}, {"[::1]:2", true}, {"[::1]:3", true},
		{"10.0.0.9:1", true}, {"10.0.0.9:2", true}, {"10.0.0.9:3", true},
	} {
		if got := admits(step.addr); got != step.want {
			t.Errorf("%s: admitted %v, want %v", step.addr, got, step.want)
		}
	}
}

func TestSomeConnectionsAreKeptForThisMachine(t *testing.T) {
	t.Parallel()
	l := NewListener(nil, config())
	l.config.MaxConnections = 32
	remote := netip.MustParsePrefix("192.0.2.1/32")
	for range 30 {
		l.add(&conn{listener: l, client: remote})
	}
	if l.makeRoom(&conn{listener: l, client: remote}) {
		t.Error("a remote client takes the place of a health probe")
	}
	if !l.makeRoom(&conn{listener: l, local: true}) {
		t.Error("a health probe is not let in")
	}
}

func TestMemoryOfSlowRequestsIsBounded(t *testing.T) {
	t.Parallel()
	l, connect := listen(t, func(c *Config) { c.MaxBuffered = 200 << 10 })
	part := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 40<<10)
	var clients []net.Conn
	for range 10 {
		client, server := connect()
		if _, err := io.WriteString(client, part); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = server.Read(make([]byte, 1)) }()
		clients = append(clients, client)
		for server.(*conn).held.Load() < 40<<10 && server.(*conn).phase.Load() != closed {
			time.Sleep(time.Millisecond)
		}
	}
	if got := l.buffered.Load(); got > l.config.MaxBuffered {
		t.Errorf("%d bytes are held, want at most %d", got, l.config.MaxBuffered)
	}
	if !isClosed(clients[0], 5*time.Second) || isClosed(clients[9], 50*time.Millisecond) {
		t.Error("the connection that is slow for longest is open, or the latest is closed")
	}
}

func TestShutdownDoesNotCloseAConnectionThatReceivesARequest(t *testing.T) {
	t.Parallel()
	_, connect := listen(t)
	client, server := connect()
	receive(t, client, server)
	got := make(chan string, 1)
	go func() {
		request, _ := readRequest(server)
		got <- request
	}()
	if _, err := io.WriteString(client, getRequest[:5]); err != nil {
		t.Fatal(err)
	}
	for server.(*conn).phase.Load() != receiving {
		time.Sleep(time.Millisecond)
	}
	_ = server.Close() // as fasthttp's Shutdown closes a connection that waits
	if _, err := io.WriteString(client, getRequest[5:]); err != nil {
		t.Fatal(err)
	}
	if request := <-got; request != getRequest {
		t.Errorf("the server read %q", request)
	}
}

// TestIdleConnectionsTakeLittleMemory measures the whole heap, so it is not parallel.
func TestIdleConnectionsTakeLittleMemory(t *testing.T) {
	const n = 300
	_, connect := listen(t)
	large := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 64<<10)
	before := heap()
	for range n {
		client, server := connect()
		go func() { _, _ = io.WriteString(client, large) }()
		if got, err := readRequest(server); got != large || err != nil {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
		_ = server.SetWriteDeadline(time.Now().Add(writeTimeout))
		go func() { _, _ = server.Read(make([]byte, 1)) }()
		for server.(*conn).phase.Load() != idle {
			time.Sleep(time.Millisecond)
		}
	}
	if each := (heap() - before) / n; each > 4<<10 { // with that of the client
		t.Errorf("an idle connection takes %d bytes of heap", each)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
