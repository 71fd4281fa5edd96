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
)

const bcryptHash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

func newHasher(t testing.TB) *Hasher {
	t.Helper()
	hasher, err := New(Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1})
	if err != nil {
		t.Fatal(err)
	}
	return hasher
}

func secret(t testing.TB) domain.Password {
	t.Helper()
	password, err := domain.ParsePassword("secret")
	if err != nil {
		t.Fatal(err)
	}
	return password
}

// calls has one of each way to ask for work.
func calls(hasher *Hasher, password domain.Password, stored string) map[string]func(context.Context) error {
	verify := func(hash string) func(context.Context) error {
		return func(ctx context.Context) error {
			match, outdated, err := hasher.Verify(ctx, hash, password)
			if err != nil && (match || outdated) {
				return errors.New("a match with an error")
			}
			return err
		}
	}
	return map[string]func(context.Context) error{
		"Hash": func(ctx context.Context) error {
			hash, err := hasher.Hash(ctx, password)
			if err != nil && hash != "" {
				return errors.New("a hash with an error")
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
	hash, err := hasher.Hash(t.Context(), secret(t))
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestNoMoreAtOnceThanCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hasher, cores := newHasher(t), int32(runtime.GOMAXPROCS(0))
		var working, done atomic.Int32
		proceed := make(chan struct{})
		hasher.derive = func(_, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
			working.Add(1)
			defer working.Add(-1)
			<-proceed
			return make([]byte, keyLen)
		}
		all := 3*cores + 1
		password := secret(t)
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
			if got, want := working.Load(), min(cores, all-n); got != want || done.Load() != n {
				t.Errorf("%d at work and %d done, want %d and %d", got, done.Load(), want, n)
			}
			proceed <- struct{}{}
		}
		synctest.Wait()
		if done.Load() != all {
			t.Errorf("%d done, want %d", done.Load(), all)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher(t)
		slots := cap(hasher.slots)
		proceed := make(chan struct{})
		hasher.derive = func(_, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
			<-proceed
			return make([]byte, keyLen)
		}
		password, hash := secret(t), record{params: hasher.params, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}.String()
		results := make(chan error, 2*MaxWaiting*slots)
		for range slots * (1 + MaxWaiting) {
			go func() { results <- ask(hasher, password) }()
		}
		synctest.Wait()
		wantLoad(t, hasher, Load{Working: slots, Waiting: slots * MaxWaiting})

		var refused uint64
		for name, call := range calls(hasher, password, hash) {
			wantUnavailable(t, name, call(t.Context()), errTooMany)
			refused++
		}
		wantLoad(t, hasher, Load{Working: slots, Waiting: slots * MaxWaiting, Refused: refused})

		proceed <- struct{}{} // one is done, so there is room for one
		synctest.Wait()
		go func() { results <- ask(hasher, password) }()
		synctest.Wait()
		wantUnavailable(t, "Hash", ask(hasher, password), errTooMany)
		close(proceed)
		for range slots*(1+MaxWaiting) + 1 {
			if err := <-results; err != nil {
				t.Errorf("who was let in is told %v", err)
			}
		}
		wantLoad(t, hasher, Load{Refused: refused + 1})
	})
}

func ask(hasher *Hasher, password domain.Password) error {
	_, err := hasher.Hash(context.Background(), password)
	return err
}

func wantLoad(t *testing.T, hasher *Hasher, want Load) {
	t.Helper()
	if got := hasher.Load(); got != want {
		t.Errorf("the load is %+v, want %+v", got, want)
	}
}

func TestGivingUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher(t)
		for name, call := range calls(hasher, secret(t), stored(t, hasher)) {
			for range cap(hasher.slots) {
				hasher.slots <- struct{}{}
			}
			cancelled, cancel := context.WithCancel(t.Context())
			expiring, stop := context.WithTimeout(t.Context(), time.Hour) // of the bubble's time
			results := make(chan error, 2)
			go func() { results <- call(cancelled) }()
			synctest.Wait()
			if len(results) > 0 {
				t.Errorf("%s did not wait", name)
			}
			cancel()
			wantUnavailable(t, name, <-results, context.Canceled)
			go func() { results <- call(expiring) }()
			wantUnavailable(t, name, <-results, context.DeadlineExceeded)
			stop()

			// Who gave up is no longer in the way.
			for range cap(hasher.slots) {
				<-hasher.slots
			}
			if err := call(t.Context()); err != nil || len(hasher.slots) > 0 {
				t.Errorf("%s afterwards: %v, %d slots taken", name, err, len(hasher.slots))
			}
		}
	})
}

func TestContextDoneBefore(t *testing.T) {
	hasher := newHasher(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(hasher, secret(t), stored(t, hasher)) {
		for range 20 { // it must not be a matter of luck
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

func TestAPanicFreesTheSlot(t *testing.T) {
	hasher := newHasher(t)
	func() {
		defer func() { _ = recover() }()
		_ = hasher.inTurn(t.Context(), func() { panic("in the work") })
	}()
	if len(hasher.slots) > 0 {
		t.Error("the slot is still taken")
	}
}

// TestEmptyHashTakesTheWorkOfAWrongPassword compares what Argon2id is asked to
// do, on which alone its work depends.
func TestEmptyHashTakesTheWorkOfAWrongPassword(t *testing.T) {
	type work struct {
		password, salt int
		time, memory   uint32
		threads        uint8
		keyLen         uint32
	}
	hasher := newHasher(t)
	hash := stored(t, hasher)
	derive := hasher.derive
	var asked []work
	hasher.derive = func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
		asked = append(asked, work{len(password), len(salt), time, memory, threads, keyLen})
		return derive(password, salt, time, memory, threads, keyLen)
	}
	wrong, _ := domain.ParsePassword("Secret")
	for _, stored := range []string{hash, ""} {
		match, outdated, err := hasher.Verify(t.Context(), stored, wrong)
		if match || outdated || err != nil {
			t.Fatalf("Verify(%q) = %v, %v, %v", stored, match, outdated, err)
		}
	}
	if len(asked) != 2 || asked[0] != asked[1] {
		t.Errorf("the work of a wrong password and of an empty hash: %+v", asked)
	}
}

// TestEmptyHashNeverMatches, not even if the key were what one might compare it
// with.
func TestEmptyHashNeverMatches(t *testing.T) {
	hasher := newHasher(t)
	for _, key := range [][]byte{nil, make([]byte, keyBytes)} {
		hasher.derive = func(_, _ []byte, _, _ uint32, _ uint8, _ uint32) []byte { return key }
		if match, _, err := hasher.Verify(t.Context(), "", secret(t)); match || err != nil {
			t.Errorf("Verify = %v, %v", match, err)
		}
	}
}

func TestOutdatedByLength(t *testing.T) {
	hasher := newHasher(t)
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
		key, err := hasher.key(t.Context(), secret(t), r, uint32(test.key))
		if err != nil {
			t.Fatal(err)
		}
		r.key = key
		match, outdated, err := hasher.Verify(t.Context(), r.String(), secret(t))
		if !match || outdated != test.outdated || err != nil {
			t.Errorf("Verify of %d and %d bytes = %v, %v, %v", test.salt, test.key, match, outdated, err)
		}
	}
}

// FuzzVerify feeds stored hashes: none makes Verify panic, none that is refused
// costs work, and none that is accepted asks for more of it than the limits
// allow or is written in another form than ours.
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
	password := secret(f)
	f.Fuzz(func(t *testing.T, hash string) {
		if bcryptFormat.MatchString(hash) {
			return // its work cannot be replaced
		}
		hasher, worked := newHasher(t), false
		hasher.derive = func(_, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
			worked = true
			if err := (Params{MemoryKiB: memory, Iterations: time, Parallelism: threads}).check(); err != nil {
				t.Error(err)
			}
			if len(salt) < minSaltBytes || len(salt) > maxSaltBytes || keyLen < minKeyBytes || keyLen > maxKeyBytes {
				t.Errorf("a salt of %d bytes, a key of %d", len(salt), keyLen)
			}
			return bytes.Repeat([]byte{1}, int(keyLen))
		}
		_, _, err := hasher.Verify(t.Context(), hash, password)
		if worked != (err == nil) {
			t.Errorf("Verify(%q): work %v, error %v", hash, worked, err)
		}
		if r, err := parseRecord(hash); err == nil && r.String() != hash {
			t.Errorf("%q was read as %q", hash, r)
		}
	})
}
