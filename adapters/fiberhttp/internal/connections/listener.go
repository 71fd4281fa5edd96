// Package connections adds to the connections of a fasthttp server what fasthttp
// does not do. It reads the framing of requests (package framing), keeps no buffer
// for an idle connection, bounds the number of connections and the memory of
// requests and responses, lets a refused client read the response, closes
// connections without a request at shutdown, and goes on after the system has
// refused a connection.
//
// fasthttp must have ReduceMemoryUsage: it then reads the first byte of a request
// by itself. See conn.Read.
package connections

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/framing"
)

const (
	// acceptPause is the time between two tries while the system refuses
	// connections, mostly because the process has no file descriptor left.
	acceptPause = 50 * time.Millisecond

	// The sizes of the system's buffers of each connection. The system counts them
	// as memory of the container, and takes up to twice as much. With 16 KiB for
	// receiving, a page of ten widgets takes 30% more CPU time.
	receiveBytes = 32 << 10
	sendBytes    = 16 << 10

	// readyConnections is the number of accepted connections that may wait for fasthttp.
	// Without this buffer, the goroutine that accepts connections would wait after each
	// of them until the scheduler runs it again. During a flood the system's queue would
	// then overflow, and clients would try again only after a second.
	readyConnections = 1024

	// warnPause is the time between two warnings that the connections are used up.
	warnPause = time.Minute
)

// Config is the configuration of a [Listener].
type Config struct {
	// Limits are the largest sizes of a request.
	Limits framing.Limits
	// The server has ReadTimeout to read a request and WriteTimeout to write a
	// response. A connection may be idle for IdleTimeout.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// MaxConnections is the number of connections that may be open. Of one client
	// network (see NetworkOf) MaxPerClient may be open, the loopback aside. 0 is no
	// limit.
	MaxConnections, MaxPerClient int
	// MaxBuffered is the number of bytes of requests that have not arrived to their
	// end, of large requests, and of responses that clients do not read. 0 is no
	// limit.
	MaxBuffered int64
	// IsExempt reports whether MaxPerClient does not apply to an address; may be nil.
	IsExempt func(netip.Addr) bool
	// Log gets a warning when the system refuses connections, and when a limit is
	// reached.
	Log *slog.Logger
}

// Listener accepts connections for a fasthttp server. See [IsSilent],
// [LingerOnClose], [Refusal] and [Listener.CloseSilent].
type Listener struct {
	net.Listener
	config   Config
	close    func() error // closes the net.Listener once
	start    sync.Once    // of acceptAll
	ready    chan net.Conn
	closing  chan struct{} // closed by Close
	ended    chan struct{} // closed when acceptAll has ended, with err
	err      error
	inboxes  sync.Pool
	buffered atomic.Int64

	freeing    sync.Mutex  // held during freeMemory; guards stalled and freePaused
	stalled    []candidate // for reuse
	freePaused time.Time   // freeMemory does nothing before this time

	mu       sync.Mutex
	open     map[*conn]struct{}
	clients  map[netip.Prefix]*client
	idlest   candidates // of all clients
	waiting  []*conn    // connections that wait for another to be closed
	stopping bool       // CloseSilent was called
	warned   time.Time
}

// NewListener returns a Listener that accepts the connections of ln.
func NewListener(ln net.Listener, config Config) *Listener {
	l := &Listener{
		Listener: ln,
		config:   config,
		ready:    make(chan net.Conn, readyConnections),
		closing:  make(chan struct{}),
		ended:    make(chan struct{}),
		open:     map[*conn]struct{}{},
		clients:  map[netip.Prefix]*client{},
	}
	l.close = sync.OnceValue(func() error {
		close(l.closing)
		return ln.Close()
	})
	l.inboxes.New = func() any {
		return &inbox{buf: make([]byte, 0, inboxBytes), scanner: framing.Scanner{Limits: config.Limits}}
	}
	return l
}

// Accept returns the next connection. It does not return temporary errors, because
// fasthttp would stop the server after one.
func (l *Listener) Accept() (net.Conn, error) {
	l.start.Do(func() { go l.acceptAll() })
	select {
	case <-l.closing:
	default:
		select {
		case <-l.closing:
		case c := <-l.ready:
			return c, nil
		case <-l.ended:
		}
	}
	<-l.ended
	l.closeReady()
	return nil, l.err
}

// closeReady closes the connections that Accept has not returned.
func (l *Listener) closeReady() {
	for {
		select {
		case c := <-l.ready:
			_ = c.Close()
		default:
			return
		}
	}
}

// acceptAll accepts connections until the Listener is closed.
func (l *Listener) acceptAll() {
	defer close(l.ended)
	for {
		accepted, err := l.acceptWithRetry()
		if err != nil {
			l.err = err
			return
		}
		l.admit(l.newConn(accepted))
	}
}

// acceptWithRetry tries again after a temporary error. It logs the first of
// several in a row, and closes idle connections: the system may lack file
// descriptors.
func (l *Listener) acceptWithRetry() (net.Conn, error) {
	for logged := false; ; logged = true {
		accepted, err := l.Listener.Accept()
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			return accepted, err
		}
		if !logged {
			l.config.Log.Warn("no connection can be accepted for now", "error", err)
		}
		l.evictOne()
		select {
		case <-time.After(acceptPause):
		case <-l.closing:
			return nil, net.ErrClosed
		}
	}
}

func (l *Listener) newConn(accepted net.Conn) *conn {
	c := &conn{Conn: accepted, tcp: below(accepted), listener: l, isExpecting: true}
	if sized, ok := c.tcp.(interface {
		SetReadBuffer(bytes int) error
		SetWriteBuffer(bytes int) error
	}); ok {
		_ = sized.SetReadBuffer(receiveBytes) // an error shows at the next read
		_ = sized.SetWriteBuffer(sendBytes)
	}
	c.client, c.local = l.clientOf(c.tcp.RemoteAddr())
	c.wait(idle, time.Now())
	c.openSocket()
	return c
}

// clientOf returns the network that the limit for each client counts, or the zero
// Prefix, and whether it is this machine.
func (l *Listener) clientOf(addr net.Addr) (client netip.Prefix, local bool) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return client, false
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	if ip.IsLoopback() || l.config.IsExempt != nil && l.config.IsExempt(ip) {
		return client, ip.IsLoopback()
	}
	return NetworkOf(ip), false
}

// NetworkOf returns the network of an address that the limits count as one client: an IPv4
// address or an IPv6 /64. Providers assign at least a /64 to each subscriber. NetworkOf
// returns the zero Prefix for the zero Addr.
func NetworkOf(ip netip.Addr) netip.Prefix {
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	network, _ := ip.Prefix(bits)
	return network
}

// Close stops accepting. A second call has no effect and returns the same error.
func (l *Listener) Close() error { return l.close() }

// CloseSilent closes the connections that have received nothing, and every
// connection that is accepted later. Browsers and load balancers open
// connections in advance. fasthttp's Shutdown would wait for their first
// request until the read timeout.
func (l *Listener) CloseSilent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
	for c := range l.open {
		if !c.received.Load() {
			go func() { _ = c.tcp.Close() }() // see disconnect
		}
	}
	for _, c := range slices.Clone(l.waiting) {
		l.reject(c)
	}
}
