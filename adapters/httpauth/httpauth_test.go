package httpauth_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/widgetd/widgetd/adapters/httpauth"
	"github.com/widgetd/widgetd/adapters/internal/bearer/bearertest"
	"github.com/widgetd/widgetd/domain"
)

func TestOnlyAValidTokenIsLetThrough(t *testing.T) {
	t.Parallel()
	bearertest.OnlyAValidTokenIsLetThrough(t, send)
}

func TestTokenIsCheckedOnce(t *testing.T) {
	t.Parallel()
	bearertest.TokenIsCheckedOnce(t, send)
}

// send is a [bearertest.Send].
func send(t *testing.T, auth *bearertest.Tokens, log *slog.Logger, path string, authorization []string) *http.Response {
	t.Helper()
	require, another := httpauth.New(auth, log), httpauth.New(auth, log)
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, ok := httpauth.Claims(r.Context())
		if !ok {
			t.Error("the handler has no claims")
		}
		_, _ = io.WriteString(w, claims.Subject.String())
	})
	mux := http.NewServeMux()
	mux.Handle("/user", require.RequireToken(who))
	mux.Handle("/admin", require.RequireAdmin(who))
	mux.Handle("/both", require.RequireToken(require.RequireAdmin(who)))
	mux.Handle("/another", another.RequireToken(require.RequireAdmin(who)))
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header["Authorization"] = authorization
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Result()
}

func TestRequestWithoutMiddlewareHasNoClaims(t *testing.T) {
	t.Parallel()
	if claims, ok := httpauth.Claims(t.Context()); ok || claims != (domain.Claims{}) {
		t.Errorf("got %v, %v", claims, ok)
	}
}
