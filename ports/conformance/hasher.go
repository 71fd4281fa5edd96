package conformance

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// PasswordHasher tests the promises of a [ports.PasswordHasher]. Open returns a new
// hasher. The suite makes several hundred hashes: open should return a hasher with the
// lowest cost that it allows.
func PasswordHasher(t *testing.T, open func(t *testing.T) ports.PasswordHasher) {
	run(t, func(t *testing.T) hasher { return hasher{t, open(t)} }, []promise[hasher]{
		{"MatchesItsPassword", hasher.matchesItsPassword},
		{"EveryByteCounts", hasher.everyByteCounts},
		{"NothingIsTrimmed", hasher.nothingIsTrimmed},
		{"Salt", hasher.saltCounts},
		{"EmptyHash", hasher.emptyHash},
		{"EmptyHashTakesAsLong", hasher.emptyHashTakesAsLong},
		{"DamagedHash", hasher.damagedHash},
		{"ConcurrentCalls", hasher.concurrentCalls},
		{"EndedContext", hasher.endedContext},
		{"ContextEndsMeanwhile", hasher.contextEndsMeanwhile},
	})
}

type hasher struct {
	*testing.T
	ports.PasswordHasher
}

func (t hasher) hash(password string) domain.PasswordHash {
	t.Helper()
	hash, err := t.Hash(t.Context(), sample.Password(password))
	if err != nil {
		t.Fatalf("Hash of %s failed: %v", brief(password), err)
	}
	if hash == (domain.PasswordHash{}) {
		t.Fatalf("Hash of %s returned no hash", brief(password))
	}
	return hash
}

// wantMatch wants the hash to match the password and to be up to date.
func (t hasher) wantMatch(hash domain.PasswordHash, password string) {
	t.Helper()
	match, outdated, err := t.Verify(t.Context(), hash, sample.Password(password))
	if !match || outdated || err != nil {
		t.Errorf("Verify of a new hash and its password %s = %v, %v, %v, want true, false, nil", brief(password), match, outdated, err)
	}
}

// wantNoMatch wants the hash not to match the password, without an error.
func (t hasher) wantNoMatch(hash domain.PasswordHash, of, password string) {
	t.Helper()
	match, outdated, err := t.Verify(t.Context(), hash, sample.Password(password))
	if match || outdated || err != nil {
		t.Errorf("Verify of %s and the password %s = %v, %v, %v, want false, false, nil", of, brief(password), match, outdated, err)
	}
}

func (t hasher) matchesItsPassword() {
	for _, password := range []string{
		"x", "open sesame", "пароль", "密码🔑", "$2a$10$", "\x01\x7f",
		strings.Repeat("é", 36), strings.Repeat("p", domain.MaxPasswordBytes), strings.Repeat("🔑", domain.MaxPasswordBytes/4),
	} {
		hash := t.hash(password)
		t.wantMatch(hash, password)
		t.wantMatch(domain.NewPasswordHash(strings.Clone(hash.Reveal())), password) // as a store returns it
		t.wantNoMatch(hash, "the hash of "+brief(password), "another")
	}
}

// everyByteCounts compares long passwords of which one byte differs, near the lengths at
// which algorithms cut passwords: 72 is the limit of bcrypt.
func (t hasher) everyByteCounts() {
	for _, length := range []int{8, 16, 32, 55, 56, 64, 71, 72, 73, 74, 100, 127, 128, 129, 255, 256, 257, 512, domain.MaxPasswordBytes} {
		password := strings.Repeat("p", length)
		hash, of := t.hash(password), fmt.Sprintf("the hash of %d bytes", length)
		t.wantNoMatch(hash, of, password[:length-1]+"q")
		t.wantNoMatch(hash, of, "q"+password[1:])
		t.wantNoMatch(hash, of, password[1:])
		if length < domain.MaxPasswordBytes {
			t.wantNoMatch(hash, of, password+"p")
		}
	}
}

func (t hasher) nothingIsTrimmed() {
	for _, pair := range [][2]string{
		{"open sesame", "open sesame "},
		{"open sesame", " open sesame"},
		{"open sesame", "open sesame\n"},
		{"open sesame", "open sesame\r\n"},
		{"open sesame", "\topen sesame"},
		{"open sesame", "open sesame\u00a0"},
		{"open sesame", "opensesame"},
		{"open sesame", "Open sesame"},
		{"open sesame", "OPEN SESAME"},
		{" ", "  "},
		{"\u00e9", "e\u0301"}, // a normal form
		{"K", "\u212a"},       // the Kelvin sign
	} {
		for _, passwords := range [][2]string{pair, {pair[1], pair[0]}} {
			hash := t.hash(passwords[0])
			t.wantMatch(hash, passwords[0])
			t.wantNoMatch(hash, "the hash of "+brief(passwords[0]), passwords[1])
		}
	}
}

// saltCounts wants two hashes of one password to differ, and to have no more text in
// common than hashes of two passwords: a hasher could write a salt that it does not use.
func (t hasher) saltCounts() {
	one, same, other := t.hash("open sesame"), t.hash("open sesame"), t.hash("simsala bim")
	if one == same {
		t.Error("two hashes of one password are the same")
	}
	const chance = 8 // characters that hashes may have in common by chance
	common, want := longestCommon(one.Reveal(), same.Reveal()), longestCommon(one.Reveal(), other.Reveal())
	if common > want+chance {
		t.Errorf("two hashes of one password have %d characters in a row in common, those of two passwords have %d: the salt is not used", common, want)
	}
	t.wantMatch(one, "open sesame")
	t.wantMatch(same, "open sesame")
}

// longestCommon returns the length of the longest text that is in both a and b.
func longestCommon(a, b string) (longest int) {
	for start := range a {
		for start+longest < len(a) && strings.Contains(b, a[start:start+longest+1]) {
			longest++
		}
	}
	return longest
}

func (t hasher) emptyHash() {
	for _, password := range []string{"x", "open sesame", strings.Repeat("p", domain.MaxPasswordBytes)} {
		t.wantNoMatch(domain.PasswordHash{}, "an empty hash", password)
	}
}

// emptyHashTakesAsLong compares the shortest of several durations. It allows a factor of
// four, because other programs disturb the measurement.
func (t hasher) emptyHashTakesAsLong() {
	hash := t.hash("open sesame")
	duration := func(hash domain.PasswordHash) time.Duration {
		start := time.Now()
		t.wantNoMatch(hash, "the hash", "another password")
		return time.Since(start)
	}
	empty, full := time.Hour, time.Hour
	for range 10 {
		empty, full = min(empty, duration(domain.PasswordHash{})), min(full, duration(hash))
	}
	if 4*empty < full {
		t.Errorf("Verify of an empty hash took %v and that of another hash %v: the difference tells which accounts exist", empty, full)
	}
}

// damagedHash wants no match for texts that Hash did not return. An error is allowed.
func (t hasher) damagedHash() {
	const password = "open sesame"
	hash := t.hash(password).Reveal()
	damaged := []string{password, " ", "$", "\x00", "{}", strings.Repeat("$", 100), hash + hash, strings.ToUpper(hash), hash[1:]}
	for _, n := range []int{1, len(hash) / 2, len(hash) * 3 / 4, len(hash) - 8, len(hash) - 4, len(hash) - 2, len(hash) - 1} {
		damaged = append(damaged, hash[:max(n, 0)])
	}
	for i, c := range hash {
		if strings.ContainsRune("$:,.", c) {
			damaged = append(damaged, hash[:i], hash[:i+1])
		}
	}
	for _, text := range damaged {
		if text == hash { // without letters, say
			continue
		}
		match, outdated, _ := t.Verify(t.Context(), domain.NewPasswordHash(text), sample.Password(password))
		if match || outdated {
			t.Errorf("Verify of the damaged hash %s = %v, %v, want false, false", brief(text), match, outdated)
		}
	}
}

// concurrentCalls wants every call to work with its own password and hash.
func (t hasher) concurrentCalls() {
	hashes := make([]domain.PasswordHash, contenders)
	password := func(i int) string { return fmt.Sprintf("password %d", i) }
	wantNoErrors(t.T, "Hash", race(contenders, func(i int) (err error) {
		hashes[i], err = t.Hash(t.Context(), sample.Password(password(i)))
		return err
	}))
	wantNoErrors(t.T, "Verify", race(contenders, func(i int) error {
		match, _, err := t.Verify(t.Context(), hashes[i], sample.Password(password(i)))
		return orWrongResult(err, match)
	}))
	wantNoErrors(t.T, "Verify of another hash", race(contenders, func(i int) error {
		match, _, err := t.Verify(t.Context(), hashes[(i+1)%contenders], sample.Password(password(i)))
		return orWrongResult(err, !match)
	}))
}

func (t hasher) endedContext() {
	hash := t.hash("open sesame")
	eachEnded(t.T, func(how string, ctx context.Context) {
		for call, err := range t.callAll(ctx, hash) {
			wantKind(t.T, call+" "+how, err, domain.Unavailable)
		}
	})
	t.wantMatch(hash, "open sesame")
}

// contextEndsMeanwhile wants calls to return soon after their contexts have ended.
func (t hasher) contextEndsMeanwhile() {
	hash := t.hash("open sesame")
	start := time.Now()
	t.wantMatch(hash, "open sesame")
	limit := 2*time.Second + 4*contenders*time.Since(start) // a hash that is being computed need not be given up

	returned := make(chan []error, 1)
	go func() {
		returned <- raceEnding(t.Context(), func(ctx context.Context, i int) error {
			if i%2 == 0 {
				made, err := t.Hash(ctx, sample.Password("open sesame"))
				return orWrongResult(err, made != (domain.PasswordHash{}))
			}
			match, _, err := t.Verify(ctx, hash, sample.Password("open sesame"))
			return orWrongResult(err, match)
		})
	}()
	select {
	case errs := <-returned:
		for _, err := range errs {
			if err != nil {
				wantKind(t.T, "a call, while its context ends,", err, domain.Unavailable)
			}
		}
	case <-time.After(limit):
		t.Fatalf("a call has not returned %v after its context ended", limit)
	}
	t.wantMatch(hash, "open sesame")
}

// callAll calls each method and returns the errors.
func (t hasher) callAll(ctx context.Context, hash domain.PasswordHash) map[string]error {
	password := sample.Password("open sesame")
	made, hashErr := t.Hash(ctx, password)
	if hashErr != nil && made != (domain.PasswordHash{}) {
		t.Error("Hash returned a hash with its error")
	}
	verify := func(hash domain.PasswordHash) error {
		match, outdated, err := t.Verify(ctx, hash, password)
		if err != nil && (match || outdated) {
			t.Errorf("Verify returned %v, %v with the error %v", match, outdated, err)
		}
		return err
	}
	return map[string]error{"Hash": hashErr, "Verify": verify(hash), "Verify of an empty hash": verify(domain.PasswordHash{})}
}
