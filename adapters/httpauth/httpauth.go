// Package httpauth lets only requests with a valid token of widgetd through to a handler
// of package net/http:
//
//	require := httpauth.New(service, slog.Default())
//	mux.Handle("GET /orders", require.RequireToken(orders))
//	mux.Handle("DELETE /orders", require.RequireAdmin(clear))
//
// The handler reads the claims of the token with [Claims]. All other requests are answered
// as widgetd does it (RFC 6750 section 3):
//
//   - 401 with a challenge, to a request without a token or with a bad one
//   - 403 with a challenge, to a user who is no administrator, where one is needed
//   - 400, to a request with two Authorization headers
//   - 503 with Retry-After, if the token cannot be checked
//
// The token is checked by an [Authenticator]: an auth.Service of app/auth in the same process,
// or a Client of package introspection, which asks a widgetd that runs elsewhere.
//
// A preflight of a browser has no token: middleware for CORS goes around this one.
package httpauth

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/widgetd/widgetd/adapters/internal/bearer"
	"github.com/widgetd/widgetd/domain"
)

// Authenticator checks tokens. The Auth interface of package ports has this method, and so
// has the Client of package introspection. Authenticate returns an Unauthenticated error
// for a token that is not valid. Any other error means that the token could not be checked:
// the middleware refuses the request with 503 or 500.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (domain.Claims, error)
}

// Middleware lets a request through if an [Authenticator] accepts its token. Make one with
// [New]. It is safe for concurrent use.
type Middleware struct {
	auth Authenticator
	log  *slog.Logger
}

// New returns a middleware. The causes of 503 and 500 responses are logged to log, or to
// [slog.Default] if it is nil. Neither the log nor a response contains a token.
func New(auth Authenticator, log *slog.Logger) *Middleware { return &Middleware{auth, log} }

// RequireToken returns a handler that calls next for a request with a valid token. In next,
// [Claims] returns the claims of the token.
func (m *Middleware) RequireToken(next http.Handler) http.Handler {
	return m.require(next, func(domain.Claims) error { return nil })
}

// RequireAdmin returns a handler that calls next for a request with a valid token of an
// administrator. It needs no RequireToken around it. Inside RequireToken of the same
// middleware, it does not check the token again.
func (m *Middleware) RequireAdmin(next http.Handler) http.Handler {
	return m.require(next, domain.Claims.RequireAdmin)
}

func (m *Middleware) require(next http.Handler, check func(domain.Claims) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := m.authenticate(r)
		if err == nil {
			err = check(claims)
		}
		if err != nil {
			m.refuse(w, r, err)
			return
		}
		ctx := context.WithValue(r.Context(), claimsKey{}, authenticated{m, claims})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// authenticate returns the claims of a request's token. It checks no token twice.
func (m *Middleware) authenticate(r *http.Request) (domain.Claims, error) {
	if a, _ := r.Context().Value(claimsKey{}).(authenticated); a.by == m {
		return a.claims, nil
	}
	lines := r.Header.Values("Authorization")
	if len(lines) > 1 {
		return domain.Claims{}, bearer.ErrAmbiguous
	}
	token, err := bearer.Token(r.Header.Get("Authorization"))
	if err != nil {
		return domain.Claims{}, err
	}
	return m.auth.Authenticate(r.Context(), token)
}

func (m *Middleware) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal, isFault := bearer.RefusalOf(err)
	if isFault {
		bearer.LogFault(r.Context(), m.log, err)
	}
	for _, header := range refusal.Headers() {
		w.Header().Set(header[0], header[1])
	}
	w.WriteHeader(refusal.Status)
	_, _ = w.Write(refusal.Body()) //nolint:gosec // JSON; an error means that the client went away
}

// claimsKey is the key of the value of a context that is an authenticated.
type claimsKey struct{}

// authenticated are the claims of a token, and the middleware that has checked it.
type authenticated struct {
	by     *Middleware
	claims domain.Claims
}

// Claims returns the claims of a request's token from the context of the request. It
// returns false if no [Middleware] has let the request through.
func Claims(ctx context.Context) (claims domain.Claims, ok bool) {
	a, ok := ctx.Value(claimsKey{}).(authenticated)
	return a.claims, ok
}
