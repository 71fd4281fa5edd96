package conformance_test

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

func ExamplePasswordHasher() {
	var t *testing.T // the parameter of your test

	conformance.PasswordHasher(t, func(*testing.T) ports.PasswordHasher { return newKeyHasher() })
}

// keyHasher is a hasher with PBKDF2. Its hashes are pbkdf2$<salt>$<key>. Mutants replace
// its functions.
type keyHasher struct {
	salt   func() []byte
	derive func(password string, salt []byte) []byte
	equal  func(a, b []byte) bool
}

func newKeyHasher() *keyHasher {
	return &keyHasher{
		salt: func() []byte {
			salt := make([]byte, 16)
			rand.Read(salt) // never fails
			return salt
		},
		derive: func(password string, salt []byte) []byte {
			return sample.Must(pbkdf2.Key(sha256.New, password, salt, 1000, 32))
		},
		equal: func(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 },
	}
}

func (h *keyHasher) Hash(ctx context.Context, password domain.Password) (domain.PasswordHash, error) {
	if ctx.Err() != nil {
		return domain.PasswordHash{}, domain.Unavailable
	}
	salt := h.salt()
	key := h.derive(password.Reveal(), salt)
	encode := base64.RawStdEncoding.EncodeToString
	return domain.NewPasswordHash("pbkdf2$" + encode(salt) + "$" + encode(key)), nil
}

func (h *keyHasher) Verify(ctx context.Context, hash domain.PasswordHash, password domain.Password) (match, outdated bool, err error) {
	if ctx.Err() != nil {
		return false, false, domain.Unavailable
	}
	if hash == (domain.PasswordHash{}) {
		h.derive(password.Reveal(), make([]byte, 16))
		return false, false, nil
	}
	fields := strings.Split(hash.Reveal(), "$")
	if len(fields) != 3 || fields[0] != "pbkdf2" {
		return false, false, errDriver
	}
	decode := base64.RawStdEncoding.Strict().DecodeString
	salt, errSalt := decode(fields[1])
	key, errKey := decode(fields[2])
	if errSalt != nil || errKey != nil {
		return false, false, errDriver
	}
	return h.equal(key, h.derive(password.Reveal(), salt)), false, nil
}

// brokenHasher returns a test that runs the suite on a damaged hasher.
func brokenHasher(damage func(*keyHasher)) func(*testing.T) {
	return suiteOn(conformance.PasswordHasher, func() ports.PasswordHasher {
		h := newKeyHasher()
		damage(h)
		return h
	})
}

// mockedHasher returns a test that runs the suite on a mock of a good hasher, of which
// damage replaces methods.
func mockedHasher(damage func(broken *fakes.PasswordHasherMock, good ports.PasswordHasher)) func(*testing.T) {
	return damaged(conformance.PasswordHasher, func() ports.PasswordHasher { return newKeyHasher() },
		func(good ports.PasswordHasher) *fakes.PasswordHasherMock {
			return &fakes.PasswordHasherMock{HashFunc: good.Hash, VerifyFunc: good.Verify}
		}, damage)
}

// readingPasswordsAs returns a test that runs the suite on a hasher that changes passwords.
func readingPasswordsAs(change func(string) string) func(*testing.T) {
	return brokenHasher(func(h *keyHasher) {
		good := h.derive
		h.derive = func(password string, salt []byte) []byte { return good(change(password), salt) }
	})
}

// answering returns a test that runs the suite on a hasher whose results Verify changes.
func answering(change func(hash string, match, outdated bool, err error) (bool, bool, error)) func(*testing.T) {
	return mockedHasher(func(broken *fakes.PasswordHasherMock, good ports.PasswordHasher) {
		broken.VerifyFunc = func(ctx context.Context, hash domain.PasswordHash, password domain.Password) (bool, bool, error) {
			match, outdated, err := good.Verify(ctx, hash, password)
			if errors.Is(err, domain.Unavailable) {
				return match, outdated, err
			}
			return change(hash.Reveal(), match, outdated, err)
		}
	})
}

func hasherMutants() []mutant {
	type mock = *fakes.PasswordHasherMock
	first := func(n int) func(string) string {
		return func(password string) string { return password[:min(len(password), n)] }
	}
	return []mutant{
		{unbroken, nil, brokenHasher(func(*keyHasher) {})},

		{"MatchesEveryPassword", []string{"MatchesItsPassword", "EveryByteCounts", "ConcurrentCalls"}, brokenHasher(func(h *keyHasher) {
			h.equal = func(a, b []byte) bool { return len(a) == len(b) }
		})},
		{"MatchesNoPassword", []string{"MatchesItsPassword"}, brokenHasher(func(h *keyHasher) {
			h.equal = func(_, _ []byte) bool { return false }
		})},
		{"NewHashIsOutdated", []string{"MatchesItsPassword"}, answering(func(_ string, match, _ bool, err error) (bool, bool, error) {
			return match, match, err
		})},
		{"OutdatedWithoutMatch", []string{"MatchesItsPassword"}, answering(func(_ string, match, _ bool, err error) (bool, bool, error) {
			return match, !match, err
		})},
		{"MismatchIsAnError", []string{"MatchesItsPassword"}, answering(func(_ string, match, outdated bool, err error) (bool, bool, error) {
			if !match {
				return false, false, errDriver
			}
			return match, outdated, err
		})},

		{"Uses72Bytes", []string{"EveryByteCounts"}, readingPasswordsAs(first(72))},
		{"Uses8Bytes", []string{"EveryByteCounts"}, readingPasswordsAs(first(8))},
		{"Uses255Bytes", []string{"EveryByteCounts"}, readingPasswordsAs(first(255))},
		{"UsesAllButTheLastByte", []string{"EveryByteCounts"}, readingPasswordsAs(first(domain.MaxPasswordBytes - 1))},
		{"RefusesLongPasswords", []string{"MatchesItsPassword", "EveryByteCounts"}, mockedHasher(func(broken mock, good ports.PasswordHasher) {
			broken.HashFunc = func(ctx context.Context, password domain.Password) (domain.PasswordHash, error) {
				if len(password.Reveal()) > 72 {
					return domain.PasswordHash{}, errDriver
				}
				return good.Hash(ctx, password)
			}
		})},

		{"TrimsSpace", []string{"NothingIsTrimmed"}, readingPasswordsAs(strings.TrimSpace)},
		{"TrimsTheLineEnd", []string{"NothingIsTrimmed"}, readingPasswordsAs(func(s string) string { return strings.TrimRight(s, "\r\n") })},
		{"DropsSpace", []string{"NothingIsTrimmed"}, readingPasswordsAs(func(s string) string { return strings.ReplaceAll(s, " ", "") })},
		{"IgnoresCase", []string{"NothingIsTrimmed"}, readingPasswordsAs(strings.ToLower)},
		{"Normalizes", []string{"NothingIsTrimmed"}, readingPasswordsAs(func(s string) string { return strings.ReplaceAll(s, "e\u0301", "\u00e9") })},

		{"NoSalt", []string{"Salt"}, brokenHasher(func(h *keyHasher) { h.salt = func() []byte { return make([]byte, 16) } })},
		{"IgnoresTheSalt", []string{"Salt"}, brokenHasher(func(h *keyHasher) {
			good := h.derive
			h.derive = func(password string, _ []byte) []byte { return good(password, nil) }
		})},

		{"EmptyHashMatches", []string{"EmptyHash"}, answering(func(hash string, match, outdated bool, err error) (bool, bool, error) {
			return match || hash == "", outdated, err
		})},
		{"EmptyHashIsOutdated", []string{"EmptyHash"}, answering(func(hash string, match, outdated bool, err error) (bool, bool, error) {
			return match, outdated || hash == "", err
		})},
		{"EmptyHashIsAnError", []string{"EmptyHash"}, answering(func(hash string, match, outdated bool, err error) (bool, bool, error) {
			if hash == "" {
				return false, false, errDriver
			}
			return match, outdated, err
		})},
		{"EmptyHashIsRefusedAtOnce", []string{"EmptyHashTakesAsLong"}, mockedHasher(func(broken mock, good ports.PasswordHasher) {
			broken.VerifyFunc = func(ctx context.Context, hash domain.PasswordHash, password domain.Password) (bool, bool, error) {
				if hash == (domain.PasswordHash{}) && ctx.Err() == nil {
					return false, false, nil
				}
				return good.Verify(ctx, hash, password)
			}
		})},

		{"ComparesThePartThatIsThere", []string{"DamagedHash"}, brokenHasher(func(h *keyHasher) {
			h.equal = func(stored, key []byte) bool { return bytes.HasPrefix(key, stored) }
		})},
		{"TakesPlainText", []string{"DamagedHash"}, mockedHasher(func(broken mock, good ports.PasswordHasher) {
			broken.VerifyFunc = func(ctx context.Context, hash domain.PasswordHash, password domain.Password) (bool, bool, error) {
				if hash.Reveal() == password.Reveal() {
					return true, true, nil
				}
				return good.Verify(ctx, hash, password)
			}
		})},
		{"MatchesWhatItCannotRead", []string{"DamagedHash"}, answering(func(_ string, match, outdated bool, err error) (bool, bool, error) {
			return match || err != nil, outdated, nil
		})},

		{"SharesABuffer", []string{"ConcurrentCalls"}, brokenHasher(func(h *keyHasher) {
			var mu sync.Mutex
			var shared string
			good, both := h.derive, newMeeting()
			h.derive = func(password string, salt []byte) []byte {
				mu.Lock()
				shared = password
				mu.Unlock()
				if both.wait() {
					mu.Lock()
					password = shared
					mu.Unlock()
				}
				return good(password, salt)
			}
		})},
		{"OneAtATime", []string{"ConcurrentCalls"}, mockedHasher(func(broken mock, good ports.PasswordHasher) {
			busy := newSlot()
			broken.HashFunc = func(ctx context.Context, password domain.Password) (hash domain.PasswordHash, err error) {
				err = busy.do(func() error {
					hash, err = good.Hash(ctx, password)
					return err
				})
				return hash, err
			}
		})},

		{"IgnoresItsContext", []string{"EndedContext"}, mockedHasher(func(broken mock, good ports.PasswordHasher) {
			broken.HashFunc = func(_ context.Context, password domain.Password) (domain.PasswordHash, error) {
				return good.Hash(context.Background(), password)
			}
		})},
		{"IgnoresTheContextOfAnEmptyHash", []string{"EndedContext"}, mockedHasher(func(broken mock, good ports.PasswordHasher) {
			broken.VerifyFunc = func(ctx context.Context, hash domain.PasswordHash, password domain.Password) (bool, bool, error) {
				if hash == (domain.PasswordHash{}) {
					ctx = context.Background()
				}
				return good.Verify(ctx, hash, password)
			}
		})},
		{"ReturnsTheErrorOfTheContext", []string{"EndedContext"}, mockedHasher(func(broken mock, good ports.PasswordHasher) {
			broken.HashFunc = func(ctx context.Context, password domain.Password) (domain.PasswordHash, error) {
				if ctx.Err() != nil {
					return domain.PasswordHash{}, ctx.Err()
				}
				return good.Hash(ctx, password)
			}
		})},
		{"MatchesWhenTheContextEnds", []string{"EndedContext"}, mockedHasher(func(broken mock, good ports.PasswordHasher) {
			broken.VerifyFunc = func(ctx context.Context, hash domain.PasswordHash, password domain.Password) (bool, bool, error) {
				match, outdated, err := good.Verify(ctx, hash, password)
				return match || err != nil, outdated, err
			}
		})},
		{"HangsPastItsContext", []string{"ContextEndsMeanwhile"}, mockedHasher(func(broken mock, good ports.PasswordHasher) {
			broken.HashFunc = func(ctx context.Context, password domain.Password) (domain.PasswordHash, error) {
				if endsMeanwhile(ctx) {
					select {} // the slot that it waits for is never free
				}
				return good.Hash(ctx, password)
			}
		})},
		{"GivesNoHashWhenTheContextEnds", []string{"ContextEndsMeanwhile"}, mockedHasher(func(broken mock, good ports.PasswordHasher) {
			broken.HashFunc = func(ctx context.Context, password domain.Password) (hash domain.PasswordHash, err error) {
				err = whenTheContextEnds(ctx, func() error {
					hash, err = good.Hash(ctx, password)
					return except(domain.Unavailable, err)
				})
				return hash, err
			}
		})},
	}
}
