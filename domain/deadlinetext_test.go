package domain_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestParseDeadlineAcceptsEveryFormat(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2027-05-13":   "2027-05-13T23:59:59Z",
		"2027-5-13":    "2027-05-13T23:59:59Z",
		"2027-5-3":     "2027-05-03T23:59:59Z",
		"2028-02-29":   "2028-02-29T23:59:59Z",
		"2026-11-22":   "2026-11-22T23:59:59Z",
		"9999-12-31":   "9999-12-31T23:59:59Z",
		"05/13/2027":   "2027-05-13T23:59:59Z",
		"5/13/2027":    "2027-05-13T23:59:59Z",
		"5/13/27":      "2027-05-13T23:59:59Z",
		"05/03/27":     "2027-05-03T23:59:59Z",
		"12/31/68":     "2068-12-31T23:59:59Z",
		"2/29/72":      "2072-02-29T23:59:59Z",
		"12/31/99":     "2099-12-31T23:59:59Z",
		"May 13 2027":  "2027-05-13T23:59:59Z",
		"May 3, 2027":  "2027-05-03T23:59:59Z",
		"May 13, 2027": "2027-05-13T23:59:59Z",
		"13 May 2027":  "2027-05-13T23:59:59Z",
		"03 May 2027":  "2027-05-03T23:59:59Z",

		"September 9 2027":  "2027-09-09T23:59:59Z",
		"September 9, 2027": "2027-09-09T23:59:59Z",
		"9 September 2027":  "2027-09-09T23:59:59Z",
		"Sep 9 2027":        "2027-09-09T23:59:59Z",
		"sEPTEMBER 9, 2027": "2027-09-09T23:59:59Z",
		"13 MAY 2027":       "2027-05-13T23:59:59Z",
		"13 may 2027":       "2027-05-13T23:59:59Z",

		"2027-05-13T17:00:00Z":           "2027-05-13T17:00:00Z",
		"2027-05-13t17:00:00z":           "2027-05-13T17:00:00Z",
		"2027-05-13T17:00:00":            "2027-05-13T17:00:00Z",
		"2027-05-13T17:00":               "2027-05-13T17:00:00Z",
		"2027-05-13T17:00Z":              "2027-05-13T17:00:00Z",
		"2027-05-13 17:00:00":            "2027-05-13T17:00:00Z",
		"2027-05-13 17:00":               "2027-05-13T17:00:00Z",
		"2027-05-13 17:00:00Z":           "2027-05-13T17:00:00Z",
		"2027-05-13 17:00 UTC":           "2027-05-13T17:00:00Z",
		"2027-5-3T17:00:00Z":             "2027-05-03T17:00:00Z",
		"2027-05-13T00:00:00Z":           "2027-05-13T00:00:00Z",
		"2026-11-22T00:00:00Z":           "2026-11-22T00:00:00Z", // earlier today
		"2027-05-13T17:00:00+02:00":      "2027-05-13T15:00:00Z",
		"2027-05-13T17:00:00+0200":       "2027-05-13T15:00:00Z",
		"2027-05-13T17:00:00+02":         "2027-05-13T15:00:00Z",
		"2027-05-13T17:00+02:00":         "2027-05-13T15:00:00Z",
		"2027-05-13 17:00:00+05:30":      "2027-05-13T11:30:00Z",
		"2027-05-13 17:00:00 +02:00":     "2027-05-13T15:00:00Z",
		"2027-05-13T17:00:00-00:00":      "2027-05-13T17:00:00Z",
		"2027-05-14T01:00:00+02:00":      "2027-05-13T23:00:00Z", // back over midnight
		"2027-05-13T23:30:00-01:00":      "2027-05-14T00:30:00Z", // on over midnight
		"2026-11-21T23:00:00-02:00":      "2026-11-22T01:00:00Z", // yesterday in that zone, today in UTC
		"9999-12-31T23:59:59+00:01":      "9999-12-31T23:58:59Z",
		"2027-05-13T17:00:00.5Z":         "2027-05-13T17:00:00Z",
		"2027-05-13T17:00:00.999999999Z": "2027-05-13T17:00:00Z",
		"2027-05-13T17:00:00.25+02:00":   "2027-05-13T15:00:00Z",

		"Thu, 13 May 2027 17:00:00 GMT":   "2027-05-13T17:00:00Z",
		"Thu, 13 May 2027 17:00:00 UTC":   "2027-05-13T17:00:00Z",
		"THU, 13 MAY 2027 17:00:00 gmt":   "2027-05-13T17:00:00Z",
		"Mon, 03 May 2027 17:00:00 GMT":   "2027-05-03T17:00:00Z",
		"Mon, 3 May 2027 17:00:00 GMT":    "2027-05-03T17:00:00Z",
		"Thu, 13 May 2027 17:00:00 -0000": "2027-05-13T17:00:00Z",
		"Thu, 13 May 2027 17:00:00 +0200": "2027-05-13T15:00:00Z",

		// RFC 5322, with the zones of its section 4.3.
		"Thu, 13 May 2027 17:00 GMT":            "2027-05-13T17:00:00Z",
		"Thu, 13 May 2027 17:00:00 UT":          "2027-05-13T17:00:00Z",
		"Thu, 13 May 2027 17:00:00 Z":           "2027-05-13T17:00:00Z",
		"Thu, 13 May 2027 17:00:00":             "2027-05-13T17:00:00Z",
		"22 Nov 2026 23:55:07 +0000":            "2026-11-22T23:55:07Z",
		"3 May 2027 17:00 -0130":                "2027-05-03T18:30:00Z",
		"3 may 2027 17:00 gmt":                  "2027-05-03T17:00:00Z",
		"13 September 2027 17:00:00 +0200":      "2027-09-13T15:00:00Z",
		"Thu, 13 May 2027 17:00:00 -0700 (PDT)": "2027-05-14T00:00:00Z",
		"Thu, 13 May 2027 17:00:00 EST":         "2027-05-13T22:00:00Z",
		"13 May 2027 17:00:00 EDT":              "2027-05-13T21:00:00Z",
		"13 May 2027 17:00:00 CST":              "2027-05-13T23:00:00Z",
		"13 May 2027 17:00:00 CDT":              "2027-05-13T22:00:00Z",
		"13 May 2027 17:00:00 MST":              "2027-05-14T00:00:00Z",
		"13 May 2027 17:00:00 MDT":              "2027-05-13T23:00:00Z",
		"13 May 2027 17:00:00 PST":              "2027-05-14T01:00:00Z",
		"Thu, 13 May 2027 17:00:00 PDT":         "2027-05-14T00:00:00Z",
		"Fri, 14 May 2027 01:00:00 +0200":       "2027-05-13T23:00:00Z", // Friday there, Thursday in UTC

		// JavaScript: toString, toDateString, toLocaleString.
		"Thu May 13 2027 17:00:00 GMT+0200 (Central European Summer Time)": "2027-05-13T15:00:00Z",
		"Thu May 13 2027 17:00:00 GMT+0200 (CEST)":                         "2027-05-13T15:00:00Z",
		"Thu May 13 2027 17:00:00 GMT+0900 (日本標準時)":                        "2027-05-13T08:00:00Z",
		"Thu May 13 2027 17:00:00 GMT-0330 (GMT-03:30)":                    "2027-05-13T20:30:00Z",
		"Thu May 13 2027 17:00:00 GMT+0000":                                "2027-05-13T17:00:00Z",
		"Mon May 03 2027 17:00:00 GMT+0000 (Coordinated Universal Time)":   "2027-05-03T17:00:00Z",
		"Thu May 13 2027":              "2027-05-13T23:59:59Z",
		"Mon May 03 2027":              "2027-05-03T23:59:59Z",
		"5/13/2027, 5:00:00 PM":        "2027-05-13T17:00:00Z",
		"5/13/2027, 5:00:00\u202fPM":   "2027-05-13T17:00:00Z",
		"5/13/2027, 12:00:00\u202fam":  "2027-05-13T00:00:00Z",
		"5/13/2027, 12:30:00 PM":       "2027-05-13T12:30:00Z",
		"12/31/2027, 11:59:59 PM":      "2027-12-31T23:59:59Z",
		"5/13/2027, 5:00 PM":           "2027-05-13T17:00:00Z",
		"5/13/27, 5:00\u202fPM":        "2027-05-13T17:00:00Z",
		"5/13/2027 5:00:00 PM":         "2027-05-13T17:00:00Z",
		"05/13/2027 05:00:00 PM +0200": "2027-05-13T15:00:00Z",

		// Zones in brackets: Java, RFC 9557.
		"2027-05-13T17:00:00+02:00[Europe/Paris]":                   "2027-05-13T15:00:00Z",
		"2027-05-13T17:00+02:00[Europe/Paris]":                      "2027-05-13T15:00:00Z",
		"2027-05-13T17:00:00.5+02:00[!Europe/Paris][u-ca=hebrew]":   "2027-05-13T15:00:00Z",
		"2027-05-13T17:00:00Z[UTC]":                                 "2027-05-13T17:00:00Z",
		"2027-05-13T17:00:00-03:00[America/Argentina/Buenos_Aires]": "2027-05-13T20:00:00Z",
		"2027-05-13T17:00:00+05:00[Etc/GMT-5]":                      "2027-05-13T12:00:00Z",
		"2027-05-13T17:00:00+02:00[GMT+02:00]":                      "2027-05-13T15:00:00Z",

		// RFC 850.
		"Thursday, 13-May-27 17:00:00 EST": "2027-05-13T22:00:00Z",
		"Thursday, 13-May-27 17:00:00 GMT": "2027-05-13T17:00:00Z",
		"Monday, 03-May-27 17:00:00 GMT":   "2027-05-03T17:00:00Z",
		"Sunday, 31-Dec-28 17:00:00 UTC":   "2028-12-31T17:00:00Z",
		"Friday, 31-Dec-77 17:00:00 GMT":   "2077-12-31T17:00:00Z",

		// Go: time.Time.String.
		"2027-05-13 17:00:00 +0200 CEST":                          "2027-05-13T15:00:00Z",
		"2027-05-13 17:00:00.123456789 +0200 CEST":                "2027-05-13T15:00:00Z",
		"2027-05-13 17:00:00.123456789 +0200 CEST m=+0.000000001": "2027-05-13T15:00:00Z",
		"2027-05-13 17:00:00 +0000 UTC m=-12.345678901":           "2027-05-13T17:00:00Z",
		"2027-05-13 17:00:00 -0300 -03":                           "2027-05-13T20:00:00Z",
		"2027-05-13 17:00:00 +0530 +0530":                         "2027-05-13T11:30:00Z",

		"2027-05-13T17:00:00+23:59": "2027-05-12T17:01:00Z",
		"2027-05-13T17:00:00-23:59": "2027-05-14T16:59:00Z",

		"12/31/27 11:59:59 PM UTC": "2027-12-31T23:59:59Z",
		"05/13/27 12:00:00 AM UTC": "2027-05-13T00:00:00Z",
		"05/13/27 12:00:00 PM UTC": "2027-05-13T12:00:00Z",
		"05/13/27 03:04:05 pm utc": "2027-05-13T15:04:05Z",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			deadline, err := domain.ParseDeadline(text, noon)
			if err != nil {
				t.Fatal(err)
			}
			if got := deadline.Time().Truncate(time.Second).Format(time.RFC3339); got != want {
				t.Errorf("is %s, want %s", got, want)
			}
			wantBounds(t, text, deadline)
		})
	}
}

// wantBounds wants a date to mean its first millisecond as the earliest deadline of a list,
// and its last one as the latest. A time must mean the same everywhere; but without a
// fraction it means the last millisecond of its second as the latest deadline.
func wantBounds(t *testing.T, text string, deadline domain.Deadline) {
	t.Helper()
	first, last := deadline.Time(), deadline.Time()
	if isDate := !strings.Contains(text, ":"); isDate {
		year, month, day := first.Date()
		first = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		last = time.Date(year, month, day, 23, 59, 59, 0, time.UTC)
	}
	if last.Nanosecond() == 0 {
		last = last.Add(999 * time.Millisecond)
	}
	if from, err := domain.ParseDeadlineFrom(text); err != nil || from.Time() != first {
		t.Errorf("from %v, %v, want %v", from.Time(), err, first)
	}
	if to, err := domain.ParseDeadlineTo(text); err != nil || to.Time() != last {
		t.Errorf("to %v, %v, want %v", to.Time(), err, last)
	}
}

// TestBoundsMayBeAnyTime has times that no new deadline may have.
func TestBoundsMayBeAnyTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ from, to string }{
		"2001-09-09":                    {"2001-09-09T00:00:00Z", "2001-09-09T23:59:59.999Z"},
		"5/13/01":                       {"2001-05-13T00:00:00Z", "2001-05-13T23:59:59.999Z"},
		"2001-09-09T01:46:40.001Z":      {"2001-09-09T01:46:40.001Z", "2001-09-09T01:46:40.001Z"},
		"2001-09-09T01:46:40Z":          {"2001-09-09T01:46:40Z", "2001-09-09T01:46:40.999Z"},
		"1969-12-31":                    {"1969-12-31T00:00:00Z", "1969-12-31T23:59:59.999Z"},
		"1969-12-31T23:59:59.999-01:00": {"1970-01-01T00:59:59.999Z", "1970-01-01T00:59:59.999Z"},
		"1600-02-29":                    {"1600-02-29T00:00:00Z", "1600-02-29T23:59:59.999Z"},
		"0001-01-01":                    {"0001-01-01T00:00:00Z", "0001-01-01T23:59:59.999Z"},
		"0000-02-29":                    {"0000-02-29T00:00:00Z", "0000-02-29T23:59:59.999Z"},
		"9999-12-31":                    {"9999-12-31T00:00:00Z", "9999-12-31T23:59:59.999Z"},
		"9999-12-31T23:59:59.999Z":      {"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			from, fromErr := domain.ParseDeadlineFrom(text)
			to, toErr := domain.ParseDeadlineTo(text)
			if fromErr != nil || toErr != nil || from.Time() != moment(want.from) || to.Time() != moment(want.to) {
				t.Errorf("got %v, %v and %v, %v", from.Time(), fromErr, to.Time(), toErr)
			}
		})
	}
}

func TestBoundsRefuseWhatParseDeadlineCannotRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "soon", "2027-02-29", "2027-05-13T25:00:00Z", "12027-05-13", "2027-05-13T17:00:00Z ", "\xff"} {
		_, want := domain.ParseDeadline(text, noon)
		for _, parse := range []func(string) (domain.Deadline, error){domain.ParseDeadlineFrom, domain.ParseDeadlineTo} {
			deadline, err := parse(text)
			if deadline != (domain.Deadline{}) {
				t.Errorf("%q: got %v", text, deadline)
			}
			if err == nil || err.Error() != want.Error() || !errors.Is(err, domain.Invalid) {
				t.Errorf("%q: the error is %v, want %v", text, err, want)
			}
		}
	}
}

func TestParseDeadlineKeepsMilliseconds(t *testing.T) {
	t.Parallel()
	deadline, err := domain.ParseDeadline("2027-05-13T17:00:00.25Z", noon)
	if want := time.Date(2027, 5, 13, 17, 0, 0, 250e6, time.UTC); err != nil || deadline.Time() != want {
		t.Errorf("got %v, %v", deadline, err)
	}
}

func TestParseDeadlineNamesTheFormatsInItsError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"soon", "tomorrow", " ", "0", "1893456000", "20270513", "2027-133", "2027-W19-4", "2027-05", "2027", "27-05-13",
		"2027/05/13", "13/05/2027", "13.05.2027", "5-13-2027", "+2027-05-13", "-2027-05-13", "12027-05-13",
		"2027-02-29", "2027-02-30", "2027-04-31", "2027-13-01", "2027-00-10", "2027-05-00", "2027-05-32", "February 29, 2027", "2/30/27",
		" 2027-05-13", "2027-05-13 ", "2027-05-13\n", "2027-05-13\x00", "2027-05-13T", "2027-05-13Z", "2027-05-13x", "2027-05-13T17", "2027-05-13T17:00:00ZZ",
		"2027-05-13T24:00:00Z", "2027-05-13T25:00:00Z", "2027-05-13T17:60:00Z", "2027-05-13T17:00:61Z", "2027-05-13T17:00:00+99:00",
		"2027-05-13T17:00:00EST", "2027-05-13 17:00:00 EST", "2027-05-13 17:00 CET", "Thu, 13 May 2027 17:00:00 CET", "Thu, 13 May 2027 17:00:00 A",
		"Thursday, 13-May-27 17:00:00 CET", "5/13/2027, 5:00:00 PM PST", "Thu May 13 2027 17:00:00 EST",
		"2027-05-13T17:00:00+24:00", "2027-05-13T17:00:00-24:00", "2027-05-13T17:00:00+2400", "2027-05-13T17:00:00+24", "2027-05-13T17:00:00+02:60",
		"2027-05-13T17:00:00-0160", "2027-05-13T17:00:00+01:99", "Thu, 13 May 2027 17:00:00 +2400", "Thu, 13 May 2027 17:00:00 +0060",
		"Thu May 13 2027 17:00:00 GMT+2400 (x)", "2027-05-13 17:00:00 +2400 X", "2027-05-13T17:00:00+24:00[Europe/Paris]",
		"Fri, 13 May 2027 17:00:00 GMT", "Wed, 13 May 2027 17:00:00 +0200", "Thu, 14 May 2027 01:00:00 +0200", "Friday, 13-May-27 17:00:00 GMT",
		"Fri May 13 2027", "Fri May 13 2027 17:00:00 GMT+0200 (Central European Summer Time)", "Saturday, 31-Dec-28 17:00:00 UTC", "Thu, 13 May 2026 17:00:00 GMT",
		"Thu, 31 Apr 2027 17:00:00 GMT", "Thu, 13-May-27 17:00:00 GMT", "Thu May 32 2027", "32 May 2027 17:00:00 GMT", "13 May 2027 25:00:00 GMT",
		"2027-05-13T17:00:00[Europe/Paris]", "2027-05-13T17:00:00+02:00[]", "2027-05-13T17:00:00+02:00[Europe/Paris", "2027-05-13[Europe/Paris]",
		"2027-05-13T17:00:00+02:00[UTC]", "2027-05-13 17:00:00 +0200 UTC", "2027-05-13 17:00:00 +0200 CEST m=", "2027-05-13 17:00:00 m=+0.000000001",
		"13/5/2027, 5:00:00 PM", "5/13/2027, 13:00:00 PM", "5/13/2027, 0:30:00 PM", "5/13/2027, 00:30 AM", "5/13/2027, 5:00:00", "5/13/2027, 5 PM", "2/30/2027, 5:00:00 PM",
		"Thu May 13 2027 17:00:00 GMT+0200 (a (b))", "\u017fat, 15 May 2027 17:00:00 GMT",
		"2027-05-13 17:00:00 Europe/Berlin", "Thu 13 May 2027", "Thursday, 13 May 2027", "13th May 2027", "Maj 13 2027", "May 2027", "May 13",
		"٢٠٢٧-٠٥-١٣", "２０２７-05-13", "2027‐05‐13", "\xff", "<b>", "12/31/27 13:59:59 PM UTC", "12/31/27 11:59:59 XM UTC",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, err := domain.ParseDeadline(text, noon)
			if !errors.Is(err, domain.Invalid) {
				t.Fatalf("error is %v, want one of kind Invalid", err)
			}
			for _, part := range []string{"is not a date or datetime in a known format", "2027-05-13T17:00:00+02:00", "05/13/2027", "5/13/27", "May 13, 2027", "Thu, 13 May 2027 17:00:00 GMT", "5/13/2027, 5:00:00 PM", "JavaScript", "Go"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not contain %q", err, part)
				}
			}
		})
	}
}

func TestParseDeadlineNamesBothDatesOfAPastDeadline(t *testing.T) {
	t.Parallel()
	for text, date := range map[string]string{
		"2026-11-21":                    "2026-11-21",
		"11/21/2026":                    "2026-11-21",
		"11/21/26":                      "2026-11-21",
		"Nov 21, 2026":                  "2026-11-21",
		"2026-11-21T23:59:59Z":          "2026-11-21",
		"2026-11-22T01:00:00+02:00":     "2026-11-21",
		"Sat, 21 Nov 2026 23:59:59 GMT": "2026-11-21",
		"1/1/26":                        "2026-01-01",
		"0001-01-01":                    "0001-01-01",
		"0000-01-01":                    "0000-01-01",
		"0000-01-01T00:00:00+10:00":     "-0001-12-31",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, err := domain.ParseDeadline(text, noon)
			if want := "The deadline " + date + " is past: today is 2026-11-22 (UTC)"; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestParseDeadlineRefusesYearsAfter9999(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59-00:01", "Fri, 31 Dec 9999 20:00:00 -0800"} {
		if _, err := domain.ParseDeadline(text, noon); err == nil || err.Error() != "A deadline cannot be after the year 9999" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestParseDeadlineReturnsErrMissingForEmptyText(t *testing.T) {
	t.Parallel()
	if _, err := domain.ParseDeadline("", noon); !errors.Is(err, domain.ErrMissing) {
		t.Errorf("got %v", err)
	}
}

// readMoment reads a deadline that may have passed.
func readMoment(text string) (at time.Time, ok bool) {
	var deadline domain.Deadline
	err := deadline.UnmarshalText([]byte(text))
	return deadline.Time(), err == nil
}

// FuzzParseDeadlineReadsWhatIsWritten writes a time in each format, in a zone, and reads
// it again.
func FuzzParseDeadlineReadsWhatIsWritten(f *testing.F) {
	f.Add(int64(1810220400), 0, uint32(0))
	f.Add(int64(1810220400), 120, uint32(123456789))
	f.Add(int64(1826928000), -330, uint32(999999999))
	f.Add(int64(4102444799), 1439, uint32(1))
	f.Add(int64(3234567890), -1439, uint32(500000000))
	f.Fuzz(func(t *testing.T, unix int64, minutes int, nanos uint32) {
		if unix < noon.Unix() || unix >= time.Date(2068, 1, 1, 0, 0, 0, 0, time.UTC).Unix() || minutes < -1439 || minutes > 1439 || nanos > 999999999 {
			return
		}
		name := []string{"", "CEST", "X"}[uint64(unix)%3]
		if name == "" && minutes == 0 {
			name = "UTC"
		}
		at := time.Unix(unix, int64(nanos)).In(time.FixedZone(name, 60*minutes))
		utc := at.UTC()
		second, minute := at.Truncate(time.Second), at.Truncate(time.Minute)
		day := func(t time.Time) time.Time { return domain.EndOfDay(t.Date()) }
		for _, test := range []struct {
			text string
			want time.Time
		}{
			{at.Format(time.RFC3339Nano), at},
			{at.Format(time.RFC3339), second},
			{at.Format("2006-01-02T15:04Z07:00"), minute},
			{at.Format("2006-1-2 15:04:05.999999999Z0700"), at},
			{utc.Format("2006-01-02 15:04:05"), second},
			{at.Format(time.RFC3339Nano) + "[Europe/Paris]", at},
			{at.Format(time.RFC1123Z), second},
			{utc.Format("Mon, 02 Jan 2006 15:04:05 GMT"), second},
			{at.Format("2 Jan 2006 15:04:05 -0700"), second},
			{at.Format("2 January 2006 15:04 -0700 (x)"), minute},
			{utc.Format("Monday, 02-Jan-06 15:04:05 GMT"), second},
			{at.Format("Mon Jan 02 2006 15:04:05 GMT-0700 (Central European Time)"), second},
			{utc.Format("1/2/2006, 3:04:05\u202fPM"), second},
			{utc.Format("1/2/06, 3:04 PM"), minute},
			{utc.Format("01/02/06 03:04:05 PM UTC"), second},
			{at.String(), at},
			{at.String() + " m=+1.000000001", at},
			{at.Format(time.DateOnly), day(at)},
			{at.Format("Mon Jan 02 2006"), day(at)},
			{at.Format("1/2/2006"), day(at)},
			{at.Format("1/2/06"), day(at)},
			{at.Format("January 2, 2006"), day(at)},
			{at.Format("2 Jan 2006"), day(at)},
		} {
			for _, text := range []string{test.text, strings.ToLower(test.text)} {
				if got, ok := readMoment(text); !ok || !got.Equal(test.want.Truncate(time.Millisecond)) {
					t.Errorf("%q became %v, %v, want %v", text, got, ok, test.want)
				}
			}
		}
	})
}

// FuzzParseDeadline reads any text. What is accepted is a time that can be written and
// read again, and on the weekday that the text names, give or take the zone.
func FuzzParseDeadline(f *testing.F) {
	for _, seed := range []string{
		"2027-05-13", "2027-05-13T17:00:00+24:00", "Fri, 13 May 2027 17:00:00 GMT", "13 May 2027 17:00:00 EST", "Thursday, 13-May-27 17:00:00 GMT",
		"Thu May 13 2027 17:00:00 GMT+0200 (Central European Summer Time)", "5/13/2027, 5:00:00\u202fPM", "2027-05-13T17:00:00+02:00[Europe/Paris]",
		"2027-05-13 17:00:00 -0300 -03 m=+0.000000001", "Thu May 13 2027", "2/29/72", "0:00 PM", "\xff", "Thu", "M", "GMT",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := readMoment(text)
		if !ok {
			return
		}
		if again, ok := readMoment(at.UTC().Format(time.RFC3339Nano)); !ok || !again.Equal(at) {
			t.Errorf("%v was read again as %v, %v", at, again, ok)
		}
		if len(text) < 3 || text[0] < 'A' || text[0] > 'z' {
			return
		}
		for weekday := range 7 {
			name := time.Weekday(weekday).String()[:3]
			days := (int(at.UTC().Weekday()) - weekday + 7) % 7
			if strings.EqualFold(text[:3], name) && days > 1 && days < 6 {
				t.Errorf("%q became a %s", text, at.UTC().Weekday())
			}
		}
	})
}
