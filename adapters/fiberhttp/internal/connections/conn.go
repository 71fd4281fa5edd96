package connections

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/timeout"
)

// The limits for reading from a connection after a refusal.
const (
	lingerTime  = time.Second
	lingerBytes = 8 << 20
)

// The reasons why a request is refused before a handler sees it.
var (
	// ErrMalformed is for a request that two servers could read differently.
	ErrMalformed = errors.New("the request is malformed")
	// ErrBusy is for a request that there is no memory for.
	ErrBusy = errors.New("too many requests are being received")
	// ErrPlainHTTP is for a request without TLS on a port that needs it.
	ErrPlainHTTP = errors.New("this port speaks HTTPS")
)

// IsSilent reports whether a connection of a [Listener] has received nothing.
func IsSilent(accepted net.Conn) bool {
	c, ok := accepted.(*conn)
	return ok && !c.received.Load()
}

// LingerOnClose changes Close for a connection of a [Listener]: Close first ends the
// sending side and then reads from the client for at most one second or 8 MiB (RFC
// 9112 section 9.6). Call it when the server responds before it has read the whole
// request. Otherwise, if the connection is closed while the client sends, the client's
// system may discard the response.
func LingerOnClose(accepted net.Conn) {
	if c, ok := accepted.(*conn); ok {
		c.linger.Store(true)
	}
}

// Refusal returns ErrMalformed, ErrBusy or ErrPlainHTTP if the request that a
// connection of a [Listener] has received must be refused for that reason, else
// nil.
func Refusal(accepted net.Conn) error {
	if c, ok := accepted.(*conn); ok {
		return c.refusal
	}
	return nil
}

// IsHead reports whether the last request of a connection of a [Listener] has the method
// HEAD, also if the request could not be read. The response to it has no body.
func IsHead(accepted net.Conn) bool {
	c, ok := accepted.(*conn)
	return ok && c.isHead
}

// MustClose reports whether the client of a connection of a [Listener] has asked
// to close it after the request.
func MustClose(accepted net.Conn) bool {
	c, ok := accepted.(*conn)
	return ok && c.closes
}

// conn is a connection that gives whole requests to fasthttp. See receive.
type conn struct {
	net.Conn                 // TCP or TLS
	tcp      net.Conn        // what is below TLS
	socket   syscall.RawConn // reads and writes without waiting; nil if that is not possible
	listener *Listener
	client   netip.Prefix // the network that the limit for each client counts; zero if exempt
	local    bool         // a connection of this machine

	received atomic.Bool
	linger   atomic.Bool
	discard  atomic.Bool // a write failed: close without waiting for what was written
	isPlain  atomic.Bool // the client does not speak TLS: the response is written below it
	phase    atomic.Int32
	since    atomic.Int64 // when the phase began, in nanoseconds; set with the phases that wait
	held     atomic.Int64 // bytes of requests and responses, see Listener.hold

	// Only the goroutine that serves the connection uses these.
	read, write timeout.IO
	in          *inbox // nil while the connection is idle
	isExpecting bool   // fasthttp waits for the next request
	requests    int
	failure     error // returned by Read after what is in the inbox
	refusal     error // see Refusal
	closes      bool  // see MustClose
	isHead      bool  // see IsHead
	first       [1]byte
	out         []byte // what Write has still to write
	ioErr       error  // of tryRead or tryWrite

	onReadable, onWritable func(fd uintptr) bool // tryRead and tryWrite, without an allocation for each call
}

// The phases of a connection.
const (
	serving   int32 = iota // a request is with fasthttp
	idle                   // the client has sent no part of a request
	receiving              // the client has sent a part of a request
	writing                // the client does not read
	closed                 // also by the Listener, for another connection
)

// wait begins a phase that waits for the client. A request that is being received
// began when its first part arrived.
func (c *conn) wait(phase int32, began time.Time) {
	if c.phase.Load() == phase && phase != idle {
		return
	}
	c.since.Store(began.UnixNano())
	if !c.phase.CompareAndSwap(serving, phase) {
		c.phase.CompareAndSwap(idle, phase)
	}
}

// resume ends a phase. It returns io.EOF if the connection was closed meanwhile.
func (c *conn) resume(phase int32) error {
	if now := c.phase.Load(); now == serving || c.phase.CompareAndSwap(phase, serving) {
		return nil
	}
	return io.EOF
}

// SetReadDeadline sets the time by which the next request must have begun, and a
// later one for the next Write: fasthttp sets no deadline for what it writes
// while it reads a request: a refusal. Without it the deadline of the response
// before would still hold.
func (c *conn) SetReadDeadline(at time.Time) error {
	c.read.Want(at)
	if !at.IsZero() {
		at = at.Add(c.listener.config.WriteTimeout)
	}
	c.write.Want(at)
	return nil
}

// SetWriteDeadline sets the deadline of the next Write. fasthttp calls it before it
// writes a response. What it reads after that is the next request.
func (c *conn) SetWriteDeadline(at time.Time) error {
	c.write.Want(at)
	c.isExpecting = true
	return nil
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(at time.Time) error {
	c.read.Want(at)
	c.write.Want(at)
	return nil
}

// Write implements [net.Conn].
func (c *conn) Write(b []byte) (n int, err error) {
	if err := c.write.Apply(c.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	before := c.held.Load()
	if c.socket != nil {
		c.out, c.ioErr = b, nil
		if err = c.socket.Write(c.onWritable); err == nil {
			err = c.ioErr
		}
		n, c.out = len(b)-len(c.out), nil
	} else {
		c.waitToWrite(len(b))
		n, err = c.stream().Write(b)
	}
	if c.phase.Load() == writing {
		err = errors.Join(err, c.resume(writing))
		c.listener.hold(c, before)
	}
	if err != nil {
		c.discard.Store(true)
	}
	return n, err
}

// waitToWrite begins to wait until the client has read n more bytes.
func (c *conn) waitToWrite(n int) {
	c.wait(writing, time.Now())
	c.listener.hold(c, int64(n)+responseOverhead)
}

// Close closes the connection, as described at [LingerOnClose] if that was
// called. fasthttp's Shutdown closes connections that wait for a request. One
// that has begun to arrive is still answered.
func (c *conn) Close() error {
	if c.phase.Load() == receiving {
		return nil
	}
	if c.linger.Load() && c.closeWrite() == nil {
		c.phase.Store(serving)
		c.wait(idle, time.Now()) // another connection may take its place
		_ = c.tcp.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.tcp, lingerBytes)
	}
	c.phase.Store(closed)
	c.listener.remove(c)
	if c.discard.Load() {
		c.drop()
	}
	return c.Conn.Close()
}

// stream returns the connection that responses are written to.
func (c *conn) stream() net.Conn {
	if c.isPlain.Load() {
		return c.tcp
	}
	return c.Conn
}

func (c *conn) closeWrite() error {
	half, ok := c.stream().(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// drop closes the connection at once. The system discards what the client has not
// read, which would take its memory.
func (c *conn) drop() {
	if tcp, ok := c.tcp.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.tcp.Close()
}

// below returns the connection that TLS encrypts, or the connection itself.
func below(c net.Conn) net.Conn {
	if encrypted, ok := c.(*tls.Conn); ok {
		return encrypted.NetConn()
	}
	return c
}
