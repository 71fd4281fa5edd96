package jwtsigner

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// signNth returns the claims with the n-th id as a token, and the claims.
func signNth(t *testing.T, s *Signer, n int) (string, domain.Claims) {
	t.Helper()
	claims := domain.NewClaims(sample.ID(n), sample.User(1), sample.Time(), time.Hour)
	token, err := s.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return token, claims
}

// newTestSigner returns a signer whose secret is the letter, repeated.
func newTestSigner(letter string) *Signer {
	return sample.Must(New(Config{Signing: sample.Must(NewSecret([]byte(strings.Repeat(letter, MinSecretBytes))))}))
}

func TestCacheOfVerifiedTokensIsBounded(t *testing.T) {
	t.Parallel()
	s := newTestSigner("k")
	for n := range cacheSize + 10 {
		token, want := signNth(t, s, n)
		for range 2 {
			if got, err := s.Verify(token); err != nil || got != want {
				t.Fatalf("Verify of token %d = %+v, %v; want %+v", n, got, err, want)
			}
		}
	}
	if got := s.ring.Load().keys[0].cache.entries.Len(); got != cacheSize {
		t.Errorf("the cache has %d entries, want %d", got, cacheSize)
	}
}

// TestCachedTokenIsNotVerifiedAgain replaces the claims of the cached token.
func TestCachedTokenIsNotVerifiedAgain(t *testing.T) {
	t.Parallel()
	s := newTestSigner("k")
	token, want := signNth(t, s, 1)
	if got, err := s.Verify(token); err != nil || got != want {
		t.Fatalf("Verify = %+v, %v; want %+v", got, err, want)
	}
	other := want
	other.Admin = !want.Admin
	s.ring.Load().keys[0].cache.add(sha256.Sum256([]byte(token)), other)
	if got, err := s.Verify(token); err != nil || got != other {
		t.Errorf("Verify = %+v, %v; want the cached claims", got, err)
	}
}

func TestInvalidTokensAreNotCached(t *testing.T) {
	t.Parallel()
	s := newTestSigner("k")
	token, want := signNth(t, s, 1)
	if _, err := s.Verify(token); err != nil {
		t.Fatal(err)
	}
	for n := range cacheSize + 1 {
		if _, err := s.Verify(fmt.Sprintf("%s%d", token, n)); err == nil {
			t.Fatal("Verify accepted an altered token")
		}
	}
	if got := s.ring.Load().keys[0].cache.entries.Len(); got != 1 {
		t.Errorf("the cache has %d entries, want 1", got)
	}
	if got, found := s.ring.Load().keys[0].cache.get(sha256.Sum256([]byte(token))); !found || got != want {
		t.Errorf("the cache has %+v, %v; want %+v", got, found, want)
	}
}

func TestSignersDoNotShareACache(t *testing.T) {
	t.Parallel()
	s := newTestSigner("k")
	token, _ := signNth(t, s, 1)
	if _, err := s.Verify(token); err != nil {
		t.Fatal(err)
	}
	if _, err := newTestSigner("o").Verify(token); err == nil {
		t.Error("Verify accepted a token that another secret signed")
	}
}
