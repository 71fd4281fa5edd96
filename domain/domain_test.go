package domain_test

import (
	"errors"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// missing is what the contract has every field say of nothing.
const missing = "Missing required parameter in the post body"

// must returns v, for values that a test knows to be valid.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// moment reads a time in RFC 3339.
func moment(s string) time.Time { return must(time.Parse(time.RFC3339Nano, s)) }

// wantInvalid checks that err is Invalid and reads text.
func wantInvalid(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.Is(err, domain.Invalid) {
		t.Fatalf("error is %v, want an Invalid one", err)
	}
	if err.Error() != text {
		t.Errorf("error reads %q, want %q", err, text)
	}
}
