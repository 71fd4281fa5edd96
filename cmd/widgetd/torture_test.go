package main_test

import (
	"flag"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// The tests that inject faults run in rounds: a few by default, and as many as fit
// into the time that -torture sets (see task torture).
var (
	torture = flag.Duration("torture", 0, "minimum duration of each test that injects faults")
	seed    = flag.Uint64("seed", 1, "seed of the random numbers of the tests that inject faults")
)

// rounds yields 0, 1, 2 and so on: at least the given number of values, and more
// until the time of -torture has passed. It stops when the test has failed.
func rounds(t *testing.T, atLeast int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for began, n := time.Now(), 0; n < atLeast || time.Since(began) < *torture; n++ {
			if t.Failed() || !yield(n) {
				return
			}
		}
	}
}

// random returns the random numbers for a round. They follow from -seed.
func random(t *testing.T, round int) *rand.Rand {
	t.Helper()
	t.Logf("round %d of -seed=%d", round, *seed)
	return rand.New(rand.NewPCG(*seed, uint64(round)))
}

// figures counts requests, faults and checks of a test that injects faults.
type figures struct {
	servers map[*server]bool
	faults  int // injected
	facts   int // acknowledged and then checked
	lost    int // facts that were no longer true
}

func newFigures() *figures { return &figures{servers: map[*server]bool{}} }

// watch adds the requests of these servers to the figures.
func (f *figures) watch(servers ...*server) {
	for _, s := range servers {
		f.servers[s] = true
	}
}

// check counts a fact. If it is no longer true, check reports the given message.
func (f *figures) check(t *testing.T, isTrue bool, format string, args ...any) {
	t.Helper()
	f.facts++
	if !isTrue {
		f.lost++
		t.Errorf(format, args...)
	}
}

// log writes the line that task torture adds up.
func (f *figures) log(t *testing.T) {
	t.Helper()
	var requests int64
	for s := range f.servers {
		requests += s.sent.Load()
	}
	t.Logf("torture: %d requests tried, %d faults injected, %d acknowledged facts checked, lost: %d",
		requests, f.faults, f.facts, f.lost)
}

// countdown closes reached when count was called n times.
type countdown struct {
	left    atomic.Int64
	reached chan struct{}
}

func newCountdown(n int) *countdown {
	c := &countdown{reached: make(chan struct{})}
	c.left.Store(int64(n))
	return c
}

func (c *countdown) count() {
	if c.left.Add(-1) == 0 {
		close(c.reached)
	}
}

// await waits until reached is closed.
func (c *countdown) await(t *testing.T) {
	t.Helper()
	select {
	case <-c.reached:
	case <-time.After(patience):
		t.Error("the clients make no progress")
	}
}
