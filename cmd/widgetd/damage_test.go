package main_test

import (
	bin "encoding/binary"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestDamagedStoreIsRefusedOrItsAnswersAreRight damages a copy of a store file at
// random places and starts the server on it. Either the server refuses the file
// with one line, or all its answers are right: the damaged bytes were not in use.
func TestDamagedStoreIsRefusedOrItsAnswersAreRight(t *testing.T) {
	t.Parallel()
	figures := newFigures()
	defer figures.log(t)
	good, c := filledStore(t)
	data := restore(t, good)
	path := filepath.Join(data, "widgetd.db")
	refused, served := 0, 0
	for round := range rounds(t, 40) {
		if err := os.WriteFile(path, damaged(good, random(t, round)), 0o600); err != nil {
			t.Fatal(err)
		}
		figures.faults++
		s := launch(t, data, "WIDGETD_SECRET_KEY="+secretKey)
		figures.watch(s)
		if line, isRefused := s.refusal(t); isRefused {
			refused++
			figures.check(t, strings.Contains(line, path), "refused with %q", line)
			continue
		}
		served++
		s.awaitListening(t)
		s.wantFacts(t, c.token, []*memory{c.memory}, figures)
		s.do(t, put("/widgets/another", c.token, widgetFields())).want(t, 201, "")
		s.stop()
	}
	t.Logf("refused: %d, served: %d", refused, served)
}

// refusal returns the line with which the server refused the file, if it did.
func (s *server) refusal(t *testing.T) (line string, refused bool) {
	t.Helper()
	if _, listens := s.log.await("msg", "listening", s.exited); listens {
		return "", false
	}
	s.wantExit(1)
	lines := s.log.take()
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "widgetd: ") {
		t.Errorf("want one line of the program, got:\n%s", strings.Join(lines, "\n"))
	}
	return strings.Join(lines, " "), true
}

// damaged returns a damaged copy of a store file.
func damaged(good []byte, random *rand.Rand) []byte {
	const page = 4096
	pages := len(good) / page
	bad := append([]byte(nil), good...)
	at := random.IntN(len(bad))
	from, other := random.IntN(pages)*page, random.IntN(pages)*page
	switch random.IntN(7) {
	case 0:
		bad[at] ^= 1 << random.IntN(8)
	case 1: // many bits
		for range 1 + random.IntN(64) {
			bad[random.IntN(len(bad))] ^= 1 << random.IntN(8)
		}
	case 2: // in the header of a page
		bad[from+random.IntN(64)] ^= 1 << random.IntN(8)
	case 3: // a page whose write was lost
		clear(bad[from : from+page])
	case 4: // a page whose write went to another place
		copy(bad[from:from+page], good[other:])
	case 5: // random bytes
		for i := at; i < min(at+1+random.IntN(2*page), len(bad)); i++ {
			bad[i] = byte(random.Uint32())
		}
	default:
		bad = bad[:at]
	}
	return bad
}

// storeFailed is the message in the log of a server whose store has failed.
const storeFailed = "the store has failed and refuses everything until the program is restarted"

// stopLimit is how long a server whose store has failed may take to stop.
const stopLimit = 10 * time.Second

// filledStore returns the content of a store that has some widgets, accounts and
// logged-out tokens, and the client that knows them.
func filledStore(t *testing.T) (content []byte, c *client) {
	t.Helper()
	data := folder(t)
	s := start(t, data, append(asAdmin, "WIDGETD_SECRET_KEY="+secretKey)...)
	mint := s.minter(t)
	c = &client{t: t, s: s, token: mint(), mint: mint, memory: newMemory(), acknowledged: newCountdown(400)}
	c.until = c.acknowledged.reached
	c.work("damaged")
	s.stop()
	content, err := os.ReadFile(filepath.Join(data, "widgetd.db"))
	if err != nil {
		t.Fatal(err)
	}
	return content, c
}

// startOn starts a server on a copy of a store, which the test will damage.
func startOn(t *testing.T, content []byte) (s *server, path string) {
	t.Helper()
	data := restore(t, content)
	s = start(t, data, "WIDGETD_SECRET_KEY="+secretKey)
	s.expectFailedStore(storeFailed)
	return s, filepath.Join(data, "widgetd.db")
}

// expectFailedStore allows the errors that a server logs once its store has failed: the one
// that says so, and those of the jobs that run at intervals.
func (s *server) expectFailedStore(message string) {
	s.expected = []string{
		message,
		"cannot purge the blacklist",
		"cannot remove the emails of deleted accounts from their widgets",
	}
}

// stopDamaged stops a server. If its store has failed, the exit code is 1 and the last
// line of the log says why.
func (s *server) stopDamaged(t *testing.T) {
	t.Helper()
	began := time.Now()
	s.client.CloseIdleConnections()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(stopLimit):
	}
	code := 0
	if strings.Contains(s.log.String(), storeFailed) {
		code = 1
	}
	s.wantExit(code)
	if took := time.Since(began); took > stopLimit {
		t.Errorf("the server stopped after %v", took)
	}
	lines := s.log.lines()
	if last := lines[len(lines)-1]; strings.HasPrefix(last, "widgetd: data file ") {
		s.lastWords = last
	}
}

// TestDamageOfAnOpenStoreIsAnsweredWith503 damages the file of a running server in ways
// that the next use of it notices.
func TestDamageOfAnOpenStoreIsAnsweredWith503(t *testing.T) {
	t.Parallel()
	const page = 4096
	content, c := filledStore(t)
	for name, damage := range map[string]func(t *testing.T, file *os.File, content []byte){
		"cut off": func(t *testing.T, file *os.File, _ []byte) { _ = file.Truncate(0) },
		"cut off in the middle": func(t *testing.T, file *os.File, content []byte) {
			_ = file.Truncate(2 * page)
		},
		"meta pages": func(t *testing.T, file *os.File, _ []byte) { writeAt(t, file, make([]byte, 2*page), 0) },
		"newest meta page": func(t *testing.T, file *os.File, content []byte) {
			const txid = 16 + 48
			newest := 0
			if bin.NativeEndian.Uint64(content[page+txid:]) > bin.NativeEndian.Uint64(content[txid:]) {
				newest = 1
			}
			writeAt(t, file, make([]byte, 64), int64(newest*page+16))
		},
		"every page but the meta pages": func(t *testing.T, file *os.File, content []byte) {
			writeAt(t, file, make([]byte, len(content)-2*page), 2*page)
		},
		"kinds of pages": func(t *testing.T, file *os.File, content []byte) {
			for at := 2 * page; at < len(content); at += page {
				writeAt(t, file, []byte{0xff, 0xff}, int64(at+8))
			}
		},
		"numbers of pages": func(t *testing.T, file *os.File, content []byte) {
			for at := 2 * page; at < len(content); at += page {
				writeAt(t, file, []byte{0xff, 0xff}, int64(at))
			}
		},
		"random bytes": func(t *testing.T, file *os.File, content []byte) {
			bytes := make([]byte, len(content)-2*page)
			for i, random := 0, random(t, 0); i < len(bytes); i++ {
				bytes[i] = byte(random.Uint32())
			}
			writeAt(t, file, bytes, 2*page)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, path := startOn(t, content)
			file, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			damage(t, file, content)

			var all sync.WaitGroup
			for i := range many {
				all.Go(func() {
					s.do(t, put("/widgets/new", c.token, widgetFields())).want(t, 503, "")
					s.do(t, get("/widgets", c.token)).want(t, 503, "")
					s.do(t, post("/auth/logout", c.token, nil)).want(t, 503, "")
					s.do(t, readyz).want(t, 503, "")
					for token := range c.memory.tokens {
						if i == 0 {
							s.do(t, get("/auth/user", token)).want(t, 503, "")
						}
					}
					s.do(t, healthz).want(t, 200, "")
				})
			}
			all.Wait()
			if n := strings.Count(s.log.String(), storeFailed); n != 1 {
				t.Errorf("the log has the cause %d times", n)
			}
			s.stopDamaged(t)
			launched := launch(t, filepath.Dir(path), "WIDGETD_SECRET_KEY="+secretKey)
			if _, isRefused := launched.refusal(t); !isRefused {
				t.Error("the file is served after a restart")
			}
		})
	}
}

func writeAt(t *testing.T, file *os.File, content []byte, at int64) {
	t.Helper()
	if _, err := file.WriteAt(content, at); err != nil {
		t.Error(err)
	}
}

// TestDamagedStoreOfARunningServer damages the file of a running server at random places
// while clients read and write. No request hangs, no response shows anything that was
// not written, no logged-out token is accepted, and the server stops in time.
func TestDamagedStoreOfARunningServer(t *testing.T) {
	t.Parallel()
	figures := newFigures()
	defer figures.log(t)
	good, c := filledStore(t)
	failed := 0
	for round := range rounds(t, 10) {
		s, path := startOn(t, good)
		figures.watch(s)
		figures.faults++
		damageInPlace(t, path, good, damaged(good, random(t, round)))
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { s.useDamaged(t, c) })
		}
		all.Wait()
		for token, loggedOut := range c.memory.tokens {
			status := s.doDamaged(t, get("/auth/user", token)).status
			figures.check(t, !loggedOut || status != http.StatusOK, "a logged-out token gets %d", status)
		}
		for name, widget := range c.memory.widgets {
			res := s.doDamaged(t, get("/widgets/"+name, c.token))
			figures.check(t, res.status != http.StatusOK || res.text("info_url") == widget.now, "%s: %d %s", name, res.status, res.body)
		}
		if strings.Contains(s.log.String(), storeFailed) {
			failed++
			s.do(t, readyz).want(t, 503, "")
			s.do(t, get("/widgets", c.token)).want(t, 503, "")
		}
		s.stopDamaged(t)
	}
	t.Logf("the store failed in %d of %d rounds", failed, figures.faults)
}

// useDamaged sends requests of each kind. They must be answered.
func (s *server) useDamaged(t *testing.T, c *client) {
	t.Helper()
	for _, r := range []request{
		get("/widgets", c.token),
		put("/widgets/new", c.token, widgetFields()),
		post("/widgets", c.token, widgetFields().with("name", "another")),
		del("/widgets/new", c.token),
		get("/auth/user", c.token),
		post("/auth/logout", c.mint(), nil),
		readyz,
		healthz,
	} {
		s.doDamaged(t, r)
	}
}

// doDamaged is do for a request that may be answered with 500, because a record in the
// store does not match its checksum.
func (s *server) doDamaged(t *testing.T, r request) response {
	t.Helper()
	r.fault = true
	return s.do(t, r)
}

// damageInPlace writes what differs into the file, and cuts it off if bad is shorter.
func damageInPlace(t *testing.T, path string, good, bad []byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for i := range bad {
		if bad[i] != good[i] {
			writeAt(t, file, bad[i:i+1], int64(i))
		}
	}
	if len(bad) < len(good) {
		if err := file.Truncate(int64(len(bad))); err != nil {
			t.Fatal(err)
		}
	}
}
