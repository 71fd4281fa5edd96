// Package conformance holds the test suites that an adapter of a persistence
// port must pass, whoever wrote it: one function a port, which checks everything
// that the port's doc comments promise. The whole proof of an adapter is
//
//	func TestUsers(t *testing.T) {
//		conformance.UserRepository(t, func(t *testing.T) ports.UserRepository {
//			db, err := mydb.Open(t.TempDir())
//			if err != nil {
//				t.Fatal(err)
//			}
//			t.Cleanup(func() { db.Close() })
//			return db.Users()
//		})
//	}
//
// Each promise is a subtest of its own with a store of its own, so that
// go test -run 'TestUsers/RaceForEmail' looks at one. Run the suites with -race
// too. Under -short they leave out what takes hundreds of writes or more.
//
// Two more things are for the adapters that claim them. [SharedUsers] and its
// like have a suite use several handles of one store, as several servers do.
// [DurableUsers] and its like look at what is left after the store was closed,
// or whatever else the adapter claims to survive.
//
// What an outage looks like and how long anything takes are for the adapter's
// own tests.
package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

const (
	// contenders is how many callers a race has.
	contenders = 24
	// rounds is how often a race is run: a gap between looking and writing need
	// not show in the first.
	rounds = 5
)

// race calls f(0) to f(n-1) at the same moment and returns their errors.
func race(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var calls sync.WaitGroup
	for i := range errs {
		calls.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	calls.Wait()
	return errs
}

// winner returns the index of the one call that succeeded; all others must have
// failed with the given kind.
func winner(t *testing.T, call string, errs []error, loss domain.Kind) int {
	t.Helper()
	won := -1
	succeeded := 0
	for i, err := range errs {
		if err == nil {
			won = i
			succeeded++
			continue
		}
		wantKind(t, call+", not the first of simultaneous calls", err, loss)
	}
	if succeeded != 1 {
		t.Fatalf("%s: %d of %d simultaneous calls succeeded, want exactly 1", call, succeeded, len(errs))
	}
	return won
}

// wantNoErrors reports every error of simultaneous calls that all must succeed.
func wantNoErrors(t *testing.T, call string, errs []error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Errorf("%s, one of %d simultaneous calls, failed: %v", call, len(errs), err)
		}
	}
}

// wantKind reports an error that is not of the given kind.
func wantKind(t *testing.T, call string, err error, kind domain.Kind) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s succeeded, want an error of kind %q", call, kind)
	case !errors.Is(err, kind):
		t.Errorf("%s failed with %q (%T), want an error of kind %q", call, err, err, kind)
	}
}

// eachEnded calls f with contexts that have ended, each in its own way.
func eachEnded(t *testing.T, f func(how string, ctx context.Context)) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	f("with a cancelled context", cancelled)

	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	f("with a context past its deadline", late)
}

// raceContexts calls f(0) to f(contenders-1) at the same moment, with contexts
// that end one after the other, some of them while the call is under way. The
// calls must succeed or be Unavailable.
func raceContexts(t *testing.T, call string, f func(ctx context.Context, i int) error) []error {
	t.Helper()
	errs := race(contenders, func(i int) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Microsecond)
		defer cancel()
		return f(ctx, i)
	})
	for _, err := range errs {
		if err != nil {
			wantKind(t, call+" whose context ends meanwhile", err, domain.Unavailable)
		}
	}
	return errs
}

// errGuess is what a suite makes of a call that succeeds though its answer is not
// true.
var errGuess = errors.New("success, with an answer that is not true")

// truth returns err, or errGuess where a call succeeded without the truth.
func truth(err error, told bool) error {
	if err == nil && !told {
		return errGuess
	}
	return err
}

// id returns the n-th of a row of UUIDs that differ in their last bytes only.
func id(n int) domain.UUID {
	u := domain.UUID{6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return u
}

// someTime returns a moment with milliseconds, as the domain makes them.
func someTime() time.Time {
	return time.Date(2026, time.March, 4, 5, 6, 7, 89*int(time.Millisecond), time.UTC)
}

// must returns v, which the suite made of something valid.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
