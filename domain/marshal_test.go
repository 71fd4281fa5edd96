package domain_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// texts has a field of each type with a text.
type texts struct {
	ID       domain.UUID
	Email    domain.Email
	Name     domain.WidgetName
	Link     domain.InfoURL
	Deadline domain.Deadline
}

const textsJSON = `{"ID":"d2719b2e-0c57-4f6e-a1c4-93b8f7e6d5c4","Email":"Ada@Example.com","Name":"gear",` +
	`"Link":"https://example.com/?a=1","Deadline":"2027-05-13T17:00:00.25Z"}`

func sampleTexts() texts {
	return texts{
		ID:       sample.Must(domain.ParseUUID("d2719b2e-0c57-4f6e-a1c4-93b8f7e6d5c4")),
		Email:    sample.Email("Ada@Example.com"),
		Name:     sample.WidgetName("gear"),
		Link:     sample.InfoURL("https://example.com/?a=1"),
		Deadline: domain.RestoreDeadline(moment("2027-05-13T19:00:00.250999+02:00")),
	}
}

func TestValuesAreTextsInJSON(t *testing.T) {
	t.Parallel()
	values := sampleTexts()
	for _, value := range []any{values, &values} {
		if got := string(sample.Must(json.Marshal(value))); got != textsJSON {
			t.Errorf("got  %s\nwant %s", got, textsJSON)
		}
	}
	var read texts
	if err := json.Unmarshal([]byte(textsJSON), &read); err != nil || read != values {
		t.Errorf("read as %+v, %v", read, err)
	}

	keys := map[domain.UUID]domain.WidgetName{values.ID: values.Name}
	var readKeys map[domain.UUID]domain.WidgetName
	if err := json.Unmarshal(sample.Must(json.Marshal(keys)), &readKeys); err != nil || readKeys[values.ID] != values.Name {
		t.Errorf("the keys of a map were read as %v, %v", readKeys, err)
	}
}

func TestRecordsSurviveJSON(t *testing.T) {
	t.Parallel()
	widget := sample.Widget("gear")
	var readWidget domain.Widget
	if err := json.Unmarshal(sample.Must(json.Marshal(widget)), &readWidget); err != nil || readWidget != widget {
		t.Errorf("%+v was read as %+v, %v", widget, readWidget, err)
	}
	claims := domain.NewClaims(sample.ID(1), sample.Admin(2), sample.Time(), time.Hour)
	claims.CutOff = sample.ID(3)
	var readClaims domain.Claims
	if err := json.Unmarshal(sample.Must(json.Marshal(claims)), &readClaims); err != nil || readClaims != claims {
		t.Errorf("%+v was read as %+v, %v", claims, readClaims, err)
	}
}

func TestZeroValuesHaveAnEmptyText(t *testing.T) {
	t.Parallel()
	const empty = `{"ID":"","Email":"","Name":"","Link":"","Deadline":""}`
	if got := string(sample.Must(json.Marshal(texts{}))); got != empty {
		t.Errorf("got %s, want %s", got, empty)
	}
}

// TestUnmarshalTextAppliesTheRules has texts that the function of each type refuses.
func TestUnmarshalTextAppliesTheRules(t *testing.T) {
	t.Parallel()
	values := sampleTexts()
	for name, test := range map[string]struct {
		value encoding.TextUnmarshaler
		parse func(string) error
		texts []string
	}{
		"UUID": {&values.ID, func(s string) error { _, err := domain.ParseUUID(s); return err },
			[]string{"00000000-0000-0000-0000-000000000000", "D2719B2E-0C57-4F6E-A1C4-93B8F7E6D5C4", "d2719b2e0c574f6ea1c493b8f7e6d5c4"}},
		"Email": {&values.Email, func(s string) error { _, err := domain.ParseEmail(s); return err },
			[]string{"Ada <ada@example.com>", "ada@localhost", " ada@example.com", strings.Repeat("a", 250) + "@b.cd"}},
		"WidgetName": {&values.Name, func(s string) error { _, err := domain.ParseWidgetName(s); return err },
			[]string{"Gear", "a b", "../x", strings.Repeat("a", 101)}},
		"InfoURL": {&values.Link, func(s string) error { _, err := domain.ParseInfoURL(s); return err },
			[]string{"ftp://example.com", "/path", "https://", "https://example.com/" + strings.Repeat("a", 2048)}},
		"Deadline": {&values.Deadline, func(s string) error { _, err := domain.ParseDeadline(s, time.Time{}); return err },
			[]string{"soon", "2027-02-30", "9999-12-31T23:59:59-01:00", "1795330504"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := fmt.Sprint(test.value)
			for _, text := range append(test.texts, "", "\xff", "a\x00") {
				err, want := test.value.UnmarshalText([]byte(text)), test.parse(text)
				if !errors.Is(err, domain.Invalid) || err.Error() != want.Error() {
					t.Errorf("%.40q: got the error %v, want %v", text, err, want)
				}
				if got := fmt.Sprint(test.value); got != before {
					t.Errorf("%.40q changed the value to %s", text, got)
				}
			}
		})
	}
}

func TestUnmarshalTextKeepsNoReferenceToItsArgument(t *testing.T) {
	t.Parallel()
	text := []byte("gear")
	var name domain.WidgetName
	if err := name.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	copy(text, "axle")
	if name.String() != "gear" {
		t.Errorf("the name became %s with the buffer that it was read from", name)
	}
}

func TestDeadlineIsReadInEveryFormatThoughPassed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2001-02-03":                    "2001-02-03T23:59:59Z",
		"5/13/2027, 5:00:00 PM":         "2027-05-13T17:00:00Z",
		"Sat, 03 Feb 2001 17:00:00 GMT": "2001-02-03T17:00:00Z",
		"0000-01-01T00:00:00Z":          "0000-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999Z":      "9999-12-31T23:59:59.999Z",
	} {
		var deadline domain.Deadline
		if err := deadline.UnmarshalText([]byte(text)); err != nil || deadline.String() != want {
			t.Errorf("%s was read as %v, %v", text, deadline, err)
		}
		var again domain.Deadline
		if err := again.UnmarshalText(sample.Must(deadline.MarshalText())); err != nil || again != deadline {
			t.Errorf("%v was read as %v, %v", deadline, again, err)
		}
	}
}

func TestDeadlineOfAYearThatRFC3339CannotExpressHasNoText(t *testing.T) {
	t.Parallel()
	for year, want := range map[int]string{10000: "A deadline cannot be after the year 9999", -1: "A deadline cannot be before the year 0"} {
		deadline := domain.RestoreDeadline(time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC))
		text, err := deadline.MarshalText()
		wantInvalid(t, err, want)
		if text != nil {
			t.Errorf("got the text %s", text)
		}
	}
	var deadline domain.Deadline
	wantInvalid(t, deadline.UnmarshalText([]byte("0000-01-01T00:00:00+10:00")), "A deadline cannot be before the year 0")
}

func TestDeadlinePrintsAsItsText(t *testing.T) {
	t.Parallel()
	deadline := domain.RestoreDeadline(moment("2027-05-13T19:00:00+02:00"))
	if got := fmt.Sprintf("%v %s", deadline, deadline); got != "2027-05-13T17:00:00Z 2027-05-13T17:00:00Z" {
		t.Errorf("prints as %s", got)
	}
	fields := struct{ Deadline domain.Deadline }{deadline}
	if got := fmt.Sprintf("%+v", fields); got != "{Deadline:2027-05-13T17:00:00Z}" {
		t.Errorf("the fields print as %s", got)
	}
	if got := (domain.Deadline{}).String(); got != "" {
		t.Errorf("the zero value prints as %q", got)
	}
}
