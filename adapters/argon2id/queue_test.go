package argon2id

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

const bcryptHash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

func newHasher() *Hasher {
	return sample.Must(New(Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}))
}

func secret() domain.Password { return sample.Password("secret") }

// calls returns one call of each kind that uses the queue.
func calls(hasher *Hasher, password domain.Password, stored string) map[string]func(context.Context) error {
	verify := func(hash string) func(context.Context) error {
		return func(ctx context.Context) error {
			match, outdated, err := hasher.Verify(ctx, domain.NewPasswordHash(hash), password)
			if err != nil && (match || outdated) {
				return errors.New("Verify returned a match with an error")
			}
			return err
		}
	}
	return map[string]func(context.Context) error{
		"Hash": func(ctx context.Context) error {
			hash, err := hasher.Hash(ctx, password)
			if err != nil && hash != (domain.PasswordHash{}) {
				return errors.New("Hash returned a hash with an error")
			}
			return err
		},
		"Verify":        verify(stored),
		"Verify empty":  verify(""),
		"Verify bcrypt": verify(bcryptHash),
	}
}

func stored(t testing.TB, hasher *Hasher) string {
	t.Helper()
	hash, err := hasher.Hash(t.Context(), secret())
	if err != nil {
		t.Fatal(err)
	}
	return hash.Reveal()
}

func TestNoMoreHashesAtOnceThanProcessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hasher, processors := newHasher(), int32(runtime.GOMAXPROCS(0))
		var working, done atomic.Int32
		proceed := make(chan struct{})
		hasher.derive = func(_, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
			working.Add(1)
			defer working.Add(-1)
			<-proceed
			return make([]byte, keyLen)
		}
		all := 3*processors + 1
		password := secret()
		for range all {
			go func() {
				if _, err := hasher.Hash(t.Context(), password); err != nil {
					t.Error(err)
				}
				done.Add(1)
			}()
		}
		for n := range all {
			synctest.Wait()
			if got, want := working.Load(), min(processors, all-n); got != want || done.Load() != n {
				t.Errorf("%d hashes are being computed and %d are done, want %d and %d", got, done.Load(), want, n)
			}
			proceed <- struct{}{}
		}
		synctest.Wait()
		if done.Load() != all {
			t.Errorf("%d hashes are done, want %d", done.Load(), all)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher()
		slots := cap(hasher.slots)
		proceed := make(chan struct{})
		hasher.derive = func(_, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
			<-proceed
			return make([]byte, keyLen)
		}
		password, hash := secret(), record{params: hasher.params, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}.String()
		results := make(chan error, 2*MaxWaiting*slots)
		for range slots * (1 + MaxWaiting) {
			go func() { results <- hashError(hasher, password) }()
		}
		synctest.Wait()
		wantLoad(t, hasher, Load{Working: slots, Waiting: slots * MaxWaiting})

		var refused uint64
		for name, call := range calls(hasher, password, hash) {
			wantUnavailable(t, name, call(t.Context()), errQueueFull)
			refused++
		}
		wantLoad(t, hasher, Load{Working: slots, Waiting: slots * MaxWaiting, Refused: refused})

		proceed <- struct{}{} // finishes one hash, which leaves room for one more call
		synctest.Wait()
		go func() { results <- hashError(hasher, password) }()
		synctest.Wait()
		wantUnavailable(t, "Hash", hashError(hasher, password), errQueueFull)
		close(proceed)
		for range slots*(1+MaxWaiting) + 1 {
			if err := <-results; err != nil {
				t.Errorf("a call in the queue returned %v, want nil", err)
			}
		}
		wantLoad(t, hasher, Load{Refused: refused + 1})
	})
}

func hashError(hasher *Hasher, password domain.Password) error {
	_, err := hasher.Hash(context.Background(), password)
	return err
}

func wantLoad(t *testing.T, hasher *Hasher, want Load) {
	t.Helper()
	if got := hasher.Load(); got != want {
		t.Errorf("the load is %+v, want %+v", got, want)
	}
}

func TestCallLeavesTheQueueWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher()
		for name, call := range calls(hasher, secret(), stored(t, hasher)) {
			for range cap(hasher.slots) {
				hasher.slots <- struct{}{}
			}
			cancelled, cancel := context.WithCancel(t.Context())
			expiring, stop := context.WithTimeout(t.Context(), time.Hour) // of the bubble's time
			results := make(chan error, 2)
			go func() { results <- call(cancelled) }()
			synctest.Wait()
			if len(results) > 0 {
				t.Errorf("%s returned while all slots were taken", name)
			}
			cancel()
			wantUnavailable(t, name, <-results, context.Canceled)
			go func() { results <- call(expiring) }()
			wantUnavailable(t, name, <-results, context.DeadlineExceeded)
			stop()

			// The two calls have left the queue.
			for range cap(hasher.slots) {
				<-hasher.slots
			}
			if err := call(t.Context()); err != nil || len(hasher.slots) > 0 {
				t.Errorf("%s with free slots returned %v, and %d slots are taken, want none", name, err, len(hasher.slots))
			}
		}
	})
}

func TestEndedContextIsUnavailable(t *testing.T) {
	hasher := newHasher()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(hasher, secret(), stored(t, hasher)) {
		for range 20 { // select chooses at random
			wantUnavailable(t, name, call(ctx), context.Canceled)
		}
	}
}

func wantUnavailable(t *testing.T, name string, err, cause error) {
	t.Helper()
	if !errors.Is(err, domain.Unavailable) || !errors.Is(err, cause) {
		t.Errorf("%s: the error is %v, want Unavailable because of %v", name, err, cause)
	}
}

func TestPanicFreesTheSlot(t *testing.T) {
	hasher := newHasher()
	func() {
		defer func() { _ = recover() }()
		_ = hasher.queue(t.Context(), func() { panic("test") })
	}()
	if len(hasher.slots) > 0 {
		t.Error("the slot is still taken")
	}
}
