package connections

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/framing"
)

const (
	// inboxBytes is enough for almost every request.
	inboxBytes = 4 << 10

	// responseOverhead is what fasthttp keeps for a response beside its body: its
	// buffers, and those of the request.
	responseOverhead = 16 << 10

	interimResponse = "HTTP/1.1 100 Continue\r\n\r\n"
)

// inbox holds a request while it arrives, and while fasthttp reads it.
type inbox struct {
	scanner     framing.Scanner
	buf         []byte // what has arrived
	pos, end    int    // what fasthttp may read of buf
	isContinued bool   // "100 Continue" was sent
	isTimed     bool   // the deadline is that of the request
}

// Read implements [net.Conn]. fasthttp reads one byte while it waits for the next
// request, and holds no memory then (ReduceMemoryUsage). That read returns when
// the whole request has arrived. So a request that arrives slowly takes only the
// memory of what has arrived, and one that must be refused reaches no handler.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 1 && c.isExpecting {
		c.isExpecting = false
		err := c.receive()
		c.isHead = c.in != nil && bytes.HasPrefix(c.in.buf, []byte("HEAD "))
		switch {
		case err != nil && !c.isAnswered(err):
			return 0, io.EOF
		case err != nil:
			c.failure = err
			c.release()
			p[0] = 'x'    // fasthttp answers only a request that has begun
			return 1, nil //nolint:nilerr // the next Read returns the error
		}
	}
	if c.in == nil || c.in.pos == c.in.end {
		if c.failure != nil {
			return 0, c.failure
		}
		return 0, io.ErrUnexpectedEOF // fasthttp takes the request for longer than it is
	}
	n := copy(p, c.in.buf[c.in.pos:c.in.end])
	c.in.pos += n
	if c.in.pos == c.in.end {
		c.endDelivery()
	}
	return n, nil
}

// isAnswered reports whether the client gets a response after an error of receive.
func (c *conn) isAnswered(err error) bool {
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, framing.ErrNoRequest), errors.Is(err, net.ErrClosed):
		return false
	case c.refusal != nil, c.in != nil && len(c.in.buf) > 0:
		return true
	}
	return c.requests == 0 && isNet && netErr.Timeout()
}

// receive waits until a request has arrived, and makes it ready for Read.
func (c *conn) receive() error {
	if c.failure != nil || c.refusal != nil || c.in != nil && c.in.pos < c.in.end {
		return io.EOF // after a refusal, or fasthttp takes the request for shorter than it is
	}
	if c.closes {
		return io.EOF
	}
	if c.held.Load() > 0 {
		c.listener.hold(c, 0)
	}
	for {
		if c.in != nil && len(c.in.buf) > 0 {
			if ready, err := c.scan(); ready || err != nil {
				return errors.Join(err, c.resume(receiving))
			}
		}
		if err := c.fill(); err != nil {
			if c.resume(idle) == nil {
				return err
			}
			return errors.Join(err, c.resume(receiving))
		}
	}
}

// scan examines what has arrived. It reports whether that is a request.
func (c *conn) scan() (ready bool, err error) {
	in := c.in
	var state framing.State
	in.buf, state, err = in.scanner.Scan(in.buf)
	switch {
	case errors.Is(err, framing.ErrNoRequest):
		return false, err
	case err != nil:
		c.refusal = ErrMalformed
		if in.scanner.HasHead() {
			in.end, err = in.scanner.Len(), nil
		}
		return true, err
	case state == framing.HeadTooLarge:
		in.end = len(in.buf)
		c.failure = io.ErrUnexpectedEOF
		return true, nil
	case state == framing.BodyTooLarge:
		in.end = in.scanner.Len()
		c.failure = io.ErrUnexpectedEOF
		return true, nil
	case in.scanner.HasHead() && in.scanner.ExpectsContinue() && !in.isContinued:
		in.isContinued = true
		if err := c.sendInterimResponse(); err != nil {
			return false, err
		}
	}
	if state != framing.Complete {
		return false, nil
	}
	in.end = in.scanner.Len()
	c.requests++
	c.closes = in.scanner.Closes()
	if in.scanner.IsAmbiguous() {
		c.refusal = ErrMalformed
	}
	if cap(in.buf) > inboxBytes && !c.listener.hold(c, int64(cap(in.buf))) {
		c.refusal = ErrBusy
		return true, ErrBusy
	}
	return true, nil
}

func (c *conn) sendInterimResponse() error {
	c.write.Want(time.Now().Add(c.listener.config.WriteTimeout))
	_, err := io.WriteString(c, interimResponse)
	return err
}

// fill waits for more bytes of a request.
func (c *conn) fill() error {
	if c.in != nil && len(c.in.buf) > 0 && !c.in.isTimed {
		c.in.isTimed = true
		if c.requests > 0 { // the first request has the time since the connection was accepted
			c.read.Want(time.Now().Add(c.listener.config.ReadTimeout))
		}
	}
	if err := c.read.Apply(c.Conn.SetReadDeadline); err != nil {
		return err
	}
	if c.socket == nil {
		return c.fillAndWait()
	}
	c.ioErr = nil
	if err := c.socket.Read(c.onReadable); err != nil {
		return err
	}
	return c.ioErr
}

// fillAndWait reads a connection that cannot be read without waiting. While it is
// idle it has no buffer.
func (c *conn) fillAndWait() error {
	if c.in != nil && len(c.in.buf) > 0 {
		if err := c.waitForRest(); err != nil {
			return err
		}
		return c.fillFrom(c.Conn.Read)
	}
	c.waitForRequest()
	n, err := c.Conn.Read(c.first[:])
	if n == 0 {
		return errors.Join(c.unlessPlain(err), c.resume(idle))
	}
	return c.fillFrom(func(space []byte) (int, error) { return copy(space, c.first[:n]), nil })
}

// unlessPlain turns to the connection below TLS if the client sends a request
// without TLS, so that the refusal can be read.
func (c *conn) unlessPlain(err error) error {
	header, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || header.Conn == nil {
		return err
	}
	c.isPlain.Store(true)
	c.refusal = ErrPlainHTTP
	c.received.Store(true)
	return ErrPlainHTTP
}

// fillFrom reads into the inbox.
func (c *conn) fillFrom(read func([]byte) (int, error)) error {
	n, err := read(c.space())
	if n <= 0 {
		return err
	}
	c.in.buf = c.in.buf[:len(c.in.buf)+n]
	if !c.received.Load() {
		c.received.Store(true)
	}
	if c.phase.Load() == idle {
		return c.resume(idle)
	}
	return nil
}

// space returns the free part of the inbox. It takes one, or makes it larger, if
// there is none.
func (c *conn) space() []byte {
	if c.in == nil {
		c.in = c.listener.inboxes.Get().(*inbox)
	}
	in := c.in
	if len(in.buf) == cap(in.buf) {
		size := max(2*cap(in.buf), in.scanner.Total())
		if most := c.listener.config.Limits.Head + c.listener.config.Limits.Body + 1<<10; cap(in.buf) < most {
			size = min(size, most)
		}
		larger := make([]byte, len(in.buf), size)
		copy(larger, in.buf)
		in.buf = larger
	}
	return in.buf[len(in.buf):cap(in.buf)]
}

// waitForRequest begins to wait for the first byte of a request.
func (c *conn) waitForRequest() {
	c.release()
	limit := c.listener.config.IdleTimeout
	if c.requests == 0 {
		limit = c.listener.config.ReadTimeout
	}
	c.wait(idle, c.read.Wanted().Add(-limit)) // when fasthttp began to wait
}

// waitForRest begins to wait for the rest of a request. It frees the part of the
// inbox that is not needed yet.
func (c *conn) waitForRest() error {
	in := c.in
	if cap(in.buf) >= inboxBytes && len(in.buf) < cap(in.buf)/4 {
		smaller := make([]byte, len(in.buf), max(2*len(in.buf), 256))
		copy(smaller, in.buf)
		in.buf = smaller
	}
	c.wait(receiving, time.Now())
	if !c.listener.hold(c, int64(cap(in.buf))) {
		c.refusal = ErrBusy
		return ErrBusy
	}
	return nil
}

// endDelivery is called when fasthttp has read a request. What follows it is the
// next request.
func (c *conn) endDelivery() {
	in := c.in
	rest := in.buf[in.end:]
	if len(rest) == 0 || c.failure != nil || c.refusal != nil {
		c.release()
		return
	}
	in.buf = in.buf[:copy(in.buf, rest)]
	in.pos, in.end, in.isContinued, in.isTimed = 0, 0, false, false
	in.scanner.Reset()
}

// release gives the inbox back.
func (c *conn) release() {
	in := c.in
	c.in = nil
	if in == nil || cap(in.buf) != inboxBytes {
		return
	}
	in.buf, in.pos, in.end, in.isContinued, in.isTimed = in.buf[:0], 0, 0, false, false
	in.scanner.Reset()
	c.listener.inboxes.Put(in)
}
