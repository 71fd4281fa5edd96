package domain_test

import (
	"errors"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// moment parses a time in RFC 3339.
func moment(s string) time.Time { return sample.Must(time.Parse(time.RFC3339Nano, s)) }

// wantInvalid checks the kind and the text of err.
func wantInvalid(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.Is(err, domain.Invalid) {
		t.Fatalf("error is %v, want one of kind Invalid", err)
	}
	if err.Error() != text {
		t.Errorf("error text is %q, want %q", err, text)
	}
}
