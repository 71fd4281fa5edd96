package main_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamagedStoreIsRefusedOrItsAnswersAreRight damages a store file at random and
// starts the program on it. What is not needed may be damaged unnoticed; of anything
// else the program says in one line that it is, and ends.
func TestDamagedStoreIsRefusedOrItsAnswersAreRight(t *testing.T) {
	t.Parallel()
	data := folder(t)
	settings := []string{"WIDGETD_SECRET_KEY=" + secretKey}
	s := start(t, data, append(settings, asAdmin...)...)
	figures := newFigures()
	defer figures.log(t)
	mint := s.minter(t)
	admin, known := mint(), newMemory()
	client := &client{t: t, s: s, token: admin, mint: mint, memory: known, acknowledged: newCountdown(400)}
	client.until = client.acknowledged.reached
	client.work("damaged")
	s.stop()
	path := filepath.Join(data, "widgetd.db")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	refused, served := 0, 0
	for round := range rounds(t, 40) {
		if err := os.WriteFile(path, damaged(good, random(t, round)), 0o600); err != nil {
			t.Fatal(err)
		}
		figures.faults++
		s := launch(t, data, settings...)
		figures.watch(s)
		if line, says := s.refusal(t); says {
			refused++
			figures.check(t, strings.Contains(line, path), "refused with %q", line)
			continue
		}
		served++
		s.awaitListening(t)
		s.wantFacts(t, admin, []*memory{known}, figures)
		s.do(t, put("/widgets/another", admin, widgetFields())).want(t, 201, "")
		s.stop()
	}
	t.Logf("refused: %d, served: %d", refused, served)
}

// refusal returns the line with which the program refused to serve, if it did.
func (s *server) refusal(t *testing.T) (line string, refused bool) {
	t.Helper()
	if _, listens := s.log.await("msg", "listening", s.exited); listens {
		return "", false
	}
	s.wantExit(1)
	lines := s.log.take()
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "widgetd: ") {
		t.Errorf("not one line of the program's:\n%s", strings.Join(lines, "\n"))
	}
	return strings.Join(lines, " "), true
}

// damaged returns a store file with something wrong.
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
	case 2: // in what bbolt goes by: the beginning of a page
		bad[from+random.IntN(64)] ^= 1 << random.IntN(8)
	case 3: // a page that was never written
		clear(bad[from : from+page])
	case 4: // a page that was written elsewhere
		copy(bad[from:from+page], good[other:])
	case 5: // garbage
		for i := at; i < min(at+1+random.IntN(2*page), len(bad)); i++ {
			bad[i] = byte(random.Uint32())
		}
	default:
		bad = bad[:at]
	}
	return bad
}
