package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The load generator shares the processors with the server, so it does as little work
// as possible: it builds requests in advance, and of a response it parses only the
// status and the length. A connection waits for the response to a request before it
// sends the next one.

// load describes the requests to a server.
type load struct {
	addr   string
	status int // the expected status of every response
	// feed returns a function that returns the next request of a connection, or nil
	// at the end. A request is sent before the next call, which may reuse its bytes.
	feed func(connection int) func() []byte
}

// measured is the result of a measurement.
type measured struct {
	requests int
	elapsed  time.Duration
	latency  *hdrhistogram.Histogram // microseconds
}

// perSecond returns the throughput.
func (m measured) perSecond() float64 { return float64(m.requests) / m.elapsed.Seconds() }

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Minute.Microseconds(), 3)
}

// errEnded is returned by a function that has no more work.
var errEnded = errors.New("ended")

// repeat calls each of the functions again and again, all of them at the same time, for
// the duration or until they return [errEnded]. Any other error ends the calls of the
// function that returned it.
func repeat(works []func() error, duration time.Duration) (measured, error) {
	latencies, errs := make([][]time.Duration, len(works)), make([]error, len(works))
	var busy sync.WaitGroup
	start := time.Now()
	for i, work := range works {
		busy.Go(func() { latencies[i], errs[i] = repeatOne(work, start.Add(duration)) })
	}
	busy.Wait()
	all := measured{elapsed: time.Since(start), latency: newHistogram()}
	for _, latency := range slices.Concat(latencies...) {
		errs = append(errs, all.latency.RecordValue(latency.Microseconds()))
	}
	all.requests = int(all.latency.TotalCount())
	return all, cmp.Or(errs...) // the first; the others are usually the same
}

// repeatOne calls the function again and again and returns the durations of the calls.
func repeatOne(work func() error, until time.Time) (latencies []time.Duration, err error) {
	for began := time.Now(); began.Before(until); {
		if err := work(); errors.Is(err, errEnded) {
			return latencies, nil
		} else if err != nil {
			return latencies, err
		}
		ended := time.Now()
		latencies = append(latencies, ended.Sub(began))
		began = ended
	}
	return latencies, nil
}

// clients are open connections. They stay open from round to round, so that no round
// measures the time to open them.
type clients struct {
	open  []net.Conn
	works []func() error // of each connection: one request and its response
}

// dial opens connections to the server.
func (l load) dial(connections int) (*clients, error) {
	c := &clients{}
	for i := range connections {
		opened, err := net.Dial("tcp", l.addr) //nolint:noctx // a server on this machine accepts at once
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.open = append(c.open, opened)
		connection, next := connection{Conn: opened, status: l.status, in: make([]byte, 16<<10)}, l.feed(i)
		c.works = append(c.works, func() error {
			request := next()
			if request == nil {
				return errEnded
			}
			return connection.exchange(request)
		})
	}
	return c, nil
}

// run sends requests for the duration, or until they end. It returns an error for a
// response with another status, because the time of a refusal is meaningless.
func (c *clients) run(duration time.Duration) (measured, error) { return repeat(c.works, duration) }

func (c *clients) close() (err error) {
	for _, opened := range c.open {
		err = errors.Join(err, opened.Close())
	}
	return err
}

// connection sends requests and reads their responses.
type connection struct {
	net.Conn
	status int
	in     []byte
}

// exchange sends a request and reads its response.
func (c *connection) exchange(request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	n, head := 0, -1
	for head < 0 {
		if n == len(c.in) {
			return errors.New("the headers of the response are too long")
		}
		read, err := c.Read(c.in[n:])
		if err != nil {
			return err
		}
		n += read
		head = bytes.Index(c.in[:n], []byte("\r\n\r\n"))
	}
	if err := c.check(c.in[:n]); err != nil {
		return err
	}
	length, err := contentLength(c.in[:head])
	if err != nil {
		return err
	}
	rest := head + len("\r\n\r\n") + length - n
	for rest > 0 {
		read, err := c.Read(c.in)
		if err != nil {
			return err
		}
		rest -= read
	}
	if rest < 0 {
		return fmt.Errorf("the response has %d bytes too many", -rest)
	}
	return nil
}

// check returns an error unless the response begins with the expected status.
func (c *connection) check(response []byte) error {
	rest, found := bytes.CutPrefix(response, []byte("HTTP/1.1 "))
	if !found || len(rest) < 3 {
		return fmt.Errorf("the response has no status line: %q", response)
	}
	if status, err := strconv.Atoi(string(rest[:3])); err != nil || status != c.status {
		return fmt.Errorf("the status is not %d: %s", c.status, response)
	}
	return nil
}

// contentLength returns the value of Content-Length, or 0 if there is no such header, as
// in a 204.
func contentLength(head []byte) (int, error) {
	_, after, found := bytes.Cut(head, []byte("\r\nContent-Length: "))
	if !found {
		return 0, nil
	}
	value, _, _ := bytes.Cut(after, []byte("\r\n"))
	length, err := strconv.ParseUint(string(value), 10, 31)
	return int(length), err
}
