package mongodb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/adapters/mongodb/mongotest"
	"github.com/widgetd/widgetd/app"
)

// TestRoundTripsOfEndpoints holds the README's table: what each endpoint asks of
// the store, by the driver's monitor.
func TestRoundTripsOfEndpoints(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	api := serve(t, db)
	credentials := "email=ada@example.com&password=lovelace"
	widget := "info_url=https://example.com&deadline=2099-12-31"
	var token string
	for _, of := range []struct {
		method, path, form string
		status             int
		want               string // in alphabetical order, for some go at once
	}{
		{"POST", "/auth/register", "email=bob@example.com&password=builder", 201, "insert"},
		{"POST", "/auth/login", credentials, 200, "find"},
		{"GET", "/auth/user", "", 200, "find find"},
		{"GET", "/widgets", "", 200, "count find find"},
		{"POST", "/widgets", "name=gear&" + widget, 201, "find find insert"},
		{"GET", "/widgets/gear", "", 200, "find find"},
		{"PUT", "/widgets/gear", widget, 200, "find update"},
		{"PUT", "/widgets/cog", widget, 201, "find find find insert update"},
		{"DELETE", "/widgets/gear", "", 204, "delete find"},
		{"POST", "/auth/logout", "", 200, "find insert"},
		{"GET", "/auth/user", "", 401, "find"},
	} {
		sent.take()
		body := api.ask(t, of.method, of.path, token, of.form, of.status)
		if of.path == "/auth/login" {
			var issued struct {
				Token string `json:"access_token"`
			}
			noError(t, json.Unmarshal(body, &issued))
			token = issued.Token
		}
		var names []string
		for _, command := range sent.take() {
			if _, err := command.LookupErr("filter", "expires_at"); err != nil { // else it is the purge's
				names = append(names, nameOf(command))
			}
		}
		slices.Sort(names)
		equal(t, of.method+" "+of.path, strings.Join(names, " "), of.want)
	}
}

// api is a server in front of a store.
type api string

// serve starts one with an administrator ada@example.com, until the test ends.
func serve(t *testing.T, db *mongodb.DB) api {
	t.Helper()
	a, err := app.New(t.Context(), app.Config{
		TokenTTL: time.Hour, SecretKey: strings.Repeat("k", 32), PasswordMinLength: 1,
		AdminEmail: "ada@example.com", AdminPassword: "lovelace",
	}, app.WithUserRepository(db.Users), app.WithWidgetRepository(db.Widgets), app.WithTokenBlacklist(db.Blacklist),
		app.WithLogger(slog.New(slog.DiscardHandler)))
	noError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- a.Serve(ctx, ln) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		noError(t, <-stopped)
	})
	started := api("http://" + ln.Addr().String() + "/api/v1")
	started.ask(t, "GET", "/auth/user", "", "", 401) // once the administrator is made
	return started
}

// ask returns the body of the answer, which must have that status.
func (a api) ask(t *testing.T, method, path, token, form string, status int) []byte {
	t.Helper()
	request, err := http.NewRequest(method, string(a)+path, strings.NewReader(form))
	noError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	noError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	noError(t, err)
	equal(t, fmt.Sprintf("status of %s %s (%s)", method, path, body), response.StatusCode, status)
	return body
}
