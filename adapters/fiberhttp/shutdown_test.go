package fiberhttp_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// serveBlocked starts a server whose getWidget closes entered and then waits until
// leave is closed.
func serveBlocked(t *testing.T) (s *server, entered, leave chan struct{}) {
	t.Helper()
	entered, leave = make(chan struct{}), make(chan struct{})
	return serve(t, func(s *server) {
		s.widgets.GetFunc = func(context.Context, domain.WidgetName) (domain.Widget, error) {
			close(entered)
			<-leave
			return gear, nil
		}
	}), entered, leave
}

func TestShutdownWaitsForRequestsInProgress(t *testing.T) {
	t.Parallel()
	s, entered, leave := serveBlocked(t)
	idle := s.dial(t)
	idle.do(t, request{method: "GET", path: "/healthz"})

	answered := make(chan response, 1)
	go func() { answered <- s.do(t, getWidget) }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.http.Shutdown(t.Context()) }()

	_ = idle.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := idle.in.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an idle connection is not closed: %v", err)
	}
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("a new connection is accepted")
		_ = conn.Close()
	}
	select {
	case err := <-stopped:
		t.Errorf("Shutdown did not wait: %v", err)
	default:
	}
	close(leave)
	(<-answered).want(t, 200, gearBody, "Connection: close")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestShutdownReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	s, entered, leave := serveBlocked(t)
	answered := make(chan response, 1)
	go func() { answered <- s.do(t, getWidget) }()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.http.Shutdown(ctx); err == nil {
		t.Error("Shutdown returned no error while a request was in progress")
	}
	close(leave)
	(<-answered).want(t, 200, gearBody)
}

func TestShutdownDoesNotWaitForARefusedClient(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.dial(t) // stays open and sends nothing more
	c.do(t, logIn.sending("application/json", strings.Repeat("x", 300<<10))).want(t, 413, message("Request Entity Too Large"))
	begin := time.Now()
	if err := s.http.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestShutdownDoesNotWaitForASilentClient(t *testing.T) {
	t.Parallel()
	s := serve(t)
	silent := s.dial(t)
	s.do(t, request{method: "GET", path: "/healthz"}) // the connection before is accepted now
	begin := time.Now()
	if err := s.http.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	if _, err := silent.in.ReadByte(); err == nil {
		t.Error("the client got a response")
	}
}
