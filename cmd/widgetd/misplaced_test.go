package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// storeMisplaced is the message in the log of a server whose data file was taken away.
const storeMisplaced = "the data file is no longer at its path: put it back, or restart the program to use what is there now"

// misplacements take the data file away from a running server. Each returns a function
// that puts it back, and the folder that has it after that.
var misplacements = map[string]func(t *testing.T, data string) (back func(), folder string){
	"the folder is removed": func(t *testing.T, data string) (func(), string) {
		kept := filepath.Join(folder(t), "widgetd.db")
		must(t, os.MkdirAll(filepath.Dir(kept), 0o700))
		must(t, os.Link(filepath.Join(data, "widgetd.db"), kept))
		must(t, os.RemoveAll(data))
		return nil, filepath.Dir(kept)
	},
	"the folder is renamed": func(t *testing.T, data string) (func(), string) {
		must(t, os.Rename(data, data+".away"))
		return func() { must(t, os.Rename(data+".away", data)) }, data
	},
	"the folder is swapped": func(t *testing.T, data string) (func(), string) {
		must(t, os.Rename(data, data+".away"))
		other := start(t, data, "WIDGETD_SECRET_KEY="+secretKey) // runs beside the first one
		other.expectFailedStore(storeMisplaced)
		return func() {
			must(t, os.Rename(data, data+".other"))
			must(t, os.Rename(data+".away", data))
		}, data
	},
	"the file is removed": func(t *testing.T, data string) (func(), string) {
		path := filepath.Join(data, "widgetd.db")
		must(t, os.Link(path, path+".kept"))
		must(t, os.Remove(path))
		return func() { must(t, os.Rename(path+".kept", path)) }, data
	},
	"another file is renamed over it": func(t *testing.T, data string) (func(), string) {
		path := filepath.Join(data, "widgetd.db")
		content, err := os.ReadFile(path) // while clients write
		must(t, err)
		must(t, os.Link(path, path+".kept"))
		must(t, os.WriteFile(path+".other", content, 0o600))
		must(t, os.Rename(path+".other", path))
		return func() { must(t, os.Rename(path+".kept", path)) }, data
	},
}

// TestMisplacedStoreAcknowledgesNothing takes the data file away while clients write.
// From then on every request is answered with 503, until the file is back. Everything
// that was acknowledged is in it.
func TestMisplacedStoreAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	for name, misplace := range misplacements {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			figures := newFigures()
			defer figures.log(t)
			for round := range rounds(t, 1) {
				misplaceWhileClientsWrite(t, misplace, 200+random(t, round).IntN(500), figures)
			}
		})
	}
}

func misplaceWhileClientsWrite(t *testing.T, misplace func(*testing.T, string) (func(), string), writes int, figures *figures) {
	t.Helper()
	data := folder(t)
	s := start(t, data, append(asAdmin, "WIDGETD_SECRET_KEY="+secretKey, "WIDGETD_MAX_REGISTRATIONS=0")...)
	s.expectFailedStore(storeMisplaced)
	figures.watch(s)
	mint := s.minter(t)
	admin, enough := mint(), newCountdown(writes)
	var facts []*memory
	var busy sync.WaitGroup
	for i := range many {
		client := &client{t: t, s: s, token: admin, mint: mint, memory: newMemory(), acknowledged: enough, storeMayDie: true}
		facts = append(facts, client.memory)
		busy.Go(func() { client.work(fmt.Sprintf("c%d", i)) })
	}
	enough.await(t)
	back, kept := misplace(t, data)
	figures.faults++
	busy.Wait() // until each client got a 503
	s.do(t, readyz).want(t, 503, "")
	s.do(t, get("/auth/user", admin)).want(t, 503, "")
	s.do(t, get("/widgets", admin)).want(t, 503, "")
	s.do(t, post("/auth/logout", admin, nil)).want(t, 503, "")
	s.do(t, healthz).want(t, 200, "")
	if n := strings.Count(s.log.String(), storeMisplaced); n != 1 {
		t.Errorf("the log has the cause %d times", n)
	}
	if back != nil {
		back()
		s.awaitReady(t)
		s.do(t, put("/widgets/late", admin, widgetFields())).want(t, 201, "")
		s.do(t, del("/widgets/late", admin)).want(t, 204, "")
		s.wantFacts(t, admin, facts, figures)
	}
	s.stop()
	s = start(t, kept, "WIDGETD_SECRET_KEY="+secretKey)
	figures.watch(s)
	s.wantFacts(t, admin, facts, figures)
	s.stop()
}

// TestMisplacedStoreIsNoticedWithoutARequest proves that a server without writes does not
// accept tokens for longer than a moment after its file was taken away.
func TestMisplacedStoreIsNoticedWithoutARequest(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data, asAdmin...)
	s.expectFailedStore(storeMisplaced)
	admin := s.logIn(t, adminEmail, adminPassword)
	must(t, os.Rename(data, data+".away"))
	began := time.Now()
	if _, ok := s.log.await("msg", storeMisplaced, s.exited); !ok {
		t.Errorf("the log does not say that the file is gone")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the server noticed after %v", took)
	}
	s.do(t, get("/auth/user", admin)).want(t, 503, "")
	must(t, os.Rename(data+".away", data))
	s.awaitReady(t)
	s.do(t, get("/auth/user", admin)).want(t, 200, "")
}
