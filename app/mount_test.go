package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/httpauth"
	"github.com/widgetd/widgetd/adapters/introspection"
	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/testlog"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// mounted is an App in another server, under /shop.
func mounted(t *testing.T, config app.Config, parts *parts) *httptest.Server {
	t.Helper()
	a, err := app.New(t.Context(), config, parts.options(slog.New(slog.NewTextHandler(&testlog.Buffer{}, nil)))...)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := a.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	outer := httptest.NewServer(http.StripPrefix("/shop", a.Handler()))
	t.Cleanup(func() {
		outer.Close()
		stop()
		stop() // does nothing
		sample.Must(0, a.Close())
	})
	return outer
}

// call sends a request with a form and returns the status and the body.
func call(t *testing.T, method, url, token, form string) (status int, body string) {
	t.Helper()
	r := sample.Must(http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response := sample.Must(http.DefaultClient.Do(r))
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode, string(sample.Must(io.ReadAll(response.Body)))
}

// TestLogOutClosesAnotherService logs out at an App that is mounted in a program. The
// other service asks that program about tokens.
func TestLogOutClosesAnotherService(t *testing.T) {
	t.Parallel()
	const secret = "an introspection secret of 32 bytes"
	config := withAdmin()
	config.IntrospectionSecret = secret
	api := mounted(t, config, inMemory())
	client := sample.Must(introspection.New(introspection.Config{URL: api.URL + "/shop", Secret: secret}))
	t.Cleanup(client.Close)
	require := httpauth.New(client, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.Handle("/orders", require.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := httpauth.Claims(r.Context())
		_ = json.NewEncoder(w).Encode(claims.Admin)
	})))
	mux.Handle("/stock", require.RequireAdmin(http.NotFoundHandler()))
	other := httptest.NewServer(mux)
	t.Cleanup(other.Close)

	tokenOf := func(path, form string) string {
		t.Helper()
		var answer struct {
			AccessToken string `json:"access_token"`
		}
		status, body := call(t, "POST", api.URL+"/shop/api/v1/auth/"+path, "", form)
		if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.AccessToken == "" {
			t.Fatalf("got %d %s", status, body)
		}
		return answer.AccessToken
	}
	admin := tokenOf("login", "email="+adminEmail+"&password="+adminPassword)
	user := tokenOf("register", "email=ada@example.com&password=lovelace")
	for _, step := range []struct {
		method, url, token string
		status             int
		body               string
	}{
		{"GET", other.URL + "/orders", user, 200, "false\n"},
		{"GET", other.URL + "/orders", admin, 200, "true\n"},
		{"GET", other.URL + "/stock", admin, 404, "404 page not found\n"},
		{"GET", other.URL + "/stock", user, 403, `{"message":"You are not an administrator"}`},
		{"GET", other.URL + "/orders", user + "x", 401, `{"message":"Invalid token. Please log in again."}`},
		{"POST", api.URL + "/shop/api/v1/auth/logout", user, 200, `{"status":"success","message":"successfully logged out"}`},
		{"GET", other.URL + "/orders", user, 401, `{"message":"Invalid token. Please log in again."}`},
		{"GET", other.URL + "/orders", admin, 200, "true\n"},
	} {
		if status, body := call(t, step.method, step.url, step.token, ""); status != step.status || strings.TrimSpace(body) != strings.TrimSpace(step.body) {
			t.Errorf("%s %s: got %d %s, want %d %s", step.method, step.url, status, body, step.status, step.body)
		}
	}
	api.Close()
	if status, body := call(t, "GET", other.URL+"/orders", admin, ""); status != 503 || body != `{"message":"Service Unavailable"}` {
		t.Errorf("without the server: got %d %s", status, body)
	}
}

// TestStartServesTheOperatorUntilStop proves that a program that mounts the API has what
// Serve does besides serving.
func TestStartServesTheOperatorUntilStop(t *testing.T) {
	t.Parallel()
	config := withAdmin()
	config.DataDir = sample.Must(os.MkdirTemp("", "app")) //nolint:usetesting // a short path for the socket
	t.Cleanup(func() { _ = os.RemoveAll(config.DataDir) })
	a, err := app.New(t.Context(), config, app.WithLogger(slog.New(slog.DiscardHandler)), app.WithPasswordHasher(plainHasher{}), app.WithAudit(inMemory().audit))
	if err != nil {
		t.Fatal(err)
	}
	stop, err := a.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	email, password := credentialsOfAdmin()
	if _, err := a.Auth.LogIn(t.Context(), email, password); err != nil {
		t.Errorf("the administrator of the config: %v", err)
	}
	socket := filepath.Join(config.DataDir, "control.sock")
	if conn, err := net.Dial("unix", socket); err != nil {
		t.Errorf("the control socket: %v", err)
	} else {
		_ = conn.Close()
	}
	stop()
	if conn, err := net.Dial("unix", socket); err == nil {
		_ = conn.Close()
		t.Error("after stop, the control socket is served")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// faultyHasher cannot hash the password of the administrator.
type faultyHasher struct{ plainHasher }

func (faultyHasher) Hash(context.Context, domain.Password) (domain.PasswordHash, error) {
	return domain.PasswordHash{}, domain.Unavailable
}

func TestStartThatFailsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	occupied := sample.Must(net.Listen("tcp", "127.0.0.1:0"))
	config, parts := withAdmin(), inMemory()
	config.MetricsAddr, parts.hasher = occupied.Addr().String(), faultyHasher{}
	a, err := app.New(t.Context(), config, parts.options(slog.New(slog.DiscardHandler))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sample.Must(0, a.Close()) })
	stop, err := a.Start(t.Context())
	if _, ok := errors.AsType[*app.ConfigError](err); !ok || stop != nil {
		t.Errorf("with an occupied port: got %v", err)
	}
	sample.Must(0, occupied.Close())
	if stop, err := a.Start(t.Context()); !errors.Is(err, domain.Unavailable) || stop != nil {
		t.Errorf("without the administrator: got %v", err)
	}
	if again, err := net.Listen("tcp", config.MetricsAddr); err != nil {
		t.Errorf("the port of the metrics is still open: %v", err)
	} else {
		_ = again.Close()
	}
}
