package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/adapters/httpauth"
	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app"
)

// A program runs the whole server with a store in memory in place of the embedded one. Every
// adapter of a driven port can be replaced in this way: see the functions With….
func Example() {
	config := app.DefaultConfig()
	config.SecretKey = "at least thirty-two bytes of secret"
	config.Audit = false // nothing for standard error

	ctx, stop := context.WithCancel(context.Background())
	api, err := app.New(ctx, config, app.WithStore(memory.New()), app.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ended := make(chan error)
	go func() { ended <- errors.Join(api.Serve(ctx, listener), api.Close()) }()

	response, err := http.PostForm("http://"+listener.Addr().String()+"/api/v1/auth/register",
		url.Values{"email": {"ada@example.com"}, "password": {"lovelace"}})
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(response.Body)
	fmt.Println(response.Status, string(body[:55]))

	stop() // as on a signal
	fmt.Println(<-ended)
	// Output:
	// 201 Created {"status":"success","message":"successfully registered"
	// <nil>
}

// newApp returns an App with a store in memory, and a function that ends it.
func newApp(ctx context.Context) (api *app.App, end func()) {
	config := app.DefaultConfig()
	config.SecretKey = "at least thirty-two bytes of secret"
	config.Audit = false // nothing for standard error
	config.AdminEmail, config.AdminPassword = "ada@example.com", "correct horse battery staple"

	api, err := app.New(ctx, config, app.WithStore(memory.New()), app.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		panic(err)
	}
	stop, err := api.Start(ctx) // adds the administrator, and does the regular work
	if err != nil {
		panic(err)
	}
	return api, func() {
		stop()
		if err := api.Close(); err != nil {
			panic(err)
		}
	}
}

// A program has the whole API under /shop, beside a route of its own that needs a token of
// the API.
func ExampleApp_Handler() {
	api, end := newApp(context.Background())
	defer end()

	require := httpauth.New(api.Auth, nil)
	mux := http.NewServeMux()
	mux.Handle("/shop/", http.StripPrefix("/shop", api.Handler()))
	mux.Handle("GET /orders", require.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "no orders yet")
	})))

	logIn := httptest.NewRequest(http.MethodPost, "/shop/api/v1/auth/login",
		strings.NewReader("email=ada@example.com&password=correct+horse+battery+staple"))
	logIn.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response := httptest.NewRecorder()
	mux.ServeHTTP(response, logIn)
	_, token, _ := strings.Cut(response.Body.String(), `"access_token":"`)
	token, _, _ = strings.Cut(token, `"`)

	for _, path := range []string{"/orders", "/shop/api/v1/widgets"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		body, _, _ := strings.Cut(w.Body.String(), `,"last"`)
		fmt.Println(w.Code, body)
	}
	// Output:
	// 200 no orders yet
	// 200 {"links":{"self":"/shop/api/v1/widgets?page=1&per_page=10","first":"/shop/api/v1/widgets?page=1&per_page=10"
}

// An app of Fiber has the whole API under /shop, beside a route of its own.
func ExampleApp_MountFiber() {
	api, end := newApp(context.Background())
	defer end()

	outer := fiber.New(fiber.Config{ReadBufferSize: 8 << 10})
	outer.Get("/", func(c *fiber.Ctx) error { return c.SendString("the shop") })
	api.MountFiber(outer, "/shop")

	for _, path := range []string{"/", "/shop/healthz", "/shop/api/v1/widgets"} {
		response, err := outer.Test(httptest.NewRequest(http.MethodGet, path, nil))
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(response.Body)
		fmt.Println(response.StatusCode, strings.TrimSpace(string(body)))
	}
	// Output:
	// 200 the shop
	// 200 {"status":"ok"}
	// 401 {"message":"Unauthorized"}
}
