package argon2id

import (
	"bytes"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

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
