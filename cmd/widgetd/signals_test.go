package main_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// halfSent is a request whose header and the half of whose body is sent.
type halfSent struct {
	s    *server
	conn net.Conn
	in   *bufio.Reader
	rest string
}

// sendHalf sends half a request that creates a widget, and returns once the
// server has begun to read it.
func (s *server) sendHalf(t *testing.T, token, name string) *halfSent {
	t.Helper()
	contentType, body := asForm(widgetFields().with("name", name))
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	h := &halfSent{s, conn, bufio.NewReader(conn), body[len(body)/2:]}
	fmt.Fprintf(conn, "POST %s/widgets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		api, token, contentType, len(body))
	res, err := http.ReadResponse(h.in, nil)
	if err != nil || res.StatusCode != http.StatusContinue {
		t.Fatalf("asked whether to go on, the server says %v, %v", res, err)
	}
	fmt.Fprint(conn, body[:len(body)/2])
	return h
}

// finish sends the other half and returns the response.
func (h *halfSent) finish(t *testing.T) response {
	t.Helper()
	fmt.Fprint(h.conn, h.rest)
	res, err := http.ReadResponse(h.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.s.receive(request{method: "POST", path: api + "/widgets"}, res)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// awaitClosed returns once the server takes no more connections.
func (s *server) awaitClosed(t *testing.T) {
	t.Helper()
	for late := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(late) {
			t.Fatal("the server still takes connections")
		}
	}
}

func TestRequestInFlightEndsBeforeTheServer(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			data := folder(t)
			s := start(t, data, asAdmin...)
			admin := s.logIn(t, adminEmail, adminPassword)
			inFlight := s.sendHalf(t, admin, "last")
			if err := s.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			s.awaitClosed(t)
			select {
			case <-s.exited:
				t.Fatal("the server ended before the request")
			default:
			}
			inFlight.finish(t).want(t, 201, success("New widget added: last."))
			s.wantExit(0)
			if names := start(t, data).names(t, admin); len(names) != 1 || names[0] != "last" {
				t.Errorf("widgets after the restart: %q", names)
			}
		})
	}
}

func TestIdleConnectionDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestRequestThatNeverEndsHoldsUpTheEndForTenSeconds(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	s.sendHalf(t, s.logIn(t, adminEmail, adminPassword), "never")
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestSecondSignalEndsTheServerAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	s.sendHalf(t, s.logIn(t, adminEmail, adminPassword), "never")
	began := time.Now()
	for ended := false; !ended; { // as often as it takes to be a second one
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.exited:
			ended = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.wantExit(-1)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
}
