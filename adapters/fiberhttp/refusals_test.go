package fiberhttp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// The client has sent no whole request, so the server must not wait for the rest.
func TestMalformedStartsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, raw := range []string{
		"GET / HTTP/1.1\nHost: x", "GET / HTTP/2.0\r\n", "\x16\x03\x01\x02\x00", "GET / HTTP/1.1\r\nA : b\r\n",
		"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b",
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			s.do(t, request{raw: raw}).want(t, 400, message("Bad Request"), "Connection: close")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestTwoAuthorizationHeadersAreABadRequest(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := getWidget.with("authorization: Bearer "+userToken, "X-Request-Id: mine")
	s.do(t, r).want(t, 400, message("Bad Request"), "Connection: close", "X-Request-Id: mine")
	if n := len(s.auth.AuthenticateCalls()); n != 0 {
		t.Errorf("%d tokens were looked at", n)
	}
}

func TestConnectionIsClosedWhenTheClientAsksInAnyCase(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, value := range []string{"close", "Close", "close, x", "keep-alive, CLOSE"} {
		s.do(t, getWidget.with("Connection: "+value)).want(t, 200, gearBody, "Connection: close")
	}
}

func TestExpectationIsHonouredAtOnceInAnyCase(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, value := range []string{"100-continue", "100-Continue", "100-CONTINUE", "100-Continue, x"} {
		c := s.dial(t)
		head, body, _ := strings.Cut(logIn.with("Expect: "+value).wire(), "\r\n\r\n")
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(c, head+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		interim := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
		if _, err := io.ReadFull(c.in, interim); err != nil || string(interim) != "HTTP/1.1 100 Continue\r\n\r\n" {
			t.Fatalf("%s: got %q, %v", value, interim, err)
		}
		if got := c.do(t, request{method: logIn.method, path: logIn.path, raw: body, impossible: true}); got.status != 200 {
			t.Errorf("%s: got %d %s", value, got.status, got.body)
		}
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.dial(t)
	chunks := chunked(logIn, 7).wire()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	raw := getWidget.wire() + chunks + getWidget.with("Connection: close").wire() + getWidget.wire()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c.in)
	if n := strings.Count(string(all), "HTTP/1.1 200 OK"); n != 3 || err != nil {
		t.Errorf("got %d responses, %v:\n%s", n, err, all)
	}
}

func TestRefusalOfAHeadRequestHasNoBody(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for raw, status := range map[string]int{
		"HEAD * HTTP/1.1\r\nHost: x\r\n\r\n":                                          400,
		"HEAD http://[ HTTP/1.1\r\nHost: x\r\n\r\n":                                   400,
		"HEAD / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n":                               400,
		"HEAD / HTTP/1.1\nHost: x":                                                    400,
		"HEAD / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 9<<10) + "\r\n\r\n": 431,
		"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n":                 413,
	} {
		c := s.dial(t)
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(c, raw); err != nil {
			t.Fatal(err)
		}
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		all, err := io.ReadAll(c.in)
		head, body, found := strings.Cut(string(all), "\r\n\r\n")
		if !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", status)) || !found || body != "" || err != nil {
			t.Errorf("%.40q: got %q, %v, want %d without a body", raw, all, err, status)
		}
	}
}

func TestRefusalsForLackOfMemoryAreLoggedOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.config.MaxBufferedBytes = 1 })
	large := logIn.sending("application/json", `{"email":"`+strings.Repeat("x", 8<<10)+`"}`)
	for range 3 {
		s.do(t, large).want(t, 503, message("Service Unavailable"), "Retry-After: 1", "Connection: close")
	}
	const line = "requests were refused: the memory for slow and large requests is used up"
	if lines := s.log.Lines(line); len(lines) != 1 || lines[0]["refused"] != 1.0 {
		t.Errorf("the log has %v", lines)
	}
	if lines := s.log.Lines("request failed"); len(lines) != 0 {
		t.Errorf("the log has %v", lines)
	}
}

// TestFewLargePagesAreMadeAtOnce holds every large page, whether it is read by its number or
// by position, until as many are being made as may be. Small pages go on.
func TestFewLargePagesAreMadeAtOnce(t *testing.T) {
	t.Parallel()
	const most, clients = 32, 40
	var active atomic.Int32
	var tooMany atomic.Bool
	full, open := make(chan struct{}), make(chan struct{})
	s := serve(t, func(s *server) {
		hold := func(size int) {
			if size < 50 {
				return
			}
			defer active.Add(-1)
			n := active.Add(1)
			if n > most {
				tooMany.Store(true)
			}
			if n == most {
				full <- struct{}{}
			}
			<-open
		}
		list, slice := s.widgets.ListFunc, s.widgets.SliceFunc
		s.widgets.ListFunc = func(ctx context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error) {
			hold(page.Size())
			return list(ctx, page)
		}
		s.widgets.SliceFunc = func(ctx context.Context, query domain.WidgetQuery, cursor string, limit int) (domain.Slice[domain.Widget], error) {
			hold(limit)
			return slice(ctx, query, cursor, limit)
		}
	})
	var busy sync.WaitGroup
	for i := range clients {
		large := []request{sliced("per_page=100&page=1"), sliced("after=&per_page=50")}[i%2]
		busy.Go(func() {
			if got := s.do(t, large); got.status != 200 {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
	<-full
	for _, small := range []request{listWidgets, sliced("after=&per_page=25")} {
		if got := s.do(t, small); got.status != 200 {
			t.Errorf("a small page got %d", got.status)
		}
	}
	go func() {
		for range full { // the places are filled again
		}
	}()
	close(open)
	busy.Wait()
	close(full)
	if tooMany.Load() {
		t.Errorf("more than %d large pages were made at once", most)
	}
}
