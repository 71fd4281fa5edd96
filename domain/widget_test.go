package domain_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestNewWidgetBelongsToItsCreator(t *testing.T) {
	t.Parallel()
	owner := domain.User{PublicID: domain.UUID{1}, Email: sample.Email("ada@example.com"), PasswordHash: domain.NewPasswordHash("hash"), Admin: true}
	fields := sample.WidgetFields("rocket")
	want := domain.Widget{
		Name:         sample.WidgetName("rocket"),
		WidgetFields: fields,
		CreatedAt:    time.Date(2026, 11, 22, 6, 55, 7, 123e6, time.UTC),
		Owner:        domain.Owner{PublicID: owner.PublicID, Email: owner.Email},
		Version:      1795330507123999,
	}
	got := domain.NewWidget(want.Name, fields, owner, moment("2026-11-22T08:55:07.123999999+02:00"))
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestChangedChangesOneFieldAndRaisesTheVersion compares whole widgets, so that no other
// field may change.
func TestChangedChangesOneFieldAndRaisesTheVersion(t *testing.T) {
	t.Parallel()
	before, fields, bob := sample.Widget("rocket"), sample.WidgetFields("changed"), domain.OwnerOf(sample.Admin(7))
	for how, test := range map[string]struct {
		change domain.WidgetChange
		want   func(w *domain.Widget)
	}{
		"nothing":         {domain.WidgetChange{}, func(*domain.Widget) {}},
		"the same fields": {before.ChangeAll(), func(*domain.Widget) {}},
		"the URL":         {domain.WidgetChange{InfoURL: &fields.InfoURL}, func(w *domain.Widget) { w.InfoURL = fields.InfoURL }},
		"the deadline":    {domain.WidgetChange{Deadline: &fields.Deadline}, func(w *domain.Widget) { w.Deadline = fields.Deadline }},
		"the owner":       {domain.WidgetChange{Owner: &bob}, func(w *domain.Widget) { w.Owner = bob }},
		"all fields":      {fields.ChangeAll(), func(w *domain.Widget) { w.WidgetFields = fields }},
		"the email":       {domain.WidgetChange{Owner: &domain.Owner{PublicID: before.Owner.PublicID}}, func(w *domain.Widget) { w.Owner.Email = domain.Email{} }},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			want := before
			test.want(&want)
			want.Version++
			if got := before.Changed(test.change); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestChangeAllSetsEveryField finds a field that is added to WidgetFields and is missing in
// WidgetChange, ChangeAll or Changed.
func TestChangeAllSetsEveryField(t *testing.T) {
	t.Parallel()
	one, other := sample.Widget("one"), sample.WidgetFields("other")
	if got := one.Changed(other.ChangeAll()).WidgetFields; got != other {
		t.Errorf("got %+v, want %+v", got, other)
	}
}

const badWidgetName = "A widget's name is 1 to 100 of the lowercase letters a-z, digits, hyphens and underscores"

func TestParseWidgetNameAccepts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a", "0", "-", "_", "first-widget", "first_widget", "--", "42", "abcdefghijklmnopqrstuvwxyz0123456789-_",
		strings.Repeat("a", 100),
	} {
		name, err := domain.ParseWidgetName(text)
		if err != nil || name.String() != text {
			t.Errorf("%q: got %q, %v", text, name, err)
		}
	}
}

func TestParseWidgetNameRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"101 bytes":          strings.Repeat("a", 101),
		"uppercase":          "Widget",
		"dot":                "first.widget",
		"slash":              "first/widget",
		"backslash":          `first\widget`,
		"parent folder":      "../x",
		"escape":             "a%2fb",
		"question mark":      "a?b",
		"other script":       "名前",
		"other lowercase":    "é",
		"other digits":       "١",
		"Kelvin sign":        "\u212a",
		"NUL":                "a\x00",
		"space":              "first widget",
		"space around":       " a ",
		"newline":            "a\n",
		"invalid UTF-8":      "a\xff",
		"zero-width space":   "a\u200b",
		"before and after a": "`{",
		"before and after 0": "/:",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := domain.ParseWidgetName(text)
			wantInvalid(t, err, badWidgetName)
			if got != (domain.WidgetName{}) {
				t.Errorf("the result is %q, want the zero value", got)
			}
		})
	}
}

func FuzzParseWidgetName(f *testing.F) {
	for _, seed := range []string{"", "first-widget", "a_b-0", "Widget", "../x", "名前", "a\x00", "a\xff", " ", strings.Repeat("a", 101)} {
		f.Add(seed)
	}
	allowed := regexp.MustCompile(`\A[a-z0-9_-]{1,100}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		name, err := domain.ParseWidgetName(s)
		if accepted := err == nil; accepted != allowed.MatchString(s) {
			t.Errorf("ParseWidgetName accepted the name: %v", accepted)
		}
		if err == nil && name.String() != s {
			t.Errorf("String() = %q", name)
		}
	})
}

func TestNewDeadlineComparesDatesInUTC(t *testing.T) {
	t.Parallel()
	const today = "2026-11-22T18:00:00Z"
	for name, test := range map[string]struct {
		at, now string
		past    string // the deadline's date if it is refused
	}{
		"later today":               {"2026-11-22T23:59:59Z", today, ""},
		"this moment":               {today, today, ""},
		"earlier today":             {"2026-11-22T00:00:00Z", today, ""},
		"tomorrow":                  {"2026-11-23T00:00:00Z", today, ""},
		"end of yesterday":          {"2026-11-21T23:59:59.999999999Z", today, "2026-11-21"},
		"last year":                 {"2025-12-31T00:00:00Z", today, "2025-12-31"},
		"year 1":                    {"0001-01-01T00:00:00Z", today, "0001-01-01"},
		"year 0":                    {"0000-01-01T00:00:00Z", today, "0000-01-01"},
		"east: yesterday in UTC":    {"2026-11-22T01:00:00+02:00", today, "2026-11-21"},
		"east: today in UTC":        {"2026-11-23T01:00:00+02:00", today, ""},
		"west: today in UTC":        {"2026-11-21T23:00:00-02:00", today, ""},
		"west: yesterday in UTC":    {"2026-11-21T21:59:59-02:00", today, "2026-11-21"},
		"far east":                  {"2026-11-22T13:59:59+14:00", today, "2026-11-21"},
		"far west":                  {"2026-11-21T12:00:00-12:00", today, ""},
		"last moment of 9999":       {"9999-12-31T23:59:59.999Z", today, ""},
		"now in the east, same day": {"2026-11-21T00:00:00Z", "2026-11-22T01:00:00+02:00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := moment(test.at)
			deadline, err := domain.NewDeadline(at, moment(test.now))
			if test.past != "" {
				wantInvalid(t, err, "The deadline "+test.past+" is past: today is 2026-11-22 (UTC)")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := at.UTC().Truncate(time.Millisecond); deadline.Time() != want {
				t.Errorf("Time() = %v, want %v", deadline.Time(), want)
			}
		})
	}
	t.Run("now in the west, a day behind UTC", func(t *testing.T) {
		t.Parallel()
		_, err := domain.NewDeadline(moment("2026-11-22T23:59:59Z"), moment("2026-11-22T23:00:00-05:00"))
		wantInvalid(t, err, "The deadline 2026-11-22 is past: today is 2026-11-23 (UTC)")
	})
}

func TestNewDeadlineRefusesYearsThatRFC3339CannotExpress(t *testing.T) {
	t.Parallel()
	now := moment("2026-11-22T18:00:00Z")
	west, east := time.FixedZone("", -3600), time.FixedZone("", 3600)
	for _, at := range []time.Time{
		time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 30, 0, 0, west),
		time.Date(290000000000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		_, err := domain.NewDeadline(at, now)
		wantInvalid(t, err, "A deadline cannot be after the year 9999")
	}
	if _, err := domain.NewDeadline(time.Date(10000, 1, 1, 0, 30, 0, 0, east), now); err != nil {
		t.Errorf("still 9999 in UTC: %v", err)
	}
	_, err := domain.NewDeadline(time.Date(-1, 12, 31, 0, 0, 0, 0, time.UTC), now)
	wantInvalid(t, err, "The deadline -0001-12-31 is past: today is 2026-11-22 (UTC)")
}

func TestRestoreDeadlineAcceptsThePastInUTCMilliseconds(t *testing.T) {
	t.Parallel()
	got := domain.RestoreDeadline(moment("2001-02-03T06:05:06.789999999+02:00")).Time()
	if want := time.Date(2001, 2, 3, 4, 5, 6, 789e6, time.UTC); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEndOfDayIsTheLastSecondOfTheDayInUTC(t *testing.T) {
	t.Parallel()
	if got, want := domain.EndOfDay(2028, time.February, 29), moment("2028-02-29T23:59:59Z"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDeadlineCountsDownToZero(t *testing.T) {
	t.Parallel()
	const due = "2027-05-13T12:00:00.500Z"
	for name, test := range map[string]struct {
		due, now string
		left     int64
		passed   bool
	}{
		"at the moment":                  {due, due, 0, true},
		"a nanosecond before":            {due, "2027-05-13T12:00:00.499999999Z", 0, false},
		"a nanosecond after":             {due, "2027-05-13T12:00:00.500000001Z", 0, true},
		"a year after":                   {due, "2028-05-13T12:00:00Z", 0, true},
		"exactly a second":               {due, "2027-05-13T11:59:59.500Z", 1, false},
		"not quite a second":             {due, "2027-05-13T11:59:59.500000001Z", 0, false},
		"a little more than a second":    {due, "2027-05-13T11:59:59.499999999Z", 1, false},
		"borrows from the seconds":       {due, "2027-05-13T11:59:58.900Z", 1, false},
		"a day":                          {due, "2027-05-12T12:00:00.500Z", 86400, false},
		"now elsewhere":                  {due, "2027-05-13T13:59:50.500+02:00", 10, false},
		"across the epoch, borrowing":    {"1970-01-01T00:00:01Z", "1969-12-31T23:59:59.500Z", 1, false},
		"beyond 292 years":               {"9999-12-31T23:59:59Z", "2026-11-22T00:00:00Z", 251606995199, false},
		"beyond 292 years, borrowing":    {"9999-12-31T23:59:59Z", "2026-11-22T00:00:00.001Z", 251606995198, false},
		"passed more than 292 years ago": {"1500-01-01T00:00:00Z", "2026-11-22T00:00:00Z", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deadline, now := domain.RestoreDeadline(moment(test.due)), moment(test.now)
			if got := deadline.SecondsLeft(now); got != test.left {
				t.Errorf("%d seconds left, want %d", got, test.left)
			}
			if got := deadline.PassedAt(now); got != test.passed {
				t.Errorf("passed is %v", got)
			}
		})
	}
}

func TestRestoreDoesNotApplyRules(t *testing.T) {
	t.Parallel()
	const text = "no name, no link and no address"
	if got := domain.RestoreWidgetName(text).String(); got != text {
		t.Errorf("the name is %q", got)
	}
	if got := domain.RestoreInfoURL(text).String(); got != text {
		t.Errorf("the URL is %q", got)
	}
	if got := domain.RestoreEmail(text).String(); got != text {
		t.Errorf("the address is %q", got)
	}
}
