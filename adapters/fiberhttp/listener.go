package fiberhttp

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// How long, and for how much, a client is listened to after a refusal.
const (
	lingerTime  = time.Second
	lingerBytes = 8 << 20
)

// acceptPause is how long accepting rests when the system is short of what it
// takes: file descriptors, mostly.
const acceptPause = 50 * time.Millisecond

// listener accepts connections that close better than fasthttp closes them (see
// conn.Close and closeSilent) and whose deadlines cost less (ioDeadline). Nor does it
// give up, as fasthttp would, when there are so many that the system lets in no more
// for now.
type listener struct {
	net.Listener
	close func() error // once
	log   *slog.Logger

	mu     sync.Mutex
	silent map[*conn]struct{} // connections that nothing came from yet
	ending bool               // since closeSilent
}

func newListener(ln net.Listener, log *slog.Logger) *listener {
	return &listener{Listener: ln, close: sync.OnceValue(ln.Close), log: log, silent: map[*conn]struct{}{}}
}

// Accept returns the next connection.
func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: accepted, listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending {
		_ = accepted.Close()
	}
	l.silent[c] = struct{}{}
	return c, nil
}

// accept goes on after errors that pass. It tells of the first in a row.
func (l *listener) accept() (net.Conn, error) {
	for told := false; ; told = true {
		accepted, err := l.Listener.Accept()
		var passing interface{ Temporary() bool }
		if !errors.As(err, &passing) || !passing.Temporary() {
			return accepted, err
		}
		if !told {
			l.log.Warn("no connection can be accepted for now", "error", err)
		}
		time.Sleep(acceptPause)
	}
}

// Close stops accepting. Closing again changes nothing.
func (l *listener) Close() error { return l.close() }

// closeSilent closes the connections that nothing came from yet, which browsers
// and load balancers open ahead of need. fasthttp's Shutdown would wait for a
// request until the read timeout.
func (l *listener) closeSilent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
	for c := range l.silent {
		_ = c.Conn.Close()
	}
}

func (l *listener) heardFrom(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.silent, c)
}

type conn struct {
	net.Conn
	listener *listener
	heard    atomic.Bool
	linger   atomic.Bool

	reading, writing ioDeadline // for the goroutine that serves the connection
}

// SetReadDeadline is for the next Read, not for one that waits. What is sent while a
// request is read, be it a refusal, a 100 or what a pipeline left, has until then and
// what a response has: fasthttp sets no deadline for it, so that of the response before
// would still hold.
func (c *conn) SetReadDeadline(at time.Time) error {
	c.reading.wanted, c.writing.wanted = at, at
	if !at.IsZero() {
		c.writing.wanted = at.Add(writeTimeout)
	}
	return nil
}

// SetWriteDeadline is for the next Write, not for one that waits.
func (c *conn) SetWriteDeadline(at time.Time) error {
	c.writing.wanted = at
	return nil
}

// SetDeadline is both.
func (c *conn) SetDeadline(at time.Time) error {
	c.reading.wanted, c.writing.wanted = at, at
	return nil
}

// Write sends to the client.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.writing.apply(c.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// Read reads what the client sends.
func (c *conn) Read(b []byte) (int, error) {
	if err := c.reading.apply(c.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	if n > 0 && !c.heard.Load() {
		c.heard.Store(true)
		c.listener.heardFrom(c)
	}
	return n, err
}

// ioDeadline is set when it is needed, while fasthttp sets three for every request: for
// the wait before it, for the rest of it, which mostly is there already, and for the
// response. That was a fourteenth of the work of a get.
type ioDeadline struct{ wanted, set time.Time }

// deadlineSlack is how much earlier than wanted a deadline may be, so that on a busy
// connection one serves many requests.
const deadlineSlack = time.Second

func (d *ioDeadline) apply(set func(time.Time) error) error {
	if early := d.wanted.Sub(d.set); 0 <= early && early <= deadlineSlack {
		return nil
	}
	if err := set(d.wanted); err != nil {
		return err
	}
	d.set = d.wanted
	return nil
}

// isSilent reports whether nothing ever came from a connection.
func isSilent(accepted net.Conn) bool {
	c, ok := accepted.(*conn)
	return ok && !c.heard.Load()
}

// lingerOnClose makes the closing of a connection wait for what the client still
// sends.
func lingerOnClose(accepted net.Conn) {
	if c, ok := accepted.(*conn); ok {
		c.linger.Store(true)
	}
}

// Close closes the connection, after a refusal as RFC 9112 section 9.6 describes:
// it ends the sending side and reads on for a while. A server that just closes
// while the client is still sending makes the client's system throw away the
// response, here the 413 or 431 that says why.
func (c *conn) Close() error {
	c.listener.heardFrom(c)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Load() && half.CloseWrite() == nil {
		_ = c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}
