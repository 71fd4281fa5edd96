package conformance_test

import (
	"testing"

	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

func ExampleTokenSigner() {
	var t *testing.T // the parameter of your test

	// The type of the key chooses the algorithm: []byte is a secret for HS256.
	conformance.TokenSigner(t, func(_ *testing.T, key []byte) ports.TokenSigner {
		return newHandmadeSigner(key)
	})
}
