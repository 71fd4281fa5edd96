package argon2id_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

var (
	cheap = argon2id.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}

	seventyTwo = strings.Repeat("0123456789ab", 6)
)

func newHasher(params argon2id.Params) *argon2id.Hasher {
	return sample.Must(argon2id.New(params))
}

func hash(t testing.TB, hasher *argon2id.Hasher, password string) string {
	t.Helper()
	hash, err := hasher.Hash(t.Context(), sample.Password(password))
	if err != nil {
		t.Fatal(err)
	}
	return hash.Reveal()
}

func wantVerify(t *testing.T, hasher *argon2id.Hasher, hash, password string, wantMatch, wantOutdated bool) {
	t.Helper()
	match, outdated, err := hasher.Verify(t.Context(), domain.NewPasswordHash(hash), sample.Password(password))
	if match != wantMatch || outdated != wantOutdated || err != nil {
		t.Errorf("Verify(%q, %q) = %v, %v, %v; want %v, %v", hash, password, match, outdated, err, wantMatch, wantOutdated)
	}
	if _, err := domain.ParsePasswordHash(hash); err != nil {
		t.Errorf("an import would refuse %q: %v", hash, err)
	}
}

func TestNewRefusesUnusableParams(t *testing.T) {
	for _, params := range []argon2id.Params{
		{},
		{MemoryKiB: 64, Iterations: 0, Parallelism: 1},
		{MemoryKiB: 64, Iterations: 1, Parallelism: 0},
		{MemoryKiB: 7, Iterations: 1, Parallelism: 1},
		{MemoryKiB: 8*255 - 1, Iterations: 1, Parallelism: 255},
		{MemoryKiB: 1<<20 + 1, Iterations: 1, Parallelism: 1},
		{MemoryKiB: 1 << 20, Iterations: 5, Parallelism: 1},
		{MemoryKiB: 1<<32 - 1, Iterations: 1<<32 - 1, Parallelism: 255},
	} {
		if _, err := argon2id.New(params); err == nil {
			t.Errorf("New accepted %+v", params)
		}
	}
	for _, params := range []argon2id.Params{
		argon2id.DefaultParams(),
		{MemoryKiB: 8, Iterations: 1, Parallelism: 1},
		{MemoryKiB: 8 * 255, Iterations: 1, Parallelism: 255},
		{MemoryKiB: 1 << 20, Iterations: 4, Parallelism: 4},
	} {
		if _, err := argon2id.New(params); err != nil {
			t.Errorf("New(%+v): %v", params, err)
		}
	}
}

func TestDefaultParamsAreInTheHash(t *testing.T) {
	hasher := newHasher(argon2id.DefaultParams())
	text := hash(t, hasher, "secret")
	if !regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`).MatchString(text) {
		t.Errorf("Hash = %s, want a PHC string with the default parameters", text)
	}
	wantVerify(t, hasher, text, "secret", true, false)
	wantVerify(t, hasher, text, "Secret", false, false)
}

func TestRoundTrip(t *testing.T) {
	hasher := newHasher(cheap)
	for _, password := range []string{
		"a", " ", "  leading and trailing  ", "\t\r\n", "пароль", "密码🔑", "e\u0301", "\u00e9",
		seventyTwo, seventyTwo + "x", strings.Repeat("p", domain.MaxPasswordBytes),
	} {
		text := hash(t, hasher, password)
		wantVerify(t, hasher, text, password, true, false)
		if len(password) < domain.MaxPasswordBytes {
			wantVerify(t, hasher, text, password+" ", false, false)
		}
		if again := hash(t, hasher, password); again == text {
			t.Errorf("two hashes of %q are the same", password)
		}
	}
	wantVerify(t, hasher, hash(t, hasher, "e\u0301"), "\u00e9", false, false)
}

func TestEveryByteOfAPasswordCounts(t *testing.T) {
	hasher := newHasher(cheap)
	wantVerify(t, hasher, hash(t, hasher, seventyTwo+"x"), seventyTwo+"y", false, false)
	wantVerify(t, hasher, hash(t, hasher, seventyTwo+"x"), seventyTwo, false, false)
	long := strings.Repeat("p", domain.MaxPasswordBytes-1)
	wantVerify(t, hasher, hash(t, hasher, long+"x"), long+"y", false, false)
}

// TestReferenceVectors uses vectors from src/test.c of the reference implementation,
// version 0x13.
func TestReferenceVectors(t *testing.T) {
	hasher := newHasher(cheap)
	for _, reference := range []string{
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
	} {
		wantVerify(t, hasher, reference, "password", true, true)
		wantVerify(t, hasher, reference, "Password", false, false)
	}
}

// TestBcryptVectors uses vectors from wrapper.c of crypt_blowfish. The prefixes name
// implementations of the same algorithm.
func TestBcryptVectors(t *testing.T) {
	hasher := newHasher(cheap)
	for _, vector := range []struct{ rest, password string }{
		{"$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
		{"$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"},
		{"$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U"},
	} {
		for _, prefix := range []string{"$2a", "$2b", "$2y"} {
			wantVerify(t, hasher, prefix+vector.rest, vector.password, true, true)
			wantVerify(t, hasher, prefix+vector.rest, vector.password+"x", false, false)
		}
	}
}

func TestBcryptUsesOnly72Bytes(t *testing.T) {
	hasher := newHasher(cheap)
	const ofLong = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui" // from wrapper.c
	const first72 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for _, password := range []string{first72, first72 + "chars after 72 are ignored", first72 + strings.Repeat("é", 400)} {
		wantVerify(t, hasher, ofLong, password, true, true)
	}
	wantVerify(t, hasher, ofLong, first72[:71], false, false)
	wantVerify(t, hasher, ofLong, "x"+first72, false, false)
}

func TestHashWithOtherParamsIsOutdated(t *testing.T) {
	current := argon2id.Params{MemoryKiB: 64, Iterations: 2, Parallelism: 2}
	hasher := newHasher(current)
	for _, test := range []struct {
		stored   argon2id.Params
		outdated bool
	}{
		{current, false},
		{argon2id.Params{MemoryKiB: 32, Iterations: 2, Parallelism: 2}, true},
		{argon2id.Params{MemoryKiB: 128, Iterations: 2, Parallelism: 2}, true},
		{argon2id.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 2}, true},
		{argon2id.Params{MemoryKiB: 64, Iterations: 3, Parallelism: 2}, true},
		{argon2id.Params{MemoryKiB: 64, Iterations: 2, Parallelism: 1}, true},
	} {
		stored := hash(t, newHasher(test.stored), "secret")
		wantVerify(t, hasher, stored, "secret", true, test.outdated)
		wantVerify(t, hasher, stored, "other", false, false)
	}
}

func TestVerifyRefusesOtherFormats(t *testing.T) {
	const (
		salt = "c29tZXNhbHQ"
		key  = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
		good = "$argon2id$v=19$m=256,t=2,p=1$" + salt + "$" + key
		old  = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	)
	hasher := newHasher(cheap)
	wantVerify(t, hasher, good, "password", true, true)
	for name, stored := range map[string]string{
		"plain text":               "password",
		"space":                    " ",
		"dollar":                   "$",
		"dollars":                  "$$$$$",
		"argon2i":                  strings.Replace(good, "argon2id", "argon2i", 1),
		"argon2d":                  strings.Replace(good, "argon2id", "argon2d", 1),
		"scrypt":                   "$scrypt$ln=16,r=8,p=1$" + salt + "$" + key,
		"PBKDF2":                   "pbkdf2:sha256:600000$" + salt + "$" + key,
		"SHA-512 crypt":            "$6$" + salt + "$" + key,
		"Django's prefix":          "argon2" + good,
		"version 16":               strings.Replace(good, "v=19", "v=16", 1),
		"version 019":              strings.Replace(good, "v=19", "v=019", 1),
		"no version":               strings.Replace(good, "$v=19", "", 1),
		"no parameters":            strings.Replace(good, "$m=256,t=2,p=1", "", 1),
		"parameter missing":        strings.Replace(good, ",p=1", "", 1),
		"additional parameter":     strings.Replace(good, "p=1", "p=1,data=AAAA", 1),
		"parameters reordered":     strings.Replace(good, "m=256,t=2", "t=2,m=256", 1),
		"no iterations":            strings.Replace(good, "t=2", "t=0", 1),
		"no lanes":                 strings.Replace(good, "p=1", "p=0", 1),
		"too many lanes":           strings.Replace(good, "p=1", "p=256", 1),
		"no memory":                strings.Replace(good, "m=256", "m=0", 1),
		"little memory":            strings.Replace(good, "m=256", "m=7", 1),
		"absurd memory":            strings.Replace(good, "m=256", "m=4294967295", 1),
		"memory past 32 bits":      strings.Replace(good, "m=256", "m=4294967552", 1),
		"absurd iterations":        strings.Replace(good, "t=2", "t=4294967295", 1),
		"negative":                 strings.Replace(good, "t=2", "t=-2", 1),
		"plus sign":                strings.Replace(good, "t=2", "t=+2", 1),
		"leading zero":             strings.Replace(good, "t=2", "t=02", 1),
		"space in a number":        strings.Replace(good, "t=2", "t= 2", 1),
		"hexadecimal":              strings.Replace(good, "t=2", "t=0x2", 1),
		"something after a number": strings.Replace(good, "p=1", "p=1x", 1),
		"no salt":                  strings.Replace(good, salt, "", 1),
		"short salt":               strings.Replace(good, salt, "c29tZXNhbA", 1),
		"long salt":                strings.Replace(good, salt, strings.Repeat("AAAA", 17), 1),
		"salt with padding":        strings.Replace(good, salt, salt+"=", 1),
		"salt with spare bits":     strings.Replace(good, salt, "c29tZXNhbHR", 1),
		"salt not base64":          strings.Replace(good, salt, "c29tZXNhbH!", 1),
		"salt with a line feed":    strings.Replace(good, salt, salt+"\n", 1),
		"no key":                   strings.TrimSuffix(good, key),
		"no key and no dollar":     strings.TrimSuffix(good, "$"+key),
		"short key":                strings.Replace(good, key, "nf65EOgLrQMR/uI", 1),
		"long key":                 strings.Replace(good, key, strings.Repeat("AAAA", 22), 1),
		"key cut":                  good[:len(good)-2],
		"key of URL base64":        strings.Replace(good, key, strings.ReplaceAll(key, "/", "_"), 1),
		"line feed after":          good + "\n",
		"space before":             " " + good,
		"additional field":         good + "$",
		"bcrypt $2$":               "$2$05$" + old,
		"bcrypt $2x$":              "$2x$05$" + old,
		"bcrypt $2c$":              "$2c$05$" + old,
		"bcrypt cut":               "$2a$05$" + old[:52],
		"bcrypt too long":          "$2a$05$" + old + "W",
		"bcrypt, a line feed":      "$2a$05$" + old + "\n",
		"bcrypt of cost 3":         "$2a$03$" + old,
		"bcrypt of cost 31":        "$2a$31$" + old,
		"bcrypt of cost 17":        "$2a$17$" + old,
		"bcrypt of cost +5":        "$2a$+5$" + old,
		"bcrypt not base64":        "$2a$05$" + strings.Replace(old, "CC", "C!", 1),
		"bcrypt's prefix":          "$2a$",
	} {
		t.Run(name, func(t *testing.T) {
			match, outdated, err := hasher.Verify(t.Context(), domain.NewPasswordHash(stored), sample.Password("password"))
			if match || outdated || err == nil {
				t.Fatalf("Verify(%q) = %v, %v, %v; want an error", stored, match, outdated, err)
			}
			if _, err := domain.ParsePasswordHash(stored); err == nil {
				t.Errorf("an import would accept %q", stored)
			}
			for _, part := range []string{salt, key[:10], old[:10], old[22:32], "256"} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("the error contains a part of the hash: %v", err)
				}
			}
		})
	}
}

func BenchmarkHasher(b *testing.B) {
	conformance.BenchmarkPasswordHasher(b, func(*testing.B) ports.PasswordHasher { return newHasher(argon2id.DefaultParams()) })
}

func TestConformance(t *testing.T) {
	conformance.PasswordHasher(t, func(*testing.T) ports.PasswordHasher { return newHasher(cheap) })
}
