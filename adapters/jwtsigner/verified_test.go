package jwtsigner

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// tokenOf returns the nth token of a signer, and what it says.
func tokenOf(t *testing.T, s *Signer, n int) (string, domain.Claims) {
	t.Helper()
	claims := domain.Claims{
		ID: domain.UUID{byte(n >> 8), byte(n), 1}, Subject: domain.UUID{2},
		IssuedAt: time.Unix(1795330504, 0).UTC(), ExpiresAt: time.Unix(1795334104, 0).UTC(),
	}
	token, err := s.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return token, claims
}

func testSigner(t *testing.T) *Signer {
	t.Helper()
	s, err := New([]byte(strings.Repeat("k", MinSecretBytes)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVerifiedTokensAreRememberedInBounds(t *testing.T) {
	t.Parallel()
	s := testSigner(t)
	for n := range maxVerified + 10 {
		token, want := tokenOf(t, s, n)
		for _, when := range []string{"first", "again"} {
			if got, err := s.Verify(token); err != nil || got != want {
				t.Fatalf("token %d, %s: %+v, %v", n, when, got, err)
			}
		}
	}
	if got := s.verified.claims.Len(); got != maxVerified {
		t.Errorf("%d tokens are remembered, want %d", got, maxVerified)
	}
}

func TestRememberedTokenIsNotVerifiedAgain(t *testing.T) {
	t.Parallel()
	s := testSigner(t)
	token, want := tokenOf(t, s, 1)
	calls := 0
	for range 3 {
		got, err := s.verified.of(token, func(token string) (domain.Claims, error) {
			calls++
			return s.verify(token)
		})
		if err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if calls != 1 {
		t.Errorf("verified %d times", calls)
	}
}

// TestRefusedTokensAreNotRemembered, so that whoever sends them changes nothing
// for the others.
func TestRefusedTokensAreNotRemembered(t *testing.T) {
	t.Parallel()
	s := testSigner(t)
	token, want := tokenOf(t, s, 1)
	if _, err := s.Verify(token); err != nil {
		t.Fatal(err)
	}
	for n := range maxVerified + 1 {
		if _, err := s.Verify(fmt.Sprintf("%s%d", token, n)); err == nil {
			t.Fatal("an altered token is taken")
		}
	}
	if got := s.verified.claims.Len(); got != 1 {
		t.Errorf("%d tokens are remembered, want 1", got)
	}
	got, err := s.verified.of(token, func(string) (domain.Claims, error) {
		t.Error("the good token was forgotten")
		return domain.Claims{}, nil
	})
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestSignersDoNotShareWhatTheyRemember, for they may have other secrets.
func TestSignersDoNotShareWhatTheyRemember(t *testing.T) {
	t.Parallel()
	s := testSigner(t)
	token, _ := tokenOf(t, s, 1)
	if _, err := s.Verify(token); err != nil {
		t.Fatal(err)
	}
	other, err := New([]byte(strings.Repeat("o", MinSecretBytes)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Verify(token); err == nil {
		t.Error("a token of another secret is taken")
	}
}
