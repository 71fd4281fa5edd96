//go:build unix

package connections

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// openSocket makes the connection read and write without waiting. So an idle
// connection needs no buffer, and only a client that does not read or send in
// time is counted.
func (c *conn) openSocket() {
	if c.Conn != c.tcp {
		return
	}
	conn, ok := c.tcp.(syscall.Conn)
	if _, isTCP := c.tcp.RemoteAddr().(*net.TCPAddr); !ok || !isTCP {
		return
	}
	socket, err := conn.SyscallConn()
	if err != nil {
		return
	}
	c.socket, c.onReadable, c.onWritable = socket, c.tryRead, c.tryWrite
}

// tryRead reads what has arrived. It returns false to be called again when more
// arrives.
func (c *conn) tryRead(fd uintptr) bool {
	n, err := retry(syscall.Read, fd, c.space())
	switch {
	case n > 0:
		c.ioErr = c.fillFrom(func([]byte) (int, error) { return n, nil })
	case err == nil:
		c.ioErr = io.EOF
	case errors.Is(err, syscall.EAGAIN) && len(c.in.buf) > 0:
		c.ioErr = c.waitForRest()
		return c.ioErr != nil
	case errors.Is(err, syscall.EAGAIN):
		c.waitForRequest()
		return false
	default:
		c.ioErr = os.NewSyscallError("read", err)
	}
	return true
}

// tryWrite writes what the system takes. It returns false to be called again when
// the system takes more.
func (c *conn) tryWrite(fd uintptr) bool {
	for len(c.out) > 0 {
		n, err := retry(syscall.Write, fd, c.out)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			c.waitToWrite(len(c.out))
			return false
		case err != nil:
			c.ioErr = os.NewSyscallError("write", err)
			return true
		}
		c.out = c.out[n:]
	}
	return true
}

// retry calls a function again when a signal has interrupted it.
func retry(call func(int, []byte) (int, error), fd uintptr, b []byte) (int, error) {
	for {
		n, err := call(int(fd), b)
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
