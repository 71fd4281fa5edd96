package fiberauth_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/adapters/fiberauth"
	"github.com/widgetd/widgetd/adapters/internal/bearer/bearertest"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
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
	require, another := fiberauth.New(auth, log), fiberauth.New(auth, log)
	who := func(c *fiber.Ctx) error {
		claims, ok := fiberauth.Claims(c)
		if !ok {
			t.Error("the handler has no claims")
		}
		return c.SendString(claims.Subject.String())
	}
	app := fiber.New(fiber.Config{ErrorHandler: func(_ *fiber.Ctx, err error) error {
		t.Errorf("the app got the error %v", err)
		return nil
	}})
	app.Get("/user", require.RequireToken, who)
	app.Get("/admin", require.RequireAdmin, who)
	app.Get("/both", require.RequireToken, require.RequireAdmin, who)
	app.Get("/another", another.RequireToken, require.RequireAdmin, who)
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header["Authorization"] = authorization
	return sample.Must(app.Test(r, -1))
}

func TestRequestWithoutMiddlewareHasNoClaims(t *testing.T) {
	t.Parallel()
	app := fiber.New()
	app.Get("/", func(c *fiber.Ctx) error {
		if claims, ok := fiberauth.Claims(c); ok || claims != (domain.Claims{}) {
			t.Errorf("got %v, %v", claims, ok)
		}
		return nil
	})
	if got := sample.Must(app.Test(httptest.NewRequest(http.MethodGet, "/", nil), -1)); got.StatusCode != http.StatusOK {
		t.Errorf("got %d", got.StatusCode)
	}
}
