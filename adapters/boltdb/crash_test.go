package boltdb_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
)

// crashDir is the variable that makes the test program crashChild.
const crashDir = "WIDGETD_BOLTDB_CRASH_DIR"

// TestKilledAmidWrites kills a process that writes as fast as it can, several
// times over on one store, and looks for everything it had said was written.
func TestKilledAmidWrites(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	random := rand.New(rand.NewPCG(3, 3))
	said := map[string]string{} // by subject: what was said of it last
	for round := range 4 {
		child, lines := startChild(t, dir, round*1_000_000)
		for range 100 + random.IntN(400) {
			if !lines.Scan() {
				t.Fatalf("the process ended by itself: %v", child.Wait())
			}
			note(said, lines.Text())
		}
		kill(t, child)
		for lines.Scan() { // what it said before it died counts too
			note(said, lines.Text())
		}
		_ = child.Wait()

		db := open(t, dir)
		noError(t, db.Check())
		for subject, verb := range said {
			wantAsSaid(t, db, subject, verb)
		}
		noError(t, db.Close())
	}
}

// TestKilledAtStart kills a process at some moment about that of creating the
// store.
func TestKilledAtStart(t *testing.T) {
	t.Parallel()
	for round := range 6 {
		dir := filepath.Join(t.TempDir(), "data")
		child, lines := startChild(t, dir, 0)
		lines.Scan() // it is about to call Open
		time.Sleep(time.Duration(round) * 500 * time.Microsecond)
		kill(t, child)
		_ = child.Wait()
		noError(t, open(t, dir).Check())
	}
}

// wantAsSaid checks what the process said of a subject, such as "widget 7".
func wantAsSaid(t *testing.T, db *boltdb.DB, subject, verb string) {
	t.Helper()
	kind, number, _ := strings.Cut(subject, " ")
	n := must(strconv.Atoi(number))
	var found bool
	switch kind {
	case "widget":
		got, err := db.Widgets.ByName(t.Context(), widget(n).Name)
		found = exists(t, err)
		if found {
			equal(t, subject, got, widget(n))
		}
	case "user":
		got, err := db.Users.ByEmail(t.Context(), user(n).Email)
		found = exists(t, err)
		if found {
			equal(t, subject, got, user(n))
		}
	case "token":
		life := time.Hour
		if verb == "expired" {
			life = -time.Hour
		}
		blacklisted, err := db.Blacklist.Contains(t.Context(), token(n, life))
		noError(t, err)
		found = blacklisted
	default:
		return
	}
	if (verb == "added" || verb == "expired") && !found || verb == "deleted" && found {
		t.Errorf("%s was %s before the crash, found after it: %t", subject, verb, found)
	}
}

func exists(t *testing.T, err error) bool {
	t.Helper()
	if errors.Is(err, domain.NotFound) {
		return false
	}
	noError(t, err)
	return true
}

func note(said map[string]string, line string) {
	verb, subject, _ := strings.Cut(line, " ")
	said[subject] = verb
}

func startChild(t *testing.T, dir string, first int) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	child := exec.Command(must(os.Executable()), strconv.Itoa(first))
	child.Env = append(os.Environ(), crashDir+"="+dir)
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	noError(t, err)
	noError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() })
	return child, bufio.NewScanner(output)
}

func kill(t *testing.T, child *exec.Cmd) {
	t.Helper()
	noError(t, child.Process.Kill())
}

// crashChild writes to the store until it is killed. It says on standard output
// what it is about to delete and what it has done.
func crashChild(dir string) {
	say("opening", "store", 0)
	db := must(boltdb.Open(dir))
	first := must(strconv.Atoi(os.Args[1]))
	for worker := range 8 {
		go work(db, first+worker*100_000)
	}
	for {
		must(db.Blacklist.Purge(context.Background(), noon()))
		time.Sleep(time.Millisecond)
	}
}

func work(db *boltdb.DB, first int) {
	ctx := context.Background()
	for n := first; ; n++ {
		done(db.Widgets.Add(ctx, widget(n)), "added", "widget", n)
		done(db.Blacklist.Add(ctx, token(n, time.Hour)), "added", "token", n)
		done(db.Blacklist.Add(ctx, token(n+50_000, -time.Hour)), "expired", "token", n+50_000)
		if n%3 == 0 {
			done(db.Users.Add(ctx, user(n)), "added", "user", n)
			say("deleting", "widget", n)
			done(db.Widgets.Delete(ctx, widget(n).Name), "deleted", "widget", n)
		}
	}
}

func done(err error, verb, kind string, n int) {
	if err != nil {
		panic(err)
	}
	say(verb, kind, n)
}

// say writes a line at once, so that the process is not killed within it.
func say(verb, kind string, n int) {
	fmt.Printf("%s %s %d\n", verb, kind, n)
}
