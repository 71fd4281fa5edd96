package httpauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/widgetd/widgetd/adapters/httpauth"
	"github.com/widgetd/widgetd/domain"
)

// sameProcess stands for an auth.Service in the same process, or for a client of package
// introspection.
type sameProcess struct{}

func (sameProcess) Authenticate(_ context.Context, token string) (domain.Claims, error) {
	if token != "adas.access.token" {
		return domain.Claims{}, domain.ErrTokenInvalid
	}
	return domain.Claims{Subject: domain.UUID{0xab, 15: 1}}, nil
}

// A program lets only users in, and only administrators to one of its routes.
func Example() {
	require := httpauth.New(sameProcess{}, nil)
	mux := http.NewServeMux()
	mux.Handle("GET /orders", require.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := httpauth.Claims(r.Context())
		_, _ = fmt.Fprintf(w, "the orders of %s", claims.Subject)
	})))
	mux.Handle("DELETE /orders", require.RequireAdmin(http.NotFoundHandler()))

	for _, request := range []struct{ method, authorization string }{
		{"GET", "Bearer adas.access.token"},
		{"GET", "Bearer a.bad.token"},
		{"DELETE", "Bearer adas.access.token"},
	} {
		r := httptest.NewRequest(request.method, "/orders", nil)
		r.Header.Set("Authorization", request.authorization)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 the orders of ab000000-0000-0000-0000-000000000001
	// 401 {"message":"Invalid token. Please log in again."}
	// 403 {"message":"You are not an administrator"}
}
