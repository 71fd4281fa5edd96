package fiberhttp_test

import (
	"math/rand"
	"reflect"
	"testing"
	"testing/quick"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// This file has all fields of a widget that the tests use. A new field of the widget
// is added in this file.

var (
	// sprocket is the body of a write. The port gets sprocketFields.
	sprocket       = fields{"name", "sprocket", "info_url", "https://example.com/s?a=1&b=2#c", "deadline", "2027-05-13"}
	sprocketFields = domain.WidgetFields{
		InfoURL:  sample.InfoURL("https://example.com/s?a=1&b=2#c"),
		Deadline: domain.RestoreDeadline(domain.EndOfDay(2027, time.May, 13)),
	}

	gear = domain.NewWidget(sample.WidgetName("gear"), domain.WidgetFields{
		InfoURL:  sample.InfoURL("https://example.com/gear?a=1&b=2"),
		Deadline: domain.RestoreDeadline(domain.EndOfDay(2027, time.December, 31)),
	}, admin, start)
)

// gearAs returns gear with another name.
func gearAs(name domain.WidgetName) domain.Widget {
	widget := gear
	widget.Name = name
	return widget
}

// gearTag is the entity tag of gear.
const gearTag = `"1795330507000000"`

// gearBody is gear in a response at start.
const gearBody = `{"name":"gear","info_url":"https://example.com/gear?a=1&b=2",` +
	`"created_at":"11/22/26 06:55:07 AM UTC","created_at_iso8601":"2026-11-22T06:55:07Z",` +
	`"created_at_rfc822":"Sun, 22 Nov 2026 06:55:07 -0000",` +
	`"deadline":"12/31/27 11:59:59 PM UTC","deadline_iso8601":"2027-12-31T23:59:59Z",` +
	`"deadline_passed":false,"time_remaining":"404 days 17 hours 4 minutes 52 seconds",` +
	`"owner":{"email":"root@example.com","public_id":"cd000000-0000-0000-0000-000000000002"},` +
	`"link":"/api/v1/widgets/gear"}`

// widgetBody is a widget in a response, for encoding/json.
type widgetBody struct {
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

type ownerBody struct {
	Email    *string `json:"email"` // nil if the account was deleted
	PublicID string  `json:"public_id"`
}

func bodyOfOwner(owner domain.Owner) ownerBody {
	body := ownerBody{PublicID: owner.PublicID.String()}
	if email := owner.Email.String(); email != "" {
		body.Email = &email
	}
	return body
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
		TimeRemaining:    fiberhttp.Remaining(w.Deadline, now),
		Owner:            bodyOfOwner(w.Owner),
		Link:             "/api/v1/widgets/" + w.Name.String(),
	}
}

func TestWidgetIsRenderedAsEncodingJSONRendersIt(t *testing.T) {
	t.Parallel()
	check := func(name, link, email string, id domain.UUID, created, deadline, now millis) bool {
		widget := domain.Widget{
			Name: domain.RestoreWidgetName(name),
			WidgetFields: domain.WidgetFields{
				InfoURL:  domain.RestoreInfoURL(link),
				Deadline: domain.RestoreDeadline(deadline.time()),
			},
			CreatedAt: created.time(),
			Owner:     domain.Owner{PublicID: id, Email: domain.RestoreEmail(email)},
		}
		wantJSON(t, fiberhttp.AppendWidget(nil, widget, now.time()), bodyOfWidget(widget, now.time()))
		return !t.Failed()
	}
	check("gear", "https://example.com/?a=1&b=<2>", "ada@example.com", domain.UUID{1}, 1795330507123, 1827000000000, 1795330508000)
	check("", "\xff\x00\x7f/\t\n", "ada+\"\\\u2028é@example.com", domain.UUID{}, year1, year9999, 0)
	check("'a'", "</script>", "", domain.UUID{}, 0, 0, -1)
	if err := quick.Check(check, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

// millis is a time in milliseconds since 1970, of a year of four digits.
type millis int64

const year1, year9999 millis = -62135596800000, 253402300799999

func (m millis) time() time.Time { return time.UnixMilli(int64(m)) }

// Generate implements [quick.Generator].
func (millis) Generate(r *rand.Rand, _ int) reflect.Value {
	return reflect.ValueOf(year1 + millis(r.Int63n(int64(year9999-year1))))
}
