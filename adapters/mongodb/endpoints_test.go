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

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/internal/mongotest"
)

const introspectionSecret = "what other services authenticate with"

// TestEachEndpointSendsTheseCommands checks the commands that each endpoint sends to
// MongoDB. docs/several-servers.md has a table of them.
func TestEachEndpointSendsTheseCommands(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	server := serve(t, db)
	credentials := "email=ada@example.com&password=lovelace"
	widget := "info_url=https://example.com&deadline=2099-12-31"
	var token, id string
	for _, request := range []struct {
		method, path, form string
		status             int
		want               string // in alphabetical order, because some commands are sent at the same time
	}{
		{"POST", "/auth/register", "email=bob@example.com&password=builder", 201, "findAndModify insert listIndexes update"},
		{"POST", "/auth/login", credentials, 200, "delete find find find findAndModify"},
		{"GET", "/auth/user", "", 200, "find find"},
		{"POST", "/auth/introspect", "token={token}", 200, "find find"},
		{"GET", "/widgets", "", 200, "count find find"},
		{"POST", "/widgets", "name=gear&" + widget, 201, "find find insert listIndexes"},
		{"GET", "/widgets/gear", "", 200, "find find"},
		{"PUT", "/widgets/gear", widget, 200, "find find findAndModify"},
		{"PUT", "/widgets/cog", widget, 201, "find find find findAndModify insert listIndexes"},
		{"DELETE", "/widgets/gear", "", 204, "find find findAndModify"},
		{"GET", "/users", "", 200, "count find find find"},
		{"GET", "/users?email=eve@example.com", "", 200, "find find find"},
		{"POST", "/users", "email=eve@example.com&password=adam", 201, "find find insert listIndexes"},
		{"GET", "/users/{id}", "", 200, "find find find"},
		{"PATCH", "/users/{id}", "admin=true", 200, "find find find find insert update"},
		{"PATCH", "/users/{id}", "password=apple", 200, "find find find find insert update update"},
		{"PATCH", "/users/{id}", "disabled=true", 200, "find find find find findAndModify insert update update update"},
		{"POST", "/users/{id}/logout", "", 200, "find find find find insert update"},
		{"DELETE", "/users/{id}", "", 204, "delete find find find find insert insert update"},
		{"POST", "/auth/password", "current_password=lovelace&new_password=byron", 200, "delete find find find find find findAndModify insert update"},
		{"POST", "/auth/logout", "everywhere=true", 200, "find find find insert update"},
		{"POST", "/auth/login", "email=ada@example.com&password=byron", 200, "delete find find find findAndModify"},
		{"POST", "/auth/logout", "", 200, "find find find insert"},
		{"GET", "/auth/user", "", 401, "find"},
	} {
		sent.take()
		credential := token
		if request.path == "/auth/introspect" {
			credential = introspectionSecret
		}
		body := server.do(t, request.method, strings.Replace(request.path, "{id}", id, 1), credential,
			strings.Replace(request.form, "{token}", token, 1), request.status)
		db.AwaitEnds() // a response does not wait for the end of an attempt
		switch request.path {
		case "/auth/login", "/auth/password":
			token = valueOf(t, body, "access_token")
		case "/users":
			if request.method == "POST" {
				id = valueOf(t, body, "public_id")
			}
		}
		var names []string
		for _, command := range sent.take() {
			_, purge := command.Lookup("filter", "expires_at").DocumentOK()
			sync := nameOf(command) == "findAndModify" && command.Index(0).Value().StringValue() == "blacklist"
			departed := nameOf(command) == "find" && command.Index(0).Value().StringValue() == "departed"
			if !purge && !sync && !departed { // else it belongs to a job
				names = append(names, nameOf(command))
			}
		}
		slices.Sort(names)
		equal(t, "the commands of "+request.method+" "+request.path, strings.Join(names, " "), request.want)
	}
}

// valueOf returns the text in a field of a JSON object.
func valueOf(t *testing.T, body []byte, field string) string {
	t.Helper()
	var object map[string]any
	noError(t, json.Unmarshal(body, &object))
	value, _ := object[field].(string)
	return value
}

// apiServer is the URL of a server's API.
type apiServer string

// serve starts a server with the administrator ada@example.com, which stops when
// the test ends.
func serve(t *testing.T, db *mongodb.DB) apiServer {
	t.Helper()
	config := app.DefaultConfig()
	config.Audit = false
	config.SecretKey, config.IntrospectionSecret = strings.Repeat("k", 32), introspectionSecret
	config.AdminEmail, config.AdminPassword = "ada@example.com", "lovelace"
	a, err := app.New(t.Context(), config, app.WithStore(db), app.WithLogger(slog.New(slog.DiscardHandler)))
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
	server := apiServer("http://" + ln.Addr().String() + "/api/v1")
	server.do(t, "GET", "/auth/user", "", "", 401) // the server answers once the administrator exists
	return server
}

// do sends a request and returns the body of the response, which must have the
// given status.
func (s apiServer) do(t *testing.T, method, path, token, form string, status int) []byte {
	t.Helper()
	request, err := http.NewRequest(method, string(s)+path, strings.NewReader(form))
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
