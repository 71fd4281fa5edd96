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

// TestClientThatGoesAwayCostsNothingAfterwards counts goroutines, so it has the
// process to itself: it is not parallel. That every connection is closed is what
// serve waits for in the end.
func TestClientThatGoesAwayCostsNothingAfterwards(t *testing.T) {
	const clients = 50
	entered := make(chan struct{}, clients)
	s := serve(t, func(s *server) {
		s.widgets.ListFunc = func(ctx context.Context, _ domain.PageRequest) (domain.Page, error) {
			entered <- struct{}{}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			return domain.Page{}, domain.Unavailable
		}
	})
	// fasthttp keeps the goroutines of as many connections as it has had.
	var conns []*client
	for range clients {
		c := s.dial(t)
		c.do(t, request{method: "GET", path: "/healthz"})
		conns = append(conns, c)
	}
	for _, c := range conns { // until the server has closed too, or those to come would not find its goroutines free
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c.Conn)
		_ = c.Close()
	}
	before := runtime.NumGoroutine() + clients/10 // a leak would be of every second client or more; the runtime has its own now and then

	var waiting sync.WaitGroup
	for _, sent := range []string{
		listWidgets.wire(), // and away while it is answered
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
	s.do(t, request{method: "GET", path: "/healthz"}) // so all before it are accepted
	for late := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("%d goroutines, want %d at the most", runtime.NumGoroutine(), before)
		}
	}
}
