package main_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
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
	h := s.sendHeader(t, "POST "+api+"/widgets", len(body), "Authorization: Bearer "+token, "Content-Type: "+contentType)
	fmt.Fprint(h.conn, body[:len(body)/2])
	h.rest = body[len(body)/2:]
	return h
}

// sendHeader sends a request but for its body, and returns once the server has
// read that much.
func (s *server) sendHeader(t *testing.T, line string, length int, header ...string) *halfSent {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	header = append(header, "Host: x", fmt.Sprintf("Content-Length: %d", length), "Expect: 100-continue")
	fmt.Fprintf(conn, "%s HTTP/1.1\r\n%s\r\n\r\n", line, strings.Join(header, "\r\n"))
	h := &halfSent{s: s, conn: conn, in: bufio.NewReader(conn)}
	res, err := http.ReadResponse(h.in, nil)
	if err != nil || res.StatusCode != http.StatusContinue {
		t.Fatalf("asked whether to go on, the server says %v, %v", res, err)
	}
	return h
}

// finish sends the other half of that request and returns the response.
func (h *halfSent) finish(t *testing.T, r request) response {
	t.Helper()
	fmt.Fprint(h.conn, h.rest)
	res, err := http.ReadResponse(h.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.s.receive(r, res)
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
			inFlight.finish(t, request{method: "POST", path: api + "/widgets"}).want(t, 201, success("New widget added: last."))
			s.wantExit(0)
			if names := start(t, data).names(t, admin); len(names) != 1 || names[0] != "last" {
				t.Errorf("widgets after the restart: %q", names)
			}
		})
	}
}

func TestServerThatStopsIsNotReady(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	admin := s.logIn(t, adminEmail, adminPassword)
	ask := s.sendHeader(t, "GET /readyz", 2)
	holdsUp := s.sendHalf(t, admin, "last")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.awaitClosed(t)
	ask.rest = "{}"
	ask.finish(t, request{method: "GET", path: "/readyz"}).want(t, 503, `{"message":"Service Unavailable"}`)
	holdsUp.finish(t, request{method: "POST", path: api + "/widgets"}).want(t, 201, "")
	s.wantExit(0)
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
