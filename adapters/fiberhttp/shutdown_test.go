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

func TestShutdownLetsRequestsInFlightEnd(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, func(s *server) {
		s.widgets.GetFunc = func(context.Context, domain.WidgetName) (domain.Widget, error) {
			close(entered)
			<-leave
			return gear, nil
		}
	})
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

func TestShutdownWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, func(s *server) {
		s.widgets.GetFunc = func(context.Context, domain.WidgetName) (domain.Widget, error) {
			close(entered)
			<-leave
			return gear, nil
		}
	})
	answered := make(chan response, 1)
	go func() { answered <- s.do(t, getWidget) }()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.http.Shutdown(ctx); err == nil {
		t.Error("no error though a request is in flight")
	}
	close(leave)
	(<-answered).want(t, 200, gearBody)
}

func TestShutdownDoesNotWaitForAClientThatLingers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.dial(t) // stays open, with nothing more to send
	c.do(t, logIn.sending("application/json", strings.Repeat("x", 300<<10))).want(t, 413, message("Request Entity Too Large"))
	begin := time.Now()
	if err := s.http.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestShutdownDoesNotWaitForAClientThatSaysNothing(t *testing.T) {
	t.Parallel()
	s := serve(t)
	silent := s.dial(t)
	s.do(t, request{method: "GET", path: "/healthz"}) // so the one before is accepted
	begin := time.Now()
	if err := s.http.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	if _, err := silent.in.ReadByte(); err == nil {
		t.Error("the client is told something")
	}
}
