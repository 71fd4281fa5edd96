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
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// crashDir is the environment variable that makes the test program run crashChild.
const crashDir = "WIDGETD_BOLTDB_CRASH_DIR"

// TestKillDuringWrites kills a process that writes as fast as it can. It does so several
// times on one store. The store must have every acknowledged write afterwards.
func TestKillDuringWrites(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	random := rand.New(rand.NewPCG(3, 3))
	last := map[string]string{} // the last operation by subject, for example "widget 7"
	for round := range 4 {
		child, lines := startChild(t, dir, round*1_000_000)
		for range 100 + random.IntN(400) {
			if !lines.Scan() {
				t.Fatalf("the process was not killed but ended: %v", child.Wait())
			}
			note(last, lines.Text())
		}
		kill(t, child)
		for lines.Scan() { // the lines that it wrote before it was killed
			note(last, lines.Text())
		}
		_ = child.Wait()

		db := open(t, dir)
		noError(t, db.CheckAll(t.Context()))
		for subject, operation := range last {
			wantOutcome(t, db, subject, operation)
		}
		noError(t, db.Close())
	}
}

// TestKillDuringCreation kills a process at different moments around the creation of the
// store.
func TestKillDuringCreation(t *testing.T) {
	t.Parallel()
	for round := range 6 {
		dir := filepath.Join(t.TempDir(), "data")
		child, lines := startChild(t, dir, 0)
		lines.Scan() // the process calls Open next
		time.Sleep(time.Duration(round) * 500 * time.Microsecond)
		kill(t, child)
		_ = child.Wait()
		noError(t, open(t, dir).CheckAll(t.Context()))
	}
}

// TestKillDuringRemoveOwnerEmail kills a process that removes the email of an owner from
// more widgets than one transaction changes. A second call changes the others.
func TestKillDuringRemoveOwnerEmail(t *testing.T) {
	t.Parallel()
	const widgets = 3000
	dir := filepath.Join(t.TempDir(), "data")
	db := open(t, dir)
	owned := func(i int) domain.Widget {
		w := widget(i)
		w.Owner = domain.OwnerOf(sample.User(1))
		return w
	}
	noError(t, db.Fill(t.Context(), widgets, owned))
	noError(t, db.Users().Add(t.Context(), sample.User(1)))
	noError(t, db.Users().Delete(t.Context(), sample.User(1)))
	noError(t, db.Close())
	for round := range 4 {
		child, lines := startChild(t, dir, removeEmails)
		lines.Scan() // the process calls Open next
		lines.Scan() // the process calls RemoveOwnerEmail next
		time.Sleep(time.Duration(round) * 2 * time.Millisecond)
		kill(t, child)
		_ = child.Wait()
		db := open(t, dir)
		noError(t, db.CheckAll(t.Context()))
		departed, err := db.Users().Departed(t.Context())
		noError(t, err)
		equal(t, "accounts to settle", len(departed), 1)
		noError(t, db.Close())
	}
	db = open(t, dir)
	noError(t, db.Widgets().RemoveOwnerEmail(t.Context(), sample.ID(1)))
	noError(t, db.CheckAll(t.Context()))
	query := domain.WidgetQuery{Sort: domain.ByCreation, Owner: new(sample.ID(1))}
	slice, err := db.Widgets().Slice(t.Context(), query, "", widgets+1)
	noError(t, err)
	equal(t, "widgets", len(slice.Items), widgets)
	for i, got := range slice.Items {
		want := owned(i)
		want.Owner.Email, want.Version = domain.Email{}, want.Version+1
		equal(t, "widget", got, want)
	}
}

// removeEmails is the argument with which crashChild removes the email of an owner.
const removeEmails = -1

// wantOutcome checks the outcome of the last operation on a subject.
func wantOutcome(t *testing.T, db *boltdb.DB, subject, operation string) {
	t.Helper()
	kind, number, _ := strings.Cut(subject, " ")
	n := sample.Must(strconv.Atoi(number))
	var found bool
	switch kind {
	case "widget":
		got, err := db.Widgets().ByName(t.Context(), widget(n).Name)
		found = exists(t, err)
		if found {
			equal(t, subject, got, widget(n))
		}
	case "user":
		got, err := db.Users().ByEmail(t.Context(), sample.User(n).Email)
		found = exists(t, err)
		if found {
			wantOneOf(t, subject, got, map[string][]domain.User{
				"added":    {sample.User(n)},
				"changing": {sample.User(n), changedUser(n)},
				"changed":  {changedUser(n)},
				"deleting": {changedUser(n)},
			}[operation])
		}
	case "cut-off":
		got, err := db.Blacklist().CutOff(t.Context(), sample.ID(n))
		noError(t, err)
		found = got != domain.UUID{}
		wantOneOf(t, subject, got, map[string][]domain.UUID{
			"added":    {cutOffValue(n)},
			"changing": {cutOffValue(n), cutOffValue(n + 1)},
			"changed":  {cutOffValue(n + 1)},
		}[operation])
	case "token":
		token := sample.Token(n, time.Hour)
		if operation == "expired" {
			token = expiredToken(n)
		}
		revocation, err := db.Blacklist().Check(t.Context(), claimsOf(token))
		noError(t, err)
		found = revocation.LoggedOut
	default:
		return
	}
	if operation != "deleting" && found == (operation == "deleted") {
		t.Errorf("%s was %s before the crash, found after it: %t", subject, operation, found)
	}
}

func wantOneOf[T comparable](t *testing.T, subject string, got T, possible []T) {
	t.Helper()
	if !slices.Contains(possible, got) {
		t.Errorf("%s is %v after the crash, want one of %v", subject, got, possible)
	}
}

// changedUser returns sample.User(n) with another value in every field that Update
// changes.
func changedUser(n int) domain.User {
	user := sample.Admin(n)
	user.PasswordHash, user.Disabled = domain.NewPasswordHash("changed"), true
	return user
}

// lasting returns a cut-off that has expired by the wall clock. It must be remembered
// until its lifetime has passed.
func lasting(n, v int) domain.CutOff {
	set := cutOff(n, v, -time.Hour)
	set.Lifetime = time.Hour
	return set
}

// expiredToken returns a token that has expired by the wall clock. It must be remembered
// until its lifetime has passed.
func expiredToken(n int) domain.BlacklistedToken {
	token := sample.Token(n, -time.Hour)
	token.Lifetime = time.Hour
	return token
}

func exists(t *testing.T, err error) bool {
	t.Helper()
	if errors.Is(err, domain.NotFound) {
		return false
	}
	noError(t, err)
	return true
}

func note(last map[string]string, line string) {
	operation, subject, _ := strings.Cut(line, " ")
	last[subject] = operation
}

func startChild(t *testing.T, dir string, first int) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	child := exec.Command(sample.Must(os.Executable()), strconv.Itoa(first))
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

// crashChild writes to the store until it is killed. It prints each deletion and each
// change before it begins, and each operation after it has returned.
func crashChild(dir string) {
	report("opening", "store", 0)
	db := sample.Must(boltdb.Open(dir, boltdb.Options{}))
	first := sample.Must(strconv.Atoi(os.Args[1]))
	if first == removeEmails {
		report("removing", "emails", 1)
		done(db.Widgets().RemoveOwnerEmail(context.Background(), sample.ID(1)), "removed", "emails", 1)
		select {}
	}
	for worker := range 8 {
		go work(db, first+worker*100_000)
	}
	for {
		sample.Must(db.Blacklist().Purge(context.Background(), sample.Time()))
		time.Sleep(time.Millisecond)
	}
}

func work(db *boltdb.DB, first int) {
	ctx := context.Background()
	for n := first; ; n++ {
		done(db.Widgets().Add(ctx, widget(n)), "added", "widget", n)
		done(db.Blacklist().Add(ctx, sample.Token(n, time.Hour)), "added", "token", n)
		done(db.Blacklist().Add(ctx, expiredToken(n+50_000)), "expired", "token", n+50_000)
		done(db.Blacklist().EndTokens(ctx, lasting(n, n)), "added", "cut-off", n)
		if n%3 == 0 {
			done(db.Users().Add(ctx, sample.User(n)), "added", "user", n)
			report("deleting", "widget", n)
			done(deleteWidget(ctx, db, widget(n).Name), "deleted", "widget", n)
			report("changing", "cut-off", n)
			done(db.Blacklist().EndTokens(ctx, lasting(n, n+1)), "changed", "cut-off", n)
		}
		if n%6 == 0 {
			report("changing", "user", n)
			done(db.Users().Update(ctx, sample.User(n), changedUser(n)), "changed", "user", n)
		}
		if n%12 == 0 {
			report("deleting", "user", n)
			done(db.Users().Delete(ctx, changedUser(n)), "deleted", "user", n)
		}
	}
}

func done(err error, operation, kind string, n int) {
	if err != nil {
		panic(err)
	}
	report(operation, kind, n)
}

// report prints a line with one system call, so that a kill does not cut it.
func report(operation, kind string, n int) {
	fmt.Printf("%s %s %d\n", operation, kind, n)
}
