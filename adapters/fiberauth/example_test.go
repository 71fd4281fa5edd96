package fiberauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/adapters/fiberauth"
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
	require := fiberauth.New(sameProcess{}, nil)
	app := fiber.New()
	app.Get("/orders", require.RequireToken, func(c *fiber.Ctx) error {
		claims, _ := fiberauth.Claims(c)
		return c.SendString("the orders of " + claims.Subject.String())
	})
	app.Delete("/orders", require.RequireAdmin)

	for _, request := range []struct{ method, authorization string }{
		{"GET", "Bearer adas.access.token"},
		{"GET", "Bearer a.bad.token"},
		{"DELETE", "Bearer adas.access.token"},
	} {
		r := httptest.NewRequest(request.method, "/orders", nil)
		r.Header.Set("Authorization", request.authorization)
		response, err := app.Test(r)
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(response.Body)
		fmt.Println(response.StatusCode, string(body))
	}
	// Output:
	// 200 the orders of ab000000-0000-0000-0000-000000000001
	// 401 {"message":"Invalid token. Please log in again."}
	// 403 {"message":"You are not an administrator"}
}
