// Package bearertest tests middleware that lets only valid tokens through.
package bearertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

const (
	realm     = `Bearer realm="widgetd"`
	userToken = "somebodys.access.token"
	rootToken = "administrators.access.token"
)

var (
	userClaims = domain.Claims{ID: domain.UUID{3}, Subject: domain.UUID{0xab}}
	rootClaims = domain.Claims{ID: domain.UUID{4}, Subject: domain.UUID{0xcd}, Admin: true}
)

// Tokens knows two tokens, and counts the calls of Authenticate.
type Tokens struct{ calls atomic.Int64 }

// Authenticate returns the claims of one of the two tokens, or an error that the text of
// another token names.
func (a *Tokens) Authenticate(_ context.Context, token string) (domain.Claims, error) {
	a.calls.Add(1)
	switch token {
	case userToken:
		return userClaims, nil
	case rootToken:
		return rootClaims, nil
	case "expired":
		return domain.Claims{}, domain.ErrTokenExpired
	case "logged-out":
		return domain.Claims{}, domain.ErrTokenBlacklisted
	case "unavailable":
		return rootClaims, &domain.Error{Kind: domain.Unavailable, Message: "hidden", Err: errors.New("the cause")}
	case "throttled":
		return rootClaims, &domain.Error{Kind: domain.Unavailable, RetryAfter: 1001 * time.Millisecond, Err: errors.New("the cause")}
	case "late":
		return rootClaims, context.DeadlineExceeded
	case "faulty":
		return rootClaims, errors.New("the cause")
	}
	return domain.Claims{}, domain.ErrTokenInvalid
}

// Send sends a GET with the Authorization headers through the middleware: to a user's path
// "/user", an administrator's "/admin", one that is both, "/both", and one behind two
// middlewares, "/another". The handler behind it sends the subject of the claims.
type Send func(t *testing.T, auth *Tokens, log *slog.Logger, path string, authorization []string) *http.Response

// OnlyAValidTokenIsLetThrough also tests the response to every other request.
func OnlyAValidTokenIsLetThrough(t *testing.T, send Send) {
	t.Helper()
	invalid := func(message string) string {
		return realm + `, error="invalid_token", error_description="` + message + `"`
	}
	for _, test := range []struct {
		name          string
		path          string
		authorization []string
		status        int
		body          string // of the message, or what the handler sends
		challenge     string
		isLogged      bool
	}{
		{"a user", "/user", []string{"Bearer " + userToken}, 200, userClaims.Subject.String(), "", false},
		{"the scheme in another case", "/user", []string{"bEARER   " + userToken}, 200, userClaims.Subject.String(), "", false},
		{"an administrator", "/admin", []string{"Bearer " + rootToken}, 200, rootClaims.Subject.String(), "", false},
		{"an administrator twice", "/both", []string{"Bearer " + rootToken}, 200, rootClaims.Subject.String(), "", false},
		{"no administrator", "/admin", []string{"Bearer " + userToken}, 403, "You are not an administrator", realm + `, error="insufficient_scope", error_description="You are not an administrator"`, false},
		{"no administrator twice", "/both", []string{"Bearer " + userToken}, 403, "You are not an administrator", realm + `, error="insufficient_scope", error_description="You are not an administrator"`, false},
		{"no token", "/user", nil, 401, "Unauthorized", realm, false},
		{"no token for an administrator", "/admin", nil, 401, "Unauthorized", realm, false},
		{"an empty token", "/user", []string{"Bearer "}, 401, "Unauthorized", realm, false},
		{"another scheme", "/user", []string{"Basic dTpw"}, 401, "Unauthorized", realm, false},
		{"no scheme", "/user", []string{userToken}, 401, "Unauthorized", realm + `, error="invalid_request", error_description="Write the header as: Authorization: Bearer <token>"`, false},
		{"a token in the query", "/user?access_token=" + userToken, nil, 401, "Unauthorized", realm, false},
		{"two tokens", "/user", []string{"Bearer " + userToken, "Bearer " + userToken}, 400, "Bad Request", "", false},
		{"a bad token", "/user", []string{"Bearer bad"}, 401, "Invalid token. Please log in again.", invalid("Invalid token. Please log in again."), false},
		{"an expired token", "/user", []string{"Bearer expired"}, 401, "Access token expired. Please log in again.", invalid("Access token expired. Please log in again."), false},
		{"a logged-out token", "/admin", []string{"Bearer logged-out"}, 401, "Token blacklisted. Please log in again.", invalid("Token blacklisted. Please log in again."), false},
		{"a store that does not answer", "/user", []string{"Bearer unavailable"}, 503, "Service Unavailable", "", true},
		{"a store that names a time", "/user", []string{"Bearer throttled"}, 503, "Service Unavailable", "", true},
		{"a deadline", "/admin", []string{"Bearer late"}, 503, "Service Unavailable", "", true},
		{"a fault", "/user", []string{"Bearer faulty"}, 500, "Internal Server Error", "", true},
	} {
		log := &bytes.Buffer{}
		response := send(t, &Tokens{}, slog.New(slog.NewTextHandler(log, nil)), test.path, test.authorization)
		content, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Error(err)
		}
		body := string(content)
		want := test.body
		if test.status != 200 {
			want = `{"message":"` + test.body + `"}`
			if got := response.Header.Get("Content-Type") + " " + response.Header.Get("Cache-Control"); got != "application/json no-store" {
				t.Errorf("%s: the headers are %s", test.name, got)
			}
		}
		retry := ""
		if test.status == 503 {
			retry = "1"
		}
		if test.name == "a store that names a time" {
			retry = "2" // rounded up
		}
		if response.StatusCode != test.status || body != want || response.Header.Get("WWW-Authenticate") != test.challenge || response.Header.Get("Retry-After") != retry {
			t.Errorf("%s: got %d %s %v", test.name, response.StatusCode, body, response.Header)
		}
		if got := log.String(); strings.Contains(got, "cannot check a token") != test.isLogged || strings.Contains(got, "Bearer") {
			t.Errorf("%s: the log has %q", test.name, got)
		}
	}
}

// TokenIsCheckedOnce tests that a token is checked once by each middleware.
func TokenIsCheckedOnce(t *testing.T, send Send) {
	t.Helper()
	for path, want := range map[string]int64{"/user": 1, "/admin": 1, "/both": 1, "/another": 2} {
		auth := &Tokens{}
		got := send(t, auth, nil, path, []string{"Bearer " + rootToken})
		if err := got.Body.Close(); err != nil {
			t.Error(err)
		}
		if got.StatusCode != http.StatusOK || auth.calls.Load() != want {
			t.Errorf("%s: got %d after %d checks, want %d", path, got.StatusCode, auth.calls.Load(), want)
		}
	}
}
