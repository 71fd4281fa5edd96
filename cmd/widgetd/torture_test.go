package main_test

import (
	"flag"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// The tests that break things make so many rounds by themselves, and go on for as
// long as -torture says (see task torture). What they do by chance follows from
// -seed.
var (
	torture = flag.Duration("torture", 0, "how long each of the tests that break things goes on")
	seed    = flag.Uint64("seed", 1, "what the tests that break things draw their random numbers from")
)

// rounds yields 0, 1, 2 and so on: as many as that at least, and then until the
// time is up.
func rounds(t *testing.T, atLeast int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for began, n := time.Now(), 0; n < atLeast || time.Since(began) < *torture; n++ {
			if t.Failed() || !yield(n) {
				return
			}
		}
	}
}

// random returns random numbers of a round's own.
func random(t *testing.T, round int) *rand.Rand {
	t.Helper()
	t.Logf("round %d of -seed=%d", round, *seed)
	return rand.New(rand.NewPCG(*seed, uint64(round)))
}

// figures are what a test that breaks things has to show for it.
type figures struct {
	servers map[*server]bool
	faults  int
	facts   int // that were acknowledged and checked
	lost    int // of those
}

func newFigures() *figures { return &figures{servers: map[*server]bool{}} }

// watch has the figures include what is asked of these servers.
func (f *figures) watch(servers ...*server) {
	for _, s := range servers {
		f.servers[s] = true
	}
}

// check counts a fact and, unless it still is one, tells what became of it.
func (f *figures) check(t *testing.T, still bool, format string, args ...any) {
	t.Helper()
	f.facts++
	if !still {
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

// countdown tells when it was counted down.
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

// await waits until it was counted down, which takes long only when something
// is wrong.
func (c *countdown) await(t *testing.T) {
	t.Helper()
	select {
	case <-c.reached:
	case <-time.After(patience):
		t.Error("the clients do not get on")
	}
}
