// Package conformance tests whether an adapter keeps the promises of a port. A test of
// a store needs one call:
//
//	func TestStore(t *testing.T) {
//		conformance.Store(t, func(t *testing.T, clock ports.Clock) ports.Store {
//			db, err := mydb.Open(t.TempDir(), clock)
//			if err != nil {
//				t.Fatal(err)
//			}
//			t.Cleanup(func() { db.Close() })
//			return db
//		})
//	}
//
// # Suites
//
// [Store] tests the promises in the doc comments of [ports.Store] and its repositories,
// as far as a test can observe them: the records and errors that the methods return,
// races between callers, contexts that end before or during a call, and the state after
// Close.
//
// [DurableStore] tests that acknowledged writes are still there after the store
// was closed, or after a crash that the adapter claims to survive.
//
// [SharedStore] is not a suite. It combines several handles of one store into one, each
// handle opened as by another server. Pass its result to [Store] to test that a write
// through one handle is visible through every other handle:
//
//	conformance.Store(t, func(t *testing.T, clock ports.Clock) ports.Store {
//		uri := newDatabase(t)
//		return conformance.SharedStore(open(t, uri, clock), open(t, uri, clock))
//	})
//
// For an adapter of a single repository there are [UserRepository], [WidgetRepository]
// and [TokenBlacklist], each with a Durable and a Shared counterpart.
//
// [TokenSigner] tests a signer of JSON Web Tokens, [PasswordHasher] a hasher of
// passwords, and [AttemptLimiter] the counters of attempts.
//
// # Benchmarks
//
// [BenchmarkStore] measures a store, [BenchmarkUserRepository], [BenchmarkWidgetRepository]
// and [BenchmarkTokenBlacklist] one of its repositories, [BenchmarkTokenSigner] a signer and
// [BenchmarkPasswordHasher] a hasher. A call is the whole benchmark of an adapter:
//
//	func BenchmarkStore(b *testing.B) {
//		conformance.BenchmarkStore(b, func(b *testing.B) ports.Store { return open(b) })
//	}
//
// # How to run them
//
// Each promise is a subtest with a store, signer or hasher of its own, so that
//
//	go test -run TestStore/Users/RaceForEmail
//
// runs one of them. Run the suites with -race too. The flag -short skips the subtests
// that make hundreds of writes.
//
// The suites of stores and repositories call open once in each subtest, before anything
// else. The subtests of a slow store can run at the same time: let open begin with
// t.Parallel().
//
// # What the suites do not test
//
// The suites cannot cause an outage. They measure time only to compare the work of a
// hasher for an empty hash with that for another one. The tests of an adapter
// must show that its methods return Unavailable during an outage, and within which time.
// [EveryMethod] calls every method for such a test. The tests of an adapter must also
// show that it reads the records that its older versions wrote.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// promise is one subtest of a suite. S is a test of one store, signer or hasher.
type promise[S any] struct {
	name string
	test func(S)
}

// run runs each promise as a subtest with a store, signer or hasher of its own.
func run[S any](t *testing.T, start func(t *testing.T) S, promises []promise[S]) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) { p.test(start(t)) })
	}
}

const (
	// contenders is the number of simultaneous calls in a race.
	contenders = 24
	// rounds is the number of times that a race is repeated. An adapter that reads
	// and then writes without a lock may pass the first round.
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

// winner returns the index of the only call that succeeded. Every other call must
// have failed with the given kind.
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
		wantKind(t, call+", one of several simultaneous calls,", err, loss)
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

// eachEnded calls f with a cancelled context and with one past its deadline.
func eachEnded(t *testing.T, f func(how string, ctx context.Context)) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	f("with a cancelled context", cancelled)

	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	f("with a context past its deadline", late)
}

// raceContexts calls f(0) to f(contenders-1) at the same moment. Their contexts end while
// the calls run: those of one half by a deadline, one after the other, and those of the other
// half when Done and Err were called a number of times. Each call must succeed or return
// Unavailable.
func raceContexts(t *testing.T, call string, f func(ctx context.Context, i int) error) []error {
	t.Helper()
	errs := raceEnding(t.Context(), f)
	for _, err := range errs {
		if err != nil {
			wantKind(t, call+", while its context ends,", err, domain.Unavailable)
		}
	}
	return errs
}

// raceEnding calls f as [raceContexts] does, and returns the errors.
func raceEnding(ctx context.Context, f func(ctx context.Context, i int) error) []error {
	return race(contenders, func(i int) error {
		if i/2%2 == 0 { // both even and odd numbers, because f may tell them apart
			ctx, cancel := context.WithTimeout(ctx, time.Duration(i)*100*time.Microsecond)
			defer cancel()
			return f(ctx, i)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		looked := &lookedAt{Context: ctx, cancel: cancel}
		looked.left.Store(int64(i / 4))
		return f(looked, i)
	})
}

// lookedAt is a context that ends when Done and Err were called a number of times.
type lookedAt struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64 // number of calls until it ends
}

func (c *lookedAt) look() {
	if c.left.Add(-1) < 0 {
		c.cancel()
	}
}

// Done implements [context.Context].
func (c *lookedAt) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

// Err implements [context.Context].
func (c *lookedAt) Err() error {
	c.look()
	return c.Context.Err()
}

// errWrongResult is the error of a read that succeeded with a wrong result.
var errWrongResult = errors.New("success with a wrong result")

// orWrongResult returns err, or errWrongResult if err is nil and the result of the
// call is wrong.
func orWrongResult(err error, correct bool) error {
	if err == nil && !correct {
		return errWrongResult
	}
	return err
}

func errorOf[T any](_ T, err error) error { return err }

// brief returns a quoted text, or its beginning and its length.
func brief(text string) string {
	if len(text) > 40 {
		return fmt.Sprintf("%q… (%d bytes)", text[:40], len(text))
	}
	return fmt.Sprintf("%q", text)
}
