// Package client is the README's tour through a client that oapi-codegen makes
// of the document that a server serves. The client is not here: the tests of
// cmd/widgetd generate it in a copy of this folder, and run the tour there.
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

	_ "github.com/oapi-codegen/runtime" // which the generated client imports
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

	first := NewWidget{Name: "first", InfoUrl: "https://example.com/1", Deadline: "12/31/2099"}
	created := ask(c.CreateWidgetWithFormdataBodyWithResponse(ctx, first, token)).want(t, 201)
	equal(t, created.JSON201.Message, "New widget added: first.")
	equal(t, created.Headers201.Location, "/api/v1/widgets/first")
	second := NewWidget{Name: "second", InfoUrl: "https://example.com/2", Deadline: "May 13, 2099"}
	created = ask(c.CreateWidgetWithResponse(ctx, second, token)).want(t, 201)
	equal(t, created.JSON201.Message, "New widget added: second.")
	contentType, body := multipartForm(map[string]string{"info_url": "https://example.com/3", "deadline": "2099-05-13T17:00:00+02:00"})
	put := ask(c.PutWidgetWithBodyWithResponse(ctx, "third", contentType, body, token)).want(t, 201)
	equal(t, put.JSON201.Message, "New widget added: third.")
	change := WidgetChange{InfoUrl: "https://example.com/three", Deadline: "2099-05-13"}
	put = ask(c.PutWidgetWithResponse(ctx, "third", change, token)).want(t, 200)
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
	forbidden := ask(c.DeleteWidgetWithResponse(ctx, "first", bearer(registered.JSON201.AccessToken))).want(t, 403)
	equal(t, forbidden.JSON403.Message, "You are not an administrator")

	widget := ask(c.GetWidgetWithResponse(ctx, "first", token)).want(t, 200).JSON200
	equal(t, widget.Name, "first")
	equal(t, widget.InfoUrl, "https://example.com/1")
	equal(t, widget.Deadline, "12/31/99 11:59:59 PM UTC")
	equal(t, widget.DeadlineIso8601, time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC))
	equal(t, widget.DeadlinePassed, false)
	equal(t, widget.Owner, Owner{Email: "admin@example.com", PublicId: user.JSON200.PublicId})
	equal(t, widget.Link, "/api/v1/widgets/first")

	five := ListWidgetsParamsPerPage(5)
	page := ask(c.ListWidgetsWithResponse(ctx, &ListWidgetsParams{Page: new(1), PerPage: &five}, token)).want(t, 200)
	const self = "/api/v1/widgets?page=1&per_page=5"
	equal(t, page.Headers200.Link, fmt.Sprintf(`<%s>; rel="self", <%[1]s>; rel="first", <%[1]s>; rel="last"`, self))
	equal(t, page.Headers200.TotalCount, 3)
	equal(t, page.JSON200.TotalItems, 3)
	equal(t, page.JSON200.HasNext, false)
	equal(t, page.JSON200.Links, PageLinks{Self: self, First: self, Last: self})
	var names []string
	for _, item := range page.JSON200.Items {
		names = append(names, item.Name)
	}
	equal(t, names, []string{"first", "second", "third"})

	ask(c.DeleteWidgetWithResponse(ctx, "second", token)).want(t, 204)
	gone := ask(c.GetWidgetWithResponse(ctx, "second", token)).want(t, 404)
	equal(t, gone.JSON404.Message, "second not found in database")
	loggedOut := ask(c.LogOutWithResponse(ctx, token)).want(t, 200)
	equal(t, loggedOut.JSON200.Message, "successfully logged out")
	refused := ask(c.GetUserWithResponse(ctx, token)).want(t, 401)
	equal(t, refused.JSON401.Message, "Token blacklisted. Please log in again.")
	equal(t, refused.Headers401.WWWAuthenticate,
		`Bearer realm="widgetd", error="invalid_token", error_description="Token blacklisted. Please log in again."`)
}

// bearer has a request carry the token.
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

// answer is what a call of the client returned.
type answer[T response] struct {
	response T
	err      error
}

// response is what every response of the client has.
type response interface {
	StatusCode() int
	GetBody() []byte
}

func ask[T response](r T, err error) answer[T] { return answer[T]{r, err} }

// want returns the response, whose status is the given.
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
