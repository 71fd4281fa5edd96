package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The generator shares its processors with the server, so it does as little as
// it can: requests are made ahead, each connection has one on its way at a time
// (no pipelining), and of a response it reads the status and the length.

// load is what is asked of a server, by many connections at once.
type load struct {
	addr   string
	status int // what every response must have
	// feed returns what gives a connection its requests, one after the other, until
	// it returns nil. Each is sent before the next is asked for.
	feed func(connection int) func() []byte
}

// measured is what a load found out.
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

// errEnded is what work returns when there is no more of it.
var errEnded = errors.New("ended")

// repeat does all the works at once, each again and again, for a while or until they
// end, and measures that. Another error ends the work that returned it.
func repeat(works []func() error, duration time.Duration) (measured, error) {
	latencies, errs := make([]*hdrhistogram.Histogram, len(works)), make([]error, len(works))
	for i := range works {
		latencies[i] = newHistogram()
	}
	var busy sync.WaitGroup
	start := time.Now()
	for i, work := range works {
		busy.Go(func() { errs[i] = repeatOne(work, start.Add(duration), latencies[i]) })
	}
	busy.Wait()
	all := measured{elapsed: time.Since(start), latency: newHistogram()}
	for _, latency := range latencies {
		all.latency.Merge(latency)
	}
	all.requests = int(all.latency.TotalCount())
	return all, cmp.Or(errs...) // one is enough, for the others tell the same
}

func repeatOne(work func() error, until time.Time, latency *hdrhistogram.Histogram) error {
	for began := time.Now(); began.Before(until); {
		if err := work(); errors.Is(err, errEnded) {
			return nil
		} else if err != nil {
			return err
		}
		ended := time.Now()
		if err := latency.RecordValue(ended.Sub(began).Microseconds()); err != nil {
			return err
		}
		began = ended
	}
	return nil
}

// run asks for a while, or until the requests end. An answer with another status
// is an error: nobody wants to know how fast a server refuses.
func (l load) run(connections int, duration time.Duration) (measured, error) {
	works := make([]func() error, connections)
	for i := range works {
		opened, err := net.Dial("tcp", l.addr) //nolint:noctx // of this machine
		if err != nil {
			return measured{}, err
		}
		defer opened.Close()
		c, next := connection{Conn: opened, status: l.status, in: make([]byte, 64<<10)}, l.feed(i)
		works[i] = func() error {
			request := next()
			if request == nil {
				return errEnded
			}
			return c.exchange(request)
		}
	}
	return repeat(works, duration)
}

// connection is one that requests are sent over, one after the other.
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
			return errors.New("the head of a response is too long")
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
		return fmt.Errorf("%d bytes came after a response", -rest)
	}
	return nil
}

// check returns an error unless the response begins with the right status.
func (c *connection) check(response []byte) error {
	rest, found := bytes.CutPrefix(response, []byte("HTTP/1.1 "))
	if !found || len(rest) < 3 {
		return fmt.Errorf("got no status line: %q", response)
	}
	if status, err := strconv.Atoi(string(rest[:3])); err != nil || status != c.status {
		return fmt.Errorf("got another answer than %d: %s", c.status, response)
	}
	return nil
}

// contentLength returns the length that a head tells of its body, 0 if it tells none,
// as of a 204.
func contentLength(head []byte) (int, error) {
	_, after, found := bytes.Cut(head, []byte("\r\nContent-Length: "))
	if !found {
		return 0, nil
	}
	value, _, _ := bytes.Cut(after, []byte("\r\n"))
	length, err := strconv.ParseUint(string(value), 10, 31)
	return int(length), err
}
