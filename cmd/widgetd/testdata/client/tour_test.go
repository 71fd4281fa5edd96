// Package client walks through the API with a client that oapi-codegen generates
// from the served OpenAPI document. The client is not in the repository: the tests
// of cmd/widgetd generate it in a copy of this folder and run the tour there.
package client

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"reflect"
	"testing"
	"time"

	_ "github.com/oapi-codegen/runtime" // the generated client imports it
)

func TestTour(t *testing.T) {
	c, err := NewClientWithResponses(os.Getenv("WIDGETD_URL"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()

	registered := ask(c.RegisterWithFormdataBodyWithResponse(ctx, Credentials{Email: "ada@example.com", Password: "lovelace"})).want(t, 201)
	equal(t, registered.JSON201.Message, "successfully registered")
	equal(t, registered.JSON201.TokenType, "bearer")
	equal(t, registered.JSON201.ExpiresIn, 3600)
	equal(t, registered.Headers201.CacheControl, "no-store")
	user := ask(c.GetUserWithResponse(ctx, bearer(registered.JSON201.AccessToken))).want(t, 200)
	equal(t, user.JSON200.Email, "ada@example.com")
	equal(t, user.JSON200.Admin, false)

	loggedIn := ask(c.LogInWithResponse(ctx, Credentials{Email: "admin@example.com", Password: "correct horse"})).want(t, 200)
	equal(t, loggedIn.JSON200.Message, "successfully logged in")
	token := bearer(loggedIn.JSON200.AccessToken)
	user = ask(c.GetUserWithResponse(ctx, token)).want(t, 200)
	equal(t, user.JSON200.Email, "admin@example.com")
	equal(t, user.JSON200.Admin, true)
	if age := time.Since(user.JSON200.RegisteredOnIso8601); age < 0 || age > time.Hour {
		t.Errorf("registered %s ago", age)
	}

	equal(t, user.Headers200.XUserId, user.JSON200.PublicId)
	equal(t, user.Headers200.XUserAdmin, true)

	service := bearer("a secret of at least 32 bytes for the tour")
	question := Introspection{Token: loggedIn.JSON200.AccessToken}
	introspected := ask(c.IntrospectWithFormdataBodyWithResponse(ctx, question, service)).want(t, 200)
	equal(t, introspected.JSON200.Active, true)
	equal(t, *introspected.JSON200.Sub, user.JSON200.PublicId)
	equal(t, *introspected.JSON200.Admin, true)
	noService := ask(c.IntrospectWithResponse(ctx, question, token)).want(t, 401)
	equal(t, noService.JSON401.Message, "Unauthorized")
	keys := ask(c.GetKeysWithResponse(ctx)).want(t, 200)
	equal(t, len(keys.JSON200.Keys), 1)
	equal(t, keys.JSON200.Keys[0].Alg, EdDSA)

	first := NewWidget{Name: "first", InfoUrl: "https://example.com/1", Deadline: "12/31/2099"}
	created := ask(c.CreateWidgetWithFormdataBodyWithResponse(ctx, first, token)).want(t, 201)
	equal(t, created.JSON201.Message, "New widget added: first.")
	equal(t, created.Headers201.Location, "/api/v1/widgets/first")
	second := NewWidget{Name: "second", InfoUrl: "https://example.com/2", Deadline: "May 13, 2099"}
	created = ask(c.CreateWidgetWithResponse(ctx, second, token)).want(t, 201)
	equal(t, created.JSON201.Message, "New widget added: second.")
	contentType, body := multipartForm(map[string]string{"info_url": "https://example.com/3", "deadline": "2099-05-13T17:00:00+02:00"})
	put := ask(c.PutWidgetWithBodyWithResponse(ctx, "third", &PutWidgetParams{}, contentType, body, token)).want(t, 201)
	equal(t, put.JSON201.Message, "New widget added: third.")
	change := WidgetChange{InfoUrl: "https://example.com/three", Deadline: "2099-05-13"}
	put = ask(c.PutWidgetWithResponse(ctx, "third", &PutWidgetParams{}, change, token)).want(t, 200)
	equal(t, put.JSON200.Message, "'third' was successfully updated")

	invalid := ask(c.CreateWidgetWithResponse(ctx, NewWidget{Name: "No spaces", InfoUrl: "example.com"}, token)).want(t, 400)
	equal(t, invalid.JSON400.Message, "Input payload validation failed")
	equal(t, *invalid.JSON400.Errors, map[string]string{
		"deadline": "Missing required parameter in the post body",
		"info_url": "Not an absolute http or https URL with a host",
		"name":     "A widget's name is 1 to 100 of the lowercase letters a-z, digits, hyphens and underscores",
	})
	taken := ask(c.CreateWidgetWithResponse(ctx, first, token)).want(t, 409)
	equal(t, taken.JSON409.Status, "fail")
	equal(t, taken.JSON409.Message, "Widget name: first already exists, must be unique.")
	forbidden := ask(c.DeleteWidgetWithResponse(ctx, "first", &DeleteWidgetParams{}, bearer(registered.JSON201.AccessToken))).want(t, 403)
	equal(t, forbidden.JSON403.Message, "You are not an administrator")

	widget := ask(c.GetWidgetWithResponse(ctx, "first", &GetWidgetParams{}, token)).want(t, 200).JSON200
	equal(t, widget.Name, "first")
	equal(t, widget.InfoUrl, "https://example.com/1")
	equal(t, widget.Deadline, "12/31/99 11:59:59 PM UTC")
	equal(t, widget.DeadlineIso8601, time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC))
	equal(t, widget.DeadlinePassed, false)
	equal(t, widget.Owner, Owner{Email: new("admin@example.com"), PublicId: user.JSON200.PublicId})
	equal(t, widget.Link, "/api/v1/widgets/first")

	tourLists(ctx, t, c, token)
	tourVersions(ctx, t, c, token)
	ask(c.DeleteWidgetWithResponse(ctx, "second", &DeleteWidgetParams{}, token)).want(t, 204)
	gone := ask(c.GetWidgetWithResponse(ctx, "second", &GetWidgetParams{}, token)).want(t, 404)
	equal(t, gone.JSON404.Message, "second not found in database")
	tourAccounts(ctx, t, c, token)
	loggedOut := ask(c.LogOutWithResponse(ctx, LogOut{}, token)).want(t, 200)
	equal(t, loggedOut.JSON200.Message, "successfully logged out")
	refused := ask(c.GetUserWithResponse(ctx, token)).want(t, 401)
	equal(t, refused.JSON401.Message, "Token blacklisted. Please log in again.")
	equal(t, refused.Headers401.WWWAuthenticate,
		`Bearer realm="widgetd", error="invalid_token", error_description="Token blacklisted. Please log in again."`)
}

// tourLists reads the widgets by page number and by position.
func tourLists(ctx context.Context, t *testing.T, c *ClientWithResponses, user RequestEditorFn) {
	t.Helper()
	five := ListWidgetsParamsPerPage(5)
	numbered := ask(c.ListWidgetsWithResponse(ctx, &ListWidgetsParams{Page: new(1), PerPage: &five}, user)).want(t, 200)
	const self = "/api/v1/widgets?page=1&per_page=5"
	equal(t, numbered.Headers200.Link, fmt.Sprintf(`<%s>; rel="self", <%[1]s>; rel="first", <%[1]s>; rel="last"`, self))
	equal(t, *numbered.Headers200.TotalCount, 3)
	page := *numbered.JSON200
	equal(t, *page.TotalItems, 3)
	equal(t, page.HasNext, false)
	equal(t, page.Links, WidgetLinks{Self: self, First: self, Last: new(self)})
	equal(t, namesOf(page.Items), []string{"first", "second", "third"})

	due := &ListWidgetsParams{PerPage: &five, Sort: new(Deadline), DeadlineTo: new("2099-05-13")}
	byPosition := ask(c.ListWidgetsWithResponse(ctx, due, user)).want(t, 200)
	equal(t, byPosition.Headers200.TotalCount, nil)
	page = *byPosition.JSON200
	equal(t, page.TotalItems, nil)
	equal(t, namesOf(page.Items), []string{"second", "third"})
	equal(t, page.HasNext, false)
	equal(t, page.Links.Self, "/api/v1/widgets?per_page=5&sort=deadline&deadline_to=2099-05-13")
	wrong := ask(c.ListWidgetsWithResponse(ctx, &ListWidgetsParams{After: new("nonsense")}, user)).want(t, 400)
	equal(t, len(*wrong.JSON400.Errors), 1)
}

func namesOf(widgets []Widget) []string {
	var names []string
	for _, widget := range widgets {
		names = append(names, widget.Name)
	}
	return names
}

// tourVersions changes a widget with the tag of its version, as two people do.
func tourVersions(ctx context.Context, t *testing.T, c *ClientWithResponses, admin RequestEditorFn) {
	t.Helper()
	read := ask(c.GetWidgetWithResponse(ctx, "third", &GetWidgetParams{}, admin)).want(t, 200)
	tag := read.Headers200.ETag
	ask(c.GetWidgetWithResponse(ctx, "third", &GetWidgetParams{IfNoneMatch: &tag}, admin)).want(t, 304)
	change := WidgetPatch{Deadline: new("2099-06-01")}
	changed := ask(c.PatchWidgetWithResponse(ctx, "third", &PatchWidgetParams{IfMatch: &tag}, change, admin)).want(t, 200)
	equal(t, changed.JSON200.Message, "'third' was successfully updated")
	lost := ask(c.PatchWidgetWithFormdataBodyWithResponse(ctx, "third", &PatchWidgetParams{IfMatch: &tag}, change, admin)).want(t, 412)
	equal(t, lost.JSON412.Message, "'third' was changed meanwhile")
	merged := ask(c.PatchWidgetWithApplicationMergePatchPlusJSONBodyWithResponse(ctx, "third",
		&PatchWidgetParams{IfMatch: &changed.Headers200.ETag}, WidgetPatch{InfoUrl: new("https://example.com/3")}, admin)).want(t, 200)
	if merged.Headers200.ETag == tag || merged.Headers200.ETag == changed.Headers200.ETag {
		t.Errorf("the tag %s is that of an earlier version", merged.Headers200.ETag)
	}
}

// tourAccounts adds an account as an administrator, uses it and deletes it.
func tourAccounts(ctx context.Context, t *testing.T, c *ClientWithResponses, admin RequestEditorFn) {
	t.Helper()
	added := ask(c.CreateUserWithResponse(ctx, NewAccount{Email: "bob@example.com", Password: "builder"}, admin)).want(t, 201)
	bob := *added.JSON201
	equal(t, bob.Email, "bob@example.com")
	equal(t, added.Headers201.Location, bob.Link)
	id := bob.PublicId.String()
	equal(t, *ask(c.GetAccountWithResponse(ctx, id, admin)).want(t, 200).JSON200, bob)
	found := ask(c.ListUsersWithResponse(ctx, &ListUsersParams{Email: new("BOB@example.com")}, admin)).want(t, 200)
	equal(t, found.JSON200.Items, []Account{bob})

	logIn := func(password string) RequestEditorFn {
		t.Helper()
		return bearer(ask(c.LogInWithResponse(ctx, Credentials{Email: "bob@example.com", Password: password})).want(t, 200).JSON200.AccessToken)
	}
	first := logIn("builder")
	wrong := ask(c.ChangePasswordWithResponse(ctx, PasswordChange{CurrentPassword: "x", NewPassword: "fixer"}, first)).want(t, 400)
	equal(t, *wrong.JSON400.Errors, map[string]string{"current_password": "Does not match"})
	changed := ask(c.ChangePasswordWithResponse(ctx, PasswordChange{CurrentPassword: "builder", NewPassword: "fixer"}, first)).want(t, 200)
	ask(c.GetUserWithResponse(ctx, first)).want(t, 401)
	second := bearer(changed.JSON200.AccessToken)
	everywhere := ask(c.LogOutWithResponse(ctx, LogOut{Everywhere: new(true)}, second)).want(t, 200)
	equal(t, everywhere.JSON200.Message, "successfully logged out everywhere")
	ask(c.GetUserWithResponse(ctx, second)).want(t, 401)

	third := logIn("fixer")
	ask(c.LogOutUserWithResponse(ctx, id, admin)).want(t, 200)
	ask(c.GetUserWithResponse(ctx, third)).want(t, 401)
	disabled := ask(c.ChangeUserWithResponse(ctx, id, AccountChange{Disabled: new(true)}, admin)).want(t, 200)
	equal(t, disabled.JSON200.Disabled, true)
	refused := ask(c.LogInWithResponse(ctx, Credentials{Email: "bob@example.com", Password: "fixer"})).want(t, 403)
	equal(t, refused.JSON403.Message, "This account is disabled")
	ask(c.ChangeUserWithFormdataBodyWithResponse(ctx, id, AccountChange{Disabled: new(false)}, admin)).want(t, 200)
	unregistered := ask(c.UnregisterWithResponse(ctx, Unregistration{Password: "fixer"}, logIn("fixer"))).want(t, 200)
	equal(t, unregistered.JSON200.Message, "successfully unregistered")
	gone := ask(c.DeleteUserWithResponse(ctx, id, admin)).want(t, 404)
	equal(t, gone.JSON404.Message, id+" not found in database")
}

// bearer adds the token to a request.
func bearer(token string) RequestEditorFn {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

func multipartForm(fields map[string]string) (contentType string, body *bytes.Buffer) {
	body = &bytes.Buffer{}
	form := multipart.NewWriter(body)
	for name, value := range fields {
		_ = form.WriteField(name, value) // a buffer takes anything
	}
	_ = form.Close()
	return form.FormDataContentType(), body
}

// answer is the result of a call of the client.
type answer[T response] struct {
	response T
	err      error
}

// response has the methods of every response of the client.
type response interface {
	StatusCode() int
	GetBody() []byte
}

func ask[T response](r T, err error) answer[T] { return answer[T]{r, err} }

// want returns the response, which must have the given status.
func (a answer[T]) want(t *testing.T, status int) T {
	t.Helper()
	if a.err != nil {
		t.Fatal(a.err)
	}
	if got := a.response.StatusCode(); got != status {
		t.Fatalf("status %d, want %d: %s", got, status, a.response.GetBody())
	}
	return a.response
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
