package conformance_test

import (
	"testing"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

// A test of a store needs one call. It runs the suites of the three repositories, and that of
// the store as a whole.
func ExampleStore() {
	var t *testing.T // the parameter of your test

	conformance.Store(t, func(t *testing.T, clock ports.Clock) ports.Store {
		return open(t, t.TempDir(), clock)
	})
}

func ExampleTokenSigner() {
	var t *testing.T // the parameter of your test

	// The type of the key chooses the algorithm: []byte is a secret for HS256.
	conformance.TokenSigner(t, func(_ *testing.T, key []byte) ports.TokenSigner {
		return newHandmadeSigner(key)
	})
}

func ExampleBenchmarkStore() {
	var b *testing.B // the parameter of your benchmark

	conformance.BenchmarkStore(b, func(*testing.B) ports.Store { return memory.New() })
}
