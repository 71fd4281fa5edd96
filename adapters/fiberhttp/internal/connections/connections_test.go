package connections

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/framing"
)

const writeTimeout = 10 * time.Second

// config returns the configuration of a Listener without limits of connections.
func config() Config {
	return Config{
		Limits:       framing.Limits{Head: 8 << 10, Body: 64 << 10},
		ReadTimeout:  10 * time.Second,
		WriteTimeout: writeTimeout,
		IdleTimeout:  time.Minute,
		Log:          slog.New(slog.DiscardHandler),
	}
}

// listen returns a Listener and a function that connects to it: it returns the
// client's and the server's end of a connection.
func listen(t *testing.T, change ...func(*Config)) (*Listener, func() (client, server net.Conn)) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := config()
	for _, f := range change {
		f(&c)
	}
	l := NewListener(tcp, c)
	t.Cleanup(func() { _ = l.Close() })
	return l, func() (client, server net.Conn) {
		client, err := net.Dial("tcp", tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		_ = client.SetDeadline(time.Now().Add(10 * time.Second))
		server, err = l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		return client, server
	}
}

const getRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// receive sends a request from the client to the server.
func receive(t *testing.T, client, server net.Conn) {
	t.Helper()
	if _, err := io.WriteString(client, getRequest); err != nil {
		t.Fatal(err)
	}
	if got, err := readRequest(server); got != getRequest || err != nil {
		t.Fatalf("the server read %q, %v", got, err)
	}
	_ = server.SetWriteDeadline(time.Now().Add(writeTimeout)) // as fasthttp does before a response
}

// readRequest reads a request as fasthttp does: one byte, and then the rest.
func readRequest(server net.Conn) (string, error) {
	first, rest := make([]byte, 1), make([]byte, 128<<10)
	if _, err := server.Read(first); err != nil {
		return "", err
	}
	n, err := server.Read(rest)
	return string(first) + string(rest[:n]), err
}

func TestCloseSilentClosesConnectionsThatReceivedNothing(t *testing.T) {
	t.Parallel()
	l, connect := listen(t)
	silentClient, silent := connect()
	busyClient, busy := connect()
	receive(t, busyClient, busy)
	if !IsSilent(silent) || IsSilent(busy) {
		t.Errorf("IsSilent is %v and %v, want true and false", IsSilent(silent), IsSilent(busy))
	}
	l.CloseSilent()
	if _, err := silentClient.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the silent connection is open: %v", err)
	}
	receive(t, busyClient, busy)
	go func() { _, _ = l.Accept() }()
	late, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	_ = late.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := late.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection that is accepted later is open: %v", err)
	}
}

func TestListenerForgetsClosedConnections(t *testing.T) {
	t.Parallel()
	l, connect := listen(t)
	_, server := connect()
	_ = server.Close()
	if len(l.open) != 0 {
		t.Errorf("the listener remembers %d connections", len(l.open))
	}
}

func TestLingerOnCloseLetsTheClientReadTheResponse(t *testing.T) {
	t.Parallel()
	_, connect := listen(t)
	client, server := connect()
	receive(t, client, server)
	sent := make(chan error, 1)
	go func() {
		_, err := client.Write(make([]byte, 4<<20)) // more than the system buffers
		sent <- err
	}()
	if _, err := io.WriteString(server, "refused"); err != nil {
		t.Fatal(err)
	}
	LingerOnClose(server)
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-sent; err != nil {
		t.Errorf("the client could not send: %v", err)
	}
	if got, err := io.ReadAll(client); string(got) != "refused" {
		t.Errorf("the client read %q, %v", got, err)
	}
}

func TestLingerOnCloseEndsAfterASecond(t *testing.T) {
	t.Parallel()
	_, connect := listen(t)
	_, server := connect() // the client stays open and sends nothing
	LingerOnClose(server)
	began := time.Now()
	_ = server.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestReadDeadlineBoundsWritesToo(t *testing.T) {
	t.Parallel()
	var got deadlines
	c := NewListener(nil, config()).newConn(&got)
	at := time.Now().Add(time.Minute)
	_ = c.SetReadDeadline(at)
	_, _ = c.Write(nil)
	_ = c.fill()
	if want := at.Add(writeTimeout); !got.read.Equal(at) || !got.write.Equal(want) {
		t.Errorf("the deadlines are %v and %v, want %v and %v", got.read, got.write, at, want)
	}
	_ = c.SetReadDeadline(time.Time{})
	_, _ = c.Write(nil)
	_ = c.fill()
	if !got.read.IsZero() || !got.write.IsZero() {
		t.Errorf("the deadlines are %v and %v, want none", got.read, got.write)
	}
	_ = c.SetDeadline(at)
	_, _ = c.Write(nil)
	_ = c.fill()
	if !got.read.Equal(at) || !got.write.Equal(at) {
		t.Errorf("the deadlines are %v and %v, want %v", got.read, got.write, at)
	}
}

// deadlines records the deadlines of a connection.
type deadlines struct {
	net.Conn
	read, write time.Time
}

func (d *deadlines) RemoteAddr() net.Addr                { return nil }
func (d *deadlines) Close() error                        { return nil }
func (d *deadlines) Read([]byte) (int, error)            { return 0, io.EOF }
func (d *deadlines) Write(b []byte) (int, error)         { return len(b), nil }
func (d *deadlines) SetReadDeadline(at time.Time) error  { d.read = at; return nil }
func (d *deadlines) SetWriteDeadline(at time.Time) error { d.write = at; return nil }

func TestAcceptRetriesAfterTemporaryErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		failing := &failingListener{failures: 20}
		c := config()
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		l := NewListener(failing, c)
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(log.Bytes(), []byte("\n")); got != 1 {
			t.Errorf("got %d lines in the log, want 1:\n%s", got, &log)
		}
		_ = l.Close()
		_ = l.Close()
		if got := failing.closed.Load(); got != 1 {
			t.Errorf("the listener was closed %d times, want once", got)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want %v", err, net.ErrClosed)
		}
	})
}

// failingListener returns a temporary error a number of times.
type failingListener struct {
	net.Listener
	failures int
	closed   atomic.Int32
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.closed.Load() > 0 {
		return nil, net.ErrClosed
	}
	if l.failures > 0 {
		l.failures--
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
	}
	return &deadlines{}, nil
}

func (l *failingListener) Close() error {
	l.closed.Add(1)
	return nil
}
