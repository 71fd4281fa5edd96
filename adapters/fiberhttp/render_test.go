package fiberhttp

import (
	"math/rand"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// What the contract says of bodies, for encoding/json to write.
type (
	userBody struct {
		Email               string `json:"email"`
		PublicID            string `json:"public_id"`
		Admin               bool   `json:"admin"`
		RegisteredOn        string `json:"registered_on"`
		RegisteredOnISO8601 string `json:"registered_on_iso8601"`
		TokenExpiresIn      string `json:"token_expires_in"`
	}
	widgetBody struct {
		Name             string    `json:"name"`
		InfoURL          string    `json:"info_url"`
		CreatedAt        string    `json:"created_at"`
		CreatedAtISO8601 string    `json:"created_at_iso8601"`
		CreatedAtRFC822  string    `json:"created_at_rfc822"`
		Deadline         string    `json:"deadline"`
		DeadlineISO8601  string    `json:"deadline_iso8601"`
		DeadlinePassed   bool      `json:"deadline_passed"`
		TimeRemaining    string    `json:"time_remaining"`
		Owner            ownerBody `json:"owner"`
		Link             string    `json:"link"`
	}
	ownerBody struct {
		Email    string `json:"email"`
		PublicID string `json:"public_id"`
	}
	pageBody struct {
		Links      linksBody    `json:"links"`
		HasPrev    bool         `json:"has_prev"`
		HasNext    bool         `json:"has_next"`
		Page       int          `json:"page"`
		TotalPages int          `json:"total_pages"`
		PerPage    int          `json:"items_per_page"`
		TotalItems int          `json:"total_items"`
		Items      []widgetBody `json:"items"`
	}
	linksBody struct {
		Self  string `json:"self"`
		First string `json:"first"`
		Prev  string `json:"prev,omitempty"`
		Next  string `json:"next,omitempty"`
		Last  string `json:"last"`
	}
)

func bodyOfUser(u domain.User, expiresIn time.Duration) userBody {
	return userBody{
		Email:               u.Email.String(),
		PublicID:            u.PublicID.String(),
		Admin:               u.Admin,
		RegisteredOn:        u.RegisteredOn.UTC().Format("01/02/06 03:04:05 PM UTC"),
		RegisteredOnISO8601: u.RegisteredOn.UTC().Format(time.RFC3339),
		TokenExpiresIn:      string(appendDigits(nil, expiresIn)),
	}
}

func bodyOfWidget(w domain.Widget, now time.Time) widgetBody {
	created, deadline := w.CreatedAt.UTC(), w.Deadline.Time()
	return widgetBody{
		Name:             w.Name.String(),
		InfoURL:          w.InfoURL.String(),
		CreatedAt:        created.Format("01/02/06 03:04:05 PM UTC"),
		CreatedAtISO8601: created.Format(time.RFC3339),
		CreatedAtRFC822:  created.Format("Mon, 02 Jan 2006 15:04:05 -0000"),
		Deadline:         deadline.Format("01/02/06 03:04:05 PM UTC"),
		DeadlineISO8601:  deadline.Format(time.RFC3339),
		DeadlinePassed:   w.Deadline.PassedAt(now),
		TimeRemaining:    string(appendRemaining(nil, w.Deadline, now)),
		Owner:            ownerBody{w.Owner.Email.String(), w.Owner.PublicID.String()},
		Link:             "/api/v1/widgets/" + w.Name.String(),
	}
}

func bodyOfPage(p domain.Page, now time.Time) pageBody {
	to := func(page int) string {
		return "/api/v1/widgets?page=" + strconv.Itoa(page) + "&per_page=" + strconv.Itoa(p.Request.Size())
	}
	body := pageBody{
		Links:      linksBody{Self: to(p.Request.Number()), First: to(1), Last: to(p.LastPage())},
		HasPrev:    p.HasPrev(),
		HasNext:    p.HasNext(),
		Page:       p.Request.Number(),
		TotalPages: p.TotalPages(),
		PerPage:    p.Request.Size(),
		TotalItems: p.TotalItems,
		Items:      []widgetBody{},
	}
	if p.HasPrev() {
		body.Links.Prev = to(p.PrevPage())
	}
	if p.HasNext() {
		body.Links.Next = to(p.NextPage())
	}
	for _, widget := range p.Items {
		body.Items = append(body.Items, bodyOfWidget(widget, now))
	}
	return body
}

// wantJSON wants what was rendered to be what encoding/json makes of the body.
func wantJSON(t *testing.T, rendered []byte, body any) {
	t.Helper()
	want, err := encodeJSON(body)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(rendered) + "\n"; got != string(want) {
		t.Errorf("got  %swant %s", got, want)
	}
}

// TestRenderedJSON is no fuzz target, for which the document's validator would be
// compiled anew: see package fuzz.
func TestRenderedJSON(t *testing.T) {
	t.Parallel()
	const year1, year9999 = -62135596800000, 253402300799999 // between which years have four digits
	rendersRight := func(email, name, link string, created, deadline, now int64, admin bool) bool {
		moment := func(millis int64) time.Time { return time.UnixMilli(max(year1, min(millis, year9999))) }
		user := domain.User{Email: domain.RestoreEmail(email), Admin: admin, RegisteredOn: moment(created)}
		copy(user.PublicID[:], name)
		widget := domain.Widget{
			Name: domain.RestoreWidgetName(name), InfoURL: domain.RestoreInfoURL(link),
			CreatedAt: moment(created), Deadline: domain.RestoreDeadline(moment(deadline)),
			Owner: domain.Owner{PublicID: user.PublicID, Email: user.Email},
		}
		wantJSON(t, appendUser(nil, user, time.Duration(deadline)), bodyOfUser(user, time.Duration(deadline)))
		wantJSON(t, appendWidget(nil, widget, moment(now)), bodyOfWidget(widget, moment(now)))
		wantJSON(t, appendText(nil, link), link)
		return !t.Failed()
	}
	rendersRight("ada@example.com", "gear", "https://example.com/?a=1&b=<2>", 1795330507123, 1827000000000, 1795330508000, true)
	rendersRight("ada+\"\\\u2028é@example.com", "", "\xff\x00\x7f/\t\n", year1, year9999, 0, false)
	rendersRight("", "'a'", "</script>", 0, 0, -1, false)
	anyTime := func(r *rand.Rand) reflect.Value { return reflect.ValueOf(year1 + r.Int63n(year9999-year1)) }
	anyText := func(r *rand.Rand) reflect.Value {
		text, _ := quick.Value(reflect.TypeFor[string](), r)
		return text
	}
	if err := quick.Check(rendersRight, &quick.Config{MaxCount: 2000, Values: func(values []reflect.Value, r *rand.Rand) {
		for i := range values {
			values[i] = anyTime(r)
			if i < 3 {
				values[i] = anyText(r)
			}
		}
		values[6] = reflect.ValueOf(r.Intn(2) == 0)
	}}); err != nil {
		t.Error(err)
	}
}

func TestPageIsRenderedAsTheContractSays(t *testing.T) {
	t.Parallel()
	widget := domain.Widget{
		Name: domain.RestoreWidgetName("gear"), InfoURL: domain.RestoreInfoURL("https://example.com/gear?a=1&b=2"),
		CreatedAt: noon, Deadline: domain.RestoreDeadline(noon.Add(time.Hour)), Owner: domain.Owner{Email: domain.RestoreEmail("ada@example.com")},
	}
	for _, of := range []struct {
		page, total, items int
		rels               string
	}{
		{1, 0, 0, "self first last"},
		{1, 1, 1, "self first last"},
		{1, 11, 5, "self first next last"},
		{2, 11, 5, "self first prev next last"},
		{3, 11, 1, "self first prev last"},
		{9, 11, 0, "self first prev last"},
	} {
		request, err := domain.ParsePageRequest(strconv.Itoa(of.page), "5")
		if err != nil {
			t.Fatal(err)
		}
		page := domain.Page{Request: request, TotalItems: of.total}
		for range of.items {
			page.Items = append(page.Items, widget)
		}
		body := bodyOfPage(page, noon)
		wantJSON(t, appendPage(nil, page, noon), body)

		targets := map[string]string{
			"self": body.Links.Self, "first": body.Links.First, "prev": body.Links.Prev, "next": body.Links.Next, "last": body.Links.Last,
		}
		var header []string
		for _, rel := range strings.Fields(of.rels) {
			header = append(header, "<"+targets[rel]+`>; rel="`+rel+`"`)
		}
		if got, want := string(appendLinkHeader(nil, page)), strings.Join(header, ", "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// BenchmarkRender puts a page of ten into a buffer that has room for it, as requests
// after the first do, and has encoding/json do the same.
func BenchmarkRender(b *testing.B) {
	request, err := domain.ParsePageRequest("2", "10")
	if err != nil {
		b.Fatal(err)
	}
	page := domain.Page{Request: request, TotalItems: 1000}
	for range 10 {
		page.Items = append(page.Items, domain.Widget{
			Name: domain.RestoreWidgetName("widget-0000042"), InfoURL: domain.RestoreInfoURL("https://example.com/widgets/of/ada?page=1&x=2"),
			CreatedAt: noon, Deadline: domain.RestoreDeadline(noon.Add(1000 * time.Hour)), Owner: domain.Owner{Email: domain.RestoreEmail("ada@example.com")},
		})
	}
	b.Run("ours", func(b *testing.B) {
		buffer := appendPage(nil, page, noon)
		b.ReportAllocs()
		for b.Loop() {
			buffer = appendPage(buffer[:0], page, noon)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := encodeJSON(bodyOfPage(page, noon)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
