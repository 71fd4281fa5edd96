package argon2id

import (
	"bytes"
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

// TestEmptyHashTakesAsLongAsAWrongPassword compares the arguments of Argon2id. The
// duration depends on nothing else.
func TestEmptyHashTakesAsLongAsAWrongPassword(t *testing.T) {
	type arguments struct {
		password, salt int
		time, memory   uint32
		threads        uint8
		keyLen         uint32
	}
	hasher := newHasher()
	hash := stored(t, hasher)
	derive := hasher.derive
	var got []arguments
	hasher.derive = func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
		got = append(got, arguments{len(password), len(salt), time, memory, threads, keyLen})
		return derive(password, salt, time, memory, threads, keyLen)
	}
	wrong := sample.Password("Secret")
	for _, stored := range []string{hash, ""} {
		match, outdated, err := hasher.Verify(t.Context(), domain.NewPasswordHash(stored), wrong)
		if match || outdated || err != nil {
			t.Fatalf("Verify(%q) = %v, %v, %v", stored, match, outdated, err)
		}
	}
	if len(got) != 2 || got[0] != got[1] {
		t.Errorf("the arguments for a wrong password and for an empty hash are %+v, want two equal ones", got)
	}
}

// TestEmptyHashNeverMatches covers the keys that an empty hash could be compared with.
func TestEmptyHashNeverMatches(t *testing.T) {
	hasher := newHasher()
	for _, key := range [][]byte{nil, make([]byte, keyBytes)} {
		hasher.derive = func(_, _ []byte, _, _ uint32, _ uint8, _ uint32) []byte { return key }
		if match, _, err := hasher.Verify(t.Context(), domain.PasswordHash{}, secret()); match || err != nil {
			t.Errorf("Verify = %v, %v", match, err)
		}
	}
}

func TestHashOfAnotherLengthIsOutdated(t *testing.T) {
	hasher := newHasher()
	for _, test := range []struct {
		salt, key int
		outdated  bool
	}{
		{saltBytes, keyBytes, false},
		{minSaltBytes, keyBytes, true},
		{maxSaltBytes, keyBytes, true},
		{saltBytes, minKeyBytes, true},
		{saltBytes, maxKeyBytes, true},
	} {
		r := record{params: hasher.params, salt: make([]byte, test.salt)}
		key, err := hasher.key(t.Context(), secret(), r, uint32(test.key))
		if err != nil {
			t.Fatal(err)
		}
		r.key = key
		match, outdated, err := hasher.Verify(t.Context(), domain.NewPasswordHash(r.String()), secret())
		if !match || outdated != test.outdated || err != nil {
			t.Errorf("Verify with a salt of %d bytes and a key of %d = %v, %v, %v; want true, %v, nil", test.salt, test.key, match, outdated, err, test.outdated)
		}
	}
}

// FuzzVerify checks arbitrary stored hashes. A refused hash must cause no computation.
// An accepted hash must be within the limits and in the form that record.String writes.
func FuzzVerify(f *testing.F) {
	f.Add("")
	f.Add("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg")
	f.Add("$argon2id$v=19$m=0,t=0,p=0$$")
	f.Add("$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg")
	f.Add("$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
	f.Add("$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
	f.Add("$2")
	password := secret()
	f.Fuzz(func(t *testing.T, hash string) {
		if bcryptFormat.MatchString(hash) {
			return // the test cannot replace the computation of bcrypt
		}
		hasher, worked := newHasher(), false
		hasher.derive = func(_, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
			worked = true
			if err := (Params{MemoryKiB: memory, Iterations: time, Parallelism: threads}).check(); err != nil {
				t.Error(err)
			}
			if len(salt) < minSaltBytes || len(salt) > maxSaltBytes || keyLen < minKeyBytes || keyLen > maxKeyBytes {
				t.Errorf("Verify accepted a salt of %d bytes and a key of %d", len(salt), keyLen)
			}
			return bytes.Repeat([]byte{1}, int(keyLen))
		}
		_, _, err := hasher.Verify(t.Context(), domain.NewPasswordHash(hash), password)
		if worked != (err == nil) {
			t.Errorf("Verify(%q) did work: %v, although its error is %v", hash, worked, err)
		}
		if r, err := parseRecord(hash); err == nil && r.String() != hash {
			t.Errorf("parseRecord(%q) = %q", hash, r)
		}
	})
}
