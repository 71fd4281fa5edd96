package jwtsigner_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"testing"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("HS256", func(t *testing.T) {
		t.Parallel()
		conformance.TokenSigner(t, func(_ *testing.T, secret []byte) ports.TokenSigner {
			return withKeys(sample.Must(jwtsigner.NewSecret(secret)))
		})
	})
	t.Run("EdDSA", conforms[ed25519.PrivateKey])
	t.Run("ES256", conforms[*ecdsa.PrivateKey])
	t.Run("RS256", conforms[*rsa.PrivateKey])
}

// privateKey is a key of an algorithm with public keys.
type privateKey interface {
	crypto.Signer
	ed25519.PrivateKey | *ecdsa.PrivateKey | *rsa.PrivateKey
}

// conforms runs the suite with private keys of one kind.
func conforms[K privateKey](t *testing.T) {
	t.Parallel()
	conformance.TokenSigner(t, func(_ *testing.T, key K) ports.TokenSigner { return withKeys(newPair(key).key) })
}

// BenchmarkSigner leaves out RS256, because the benchmark signs too many tokens for it.
func BenchmarkSigner(b *testing.B) {
	b.Run("HS256", func(b *testing.B) {
		conformance.BenchmarkTokenSigner(b, func(_ *testing.B, secret []byte) ports.TokenSigner {
			return withKeys(sample.Must(jwtsigner.NewSecret(secret)))
		})
	})
	b.Run("EdDSA", measure[ed25519.PrivateKey])
	b.Run("ES256", measure[*ecdsa.PrivateKey])
}

// measure runs the benchmarks with a private key of one kind.
func measure[K privateKey](b *testing.B) {
	conformance.BenchmarkTokenSigner(b, func(_ *testing.B, key K) ports.TokenSigner { return withKeys(newPair(key).key) })
}
