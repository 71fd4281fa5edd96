package bearer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/widgetd/widgetd/adapters/internal/bearer"
	"github.com/widgetd/widgetd/domain"
)

func TestToken(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]struct {
		token string
		err   error
	}{
		"Bearer abc":          {"abc", nil},
		"bearer abc":          {"abc", nil},
		"BEARER   abc":        {"abc", nil},
		"\t Bearer abc \t":    {"abc", nil},
		"Bearer a b":          {"a b", nil}, // the signer refuses it
		"":                    {"", bearer.ErrNoToken},
		" ":                   {"", bearer.ErrNoToken},
		"Bearer":              {"", bearer.ErrNoToken},
		"Bearer ":             {"", bearer.ErrNoToken},
		"Basic dXNlcjpwdw==":  {"", bearer.ErrNoToken},
		"Bearer\tabc":         {"", bearer.ErrNoToken},
		"Bearers abc":         {"", bearer.ErrNoToken},
		"eyJhbGciOiJIUzI1NiJ": {"", bearer.ErrNoScheme},
		"Kearer":              {"", bearer.ErrNoScheme},
	} {
		token, err := bearer.Token(header)
		if token != want.token || !errors.Is(err, want.err) || (err == nil) != (want.err == nil) {
			t.Errorf("Token(%q) = %q, %v; want %q, %v", header, token, err, want.token, want.err)
		}
		if errors.Is(err, bearer.ErrNoScheme) != errors.Is(want.err, bearer.ErrNoScheme) {
			t.Errorf("Token(%q): the error is %v, want %v", header, err, want.err)
		}
	}
}

func TestRefusalOfEveryError(t *testing.T) {
	t.Parallel()
	const realm = `Bearer realm="widgetd"`
	for _, test := range []struct {
		err       error
		status    int
		challenge string
		message   string
		isFault   bool
	}{
		{bearer.ErrNoToken, 401, realm, "Unauthorized", false},
		{bearer.ErrNoScheme, 401, realm + `, error="invalid_request", error_description="Write the header as: Authorization: Bearer <token>"`, "Unauthorized", false},
		{domain.ErrTokenExpired, 401, realm + `, error="invalid_token", error_description="Access token expired. Please log in again."`, "Access token expired. Please log in again.", false},
		{fmt.Errorf("wrapped: %w", domain.ErrTokenBlacklisted), 401, realm + `, error="invalid_token", error_description="Token blacklisted. Please log in again."`, "Token blacklisted. Please log in again.", false},
		{domain.ErrNotAdministrator, 403, realm + `, error="insufficient_scope", error_description="You are not an administrator"`, "You are not an administrator", false},
		{domain.Forbidden, 403, realm + `, error="insufficient_scope", error_description="Forbidden"`, "Forbidden", false},
		{bearer.ErrAmbiguous, 400, "", "Bad Request", false},
		{&domain.Error{Kind: domain.Unavailable, Message: "not for the client", Err: domain.ErrTokenInvalid}, 503, "", "Service Unavailable", true},
		{context.DeadlineExceeded, 503, "", "Service Unavailable", true},
		{context.Canceled, 503, "", "Service Unavailable", true},
		{errors.New("a fault"), 500, "", "Internal Server Error", true},
		{domain.NotFound, 500, "", "Internal Server Error", true},
	} {
		got, isFault := bearer.RefusalOf(test.err)
		want := bearer.Refusal{Status: test.status, Challenge: test.challenge, Message: test.message}
		if test.status == http.StatusServiceUnavailable {
			want.RetryAfter = "1"
		}
		if got != want || isFault != test.isFault {
			t.Errorf("%v: got %+v, fault %v; want %+v, %v", test.err, got, isFault, want, test.isFault)
		}
	}
}
