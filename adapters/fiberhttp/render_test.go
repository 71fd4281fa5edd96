package fiberhttp_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// The bodies of responses, for encoding/json.
type (
	userBody struct {
		Email               string `json:"email"`
		PublicID            string `json:"public_id"`
		Admin               bool   `json:"admin"`
		RegisteredOn        string `json:"registered_on"`
		RegisteredOnISO8601 string `json:"registered_on_iso8601"`
		TokenExpiresIn      string `json:"token_expires_in"`
	}
	pageBody struct {
		Links      linksBody `json:"links"`
		HasPrev    bool      `json:"has_prev"`
		HasNext    bool      `json:"has_next"`
		Page       int       `json:"page"`
		TotalPages int       `json:"total_pages"`
		PerPage    int       `json:"items_per_page"`
		TotalItems int       `json:"total_items"`
		Items      []any     `json:"items"`
	}
	linksBody struct {
		Self  string `json:"self"`
		First string `json:"first"`
		Prev  string `json:"prev,omitempty"`
		Next  string `json:"next,omitempty"`
		Last  string `json:"last"`
	}
)

// bodyOfPage returns the body of a page of the list at /things.
func bodyOfPage[T any](p domain.Page[T], bodyOf func(T) any) pageBody {
	to := func(page int) string {
		return "/things?page=" + strconv.Itoa(page) + "&per_page=" + strconv.Itoa(p.Request.Size())
	}
	body := pageBody{
		Links:      linksBody{Self: to(p.Request.Number()), First: to(1), Last: to(p.LastPage())},
		HasPrev:    p.HasPrev(),
		HasNext:    p.HasNext(),
		Page:       p.Request.Number(),
		TotalPages: p.TotalPages(),
		PerPage:    p.Request.Size(),
		TotalItems: p.TotalItems,
		Items:      []any{},
	}
	if p.HasPrev() {
		body.Links.Prev = to(p.PrevPage())
	}
	if p.HasNext() {
		body.Links.Next = to(p.NextPage())
	}
	for _, item := range p.Items {
		body.Items = append(body.Items, bodyOf(item))
	}
	return body
}

// wantJSON compares a rendered body with that of encoding/json.
func wantJSON(t *testing.T, rendered []byte, body any) {
	t.Helper()
	if got, want := string(rendered), encode(body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUserIsRenderedAsEncodingJSONRendersIt(t *testing.T) {
	t.Parallel()
	check := func(email string, id domain.UUID, admin bool, registered millis, expiresIn time.Duration) bool {
		user := domain.User{Email: domain.RestoreEmail(email), PublicID: id, Admin: admin, RegisteredOn: registered.time()}
		wantJSON(t, fiberhttp.AppendUser(nil, user, expiresIn), userBody{
			Email:               user.Email.String(),
			PublicID:            user.PublicID.String(),
			Admin:               user.Admin,
			RegisteredOn:        user.RegisteredOn.UTC().Format("01/02/06 03:04:05 PM UTC"),
			RegisteredOnISO8601: user.RegisteredOn.UTC().Format(time.RFC3339),
			TokenExpiresIn:      fiberhttp.Digits(expiresIn),
		})
		return !t.Failed()
	}
	check("ada+\"\\\u2028é@example.com", domain.UUID{1}, true, year9999, time.Hour)
	if err := quick.Check(check, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

func TestPageAndItsLinksAreRendered(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		page, total int
		items       []string
		rels        string
	}{
		{1, 0, nil, "self first last"},
		{1, 1, []string{"a"}, "self first last"},
		{1, 11, []string{"a", "b", "c", "d", "e"}, "self first next last"},
		{2, 11, []string{"f", "g", "h", "i", "j"}, "self first prev next last"},
		{3, 11, []string{"k"}, "self first prev last"},
		{9, 11, nil, "self first prev last"},
	} {
		page := domain.Page[string]{Request: sample.Page(test.page, 5), Items: test.items, TotalItems: test.total}
		body := bodyOfPage(page, func(item string) any { return item })
		wantJSON(t, fiberhttp.AppendPage(nil, "/things", page, func(b []byte, item string) []byte {
			return append(append(append(b, '"'), item...), '"')
		}), body)

		targets := map[string]string{
			"self": body.Links.Self, "first": body.Links.First, "prev": body.Links.Prev, "next": body.Links.Next, "last": body.Links.Last,
		}
		var header []string
		for _, rel := range strings.Fields(test.rels) {
			header = append(header, "<"+targets[rel]+`>; rel="`+rel+`"`)
		}
		if got, want := string(fiberhttp.AppendLinkHeader(nil, "/things", page)), strings.Join(header, ", "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// BenchmarkRender renders a page of ten widgets, and has encoding/json do the
// same.
func BenchmarkRender(b *testing.B) {
	page := domain.Page[domain.Widget]{Request: sample.Page(2, 10), Items: sample.Widgets(10), TotalItems: 1000}
	now := sample.Time()
	b.Run("text", func(b *testing.B) {
		appendItem := func(b []byte, widget domain.Widget) []byte { return fiberhttp.AppendWidget(b, widget, now) }
		buffer := fiberhttp.AppendPage(nil, "/things", page, appendItem)
		b.ReportAllocs()
		for b.Loop() {
			buffer = fiberhttp.AppendPage(buffer[:0], "/things", page, appendItem)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			encode(bodyOfPage(page, func(widget domain.Widget) any { return bodyOfWidget(widget, now) }))
		}
	})
}
