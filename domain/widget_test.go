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
