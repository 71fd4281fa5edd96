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

// halfSent is a request of which the header and half of the body have been sent.
type halfSent struct {
	s    *server
	conn net.Conn
	in   *bufio.Reader
	rest string
}

// sendHalf sends half of a request that creates a widget. It returns when the server
// has begun to read the request.
func (s *server) sendHalf(t *testing.T, token, name string) *halfSent {
	t.Helper()
	contentType, body := asForm(widgetFields().with("name", name))
	h := s.sendHeader(t, "POST "+api+"/widgets", len(body), "Authorization: Bearer "+token, "Content-Type: "+contentType)
	fmt.Fprint(h.conn, body[:len(body)/2])
	h.rest = body[len(body)/2:]
	return h
}

// sendHeader sends a request without its body. It returns when the server has read
// the header.
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
		t.Fatalf("the server answered %v, %v, want 100 Continue", res, err)
	}
	return h
}

// finish sends the rest of the request and returns the response.
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

// awaitClosed waits until the server accepts no more connections.
func (s *server) awaitClosed(t *testing.T) {
	t.Helper()
	for late := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(late) {
			t.Fatal("the server still accepts connections")
		}
	}
}

func TestServerExitsAfterTheRequestInFlight(t *testing.T) {
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
				t.Fatal("the server exited before the request ended")
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

func TestStoppingServerIsNotReady(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	admin := s.logIn(t, adminEmail, adminPassword)
	readiness := s.sendHeader(t, "GET /readyz", 2)
	inFlight := s.sendHalf(t, admin, "last")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.awaitClosed(t)
	readiness.rest = "{}"
	readiness.finish(t, readyz).want(t, 503, `{"message":"Service Unavailable"}`)
	inFlight.finish(t, request{method: "POST", path: api + "/widgets"}).want(t, 201, "")
	s.wantExit(0)
}

func TestIdleConnectionDoesNotDelayTheExit(t *testing.T) {
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
		t.Errorf("the server exited after %v", took)
	}
}

func TestIncompleteRequestDelaysTheExitByTenSeconds(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	s.sendHalf(t, s.logIn(t, adminEmail, adminPassword), "never")
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the server exited after %v", took)
	}
}

func TestSecondSignalEndsTheServerAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	s.sendHalf(t, s.logIn(t, adminEmail, adminPassword), "never")
	began := time.Now()
	for ended := false; !ended; { // until the server has received two
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.exited:
			ended = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.wantExit(-1)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the server exited after %v", took)
	}
}
