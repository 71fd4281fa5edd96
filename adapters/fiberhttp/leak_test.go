package fiberhttp_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// TestNoGoroutineIsLeftOfClientsThatGoAway counts goroutines, so it is not
// parallel. At its end serve waits until every connection is closed.
func TestNoGoroutineIsLeftOfClientsThatGoAway(t *testing.T) {
	const clients = 50
	entered := make(chan struct{}, clients)
	s := serve(t, func(s *server) {
		s.widgets.ListFunc = func(ctx context.Context, _ domain.PageRequest) (domain.Page[domain.Widget], error) {
			entered <- struct{}{}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			return domain.Page[domain.Widget]{}, domain.Unavailable
		}
	})
	// fasthttp keeps a goroutine for each connection that was open at the same time.
	var conns []*client
	for range clients {
		c := s.dial(t)
		c.do(t, request{method: "GET", path: "/healthz"})
		conns = append(conns, c)
	}
	for _, c := range conns {
		// Wait until the server has closed the connection. Its goroutine is free then.
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c.Conn)
		_ = c.Close()
	}
	before := runtime.NumGoroutine() + clients/10 // some more, because the runtime starts goroutines of its own

	var waiting sync.WaitGroup
	for _, sent := range []string{
		listWidgets.wire(), // the client goes away before the response
		listWidgets.wire()[:20],
		chunked(createWidget, 10).raw[:300],
		"",
	} {
		for i := range clients / 5 {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, sent)
			if sent == listWidgets.wire() {
				<-entered
			}
			if i%2 == 0 {
				_ = conn.(*net.TCPConn).SetLinger(0) // a reset
			}
			waiting.Go(func() { _ = conn.Close() })
		}
	}
	waiting.Wait()
	s.do(t, request{method: "GET", path: "/healthz"}) // the connections before are accepted now
	for late := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("got %d goroutines, want at most %d", runtime.NumGoroutine(), before)
		}
	}
}
