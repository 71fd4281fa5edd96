package main_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/internal/mongotest"
)

// TestServersOutliveElections moves the primary of the store of two servers in each round
// while clients write to both, which must go on. At the end of the round the store has no
// primary for longer than a command may take. Afterwards both servers have everything that
// either acknowledged.
func TestServersOutliveElections(t *testing.T) {
	t.Parallel()
	const clients, writes = 8, 100
	store := mongotest.Start(t)
	servers := startTwo(t, store.Database(t), append(asAdmin, "WIDGETD_MAX_REGISTRATIONS=0")...)
	figures := newFigures()
	figures.watch(servers...)
	defer figures.log(t)
	mint := servers[0].minter(t)
	admin := mint()
	var facts []*memory
	for round := range rounds(t, 2) {
		store.Chaos(t)
		enough, stop := newCountdown(writes), make(chan struct{})
		var busy sync.WaitGroup
		for i := range clients {
			client := &client{t: t, s: servers[i%2], token: admin, mint: mint, memory: newMemory(), acknowledged: enough, until: stop}
			client.memory.late = true
			facts = append(facts, client.memory)
			busy.Go(func() { client.work(fmt.Sprintf("r%d-c%d", round, i)) })
		}
		store.Elect(t, 200*time.Millisecond)
		enough.await(t)
		store.Calm(t)
		store.Elect(t, 4*time.Second)
		figures.faults += 2
		close(stop)
		busy.Wait()
		for _, s := range servers {
			s.awaitReady(t)
			s.wantFacts(t, admin, facts, figures)
		}
	}
}
