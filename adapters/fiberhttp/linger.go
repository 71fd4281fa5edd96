package fiberhttp

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// How long, and for how much, a client is listened to after a refusal.
const (
	lingerTime  = time.Second
	lingerBytes = 8 << 20
)

// lingeringListener accepts connections that can be closed as RFC 9112 section
// 9.6 describes. A server that closes while the client is still sending makes
// the client's system throw away the response, here the 413 or 431 that says
// why.
type lingeringListener struct{ net.Listener }

// Accept returns the next connection.
func (l lingeringListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lingeringConn{Conn: conn}, nil
}

type lingeringConn struct {
	net.Conn
	linger atomic.Bool // Shutdown closes connections too
}

// lingerOnClose makes the closing of conn wait for what the client still sends.
func lingerOnClose(conn net.Conn) {
	if conn, ok := conn.(*lingeringConn); ok {
		conn.linger.Store(true)
	}
}

// Close closes the connection. When it lingers it first ends the sending side
// and reads on for a while.
func (c *lingeringConn) Close() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Load() && half.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}
