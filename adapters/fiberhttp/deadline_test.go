package fiberhttp

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestParseDeadlineReadsEveryFormat(t *testing.T) {
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
		"2026-11-21T23:00:00-02:00":      "2026-11-22T01:00:00Z", // yesterday there, today in UTC
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

		"12/31/27 11:59:59 PM UTC": "2027-12-31T23:59:59Z",
		"05/13/27 12:00:00 AM UTC": "2027-05-13T00:00:00Z",
		"05/13/27 12:00:00 PM UTC": "2027-05-13T12:00:00Z",
		"05/13/27 03:04:05 pm utc": "2027-05-13T15:04:05Z",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			deadline, err := parseDeadline(text, noon)
			if err != nil {
				t.Fatal(err)
			}
			if got := formatISO8601(deadline.Time()); got != want {
				t.Errorf("is %s, want %s", got, want)
			}
		})
	}
}

func TestParseDeadlineKeepsMilliseconds(t *testing.T) {
	t.Parallel()
	deadline, err := parseDeadline("2027-05-13T17:00:00.25Z", noon)
	if want := time.Date(2027, 5, 13, 17, 0, 0, 250e6, time.UTC); err != nil || deadline.Time() != want {
		t.Errorf("got %v, %v", deadline, err)
	}
}

func TestParseDeadlineReadsWhatWidgetsAreRenderedIn(t *testing.T) {
	t.Parallel()
	for hour := range 48 {
		at := noon.Add(time.Duration(hour)*time.Hour + 61*time.Second)
		for _, format := range []func(time.Time) string{formatShort, formatISO8601, formatRFC822} {
			deadline, err := parseDeadline(format(at), noon)
			if err != nil || deadline.Time() != at {
				t.Errorf("%s became %v, %v", format(at), deadline.Time(), err)
			}
		}
	}
}

func TestParseDeadlineNamesTheFormatsForWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"soon", "tomorrow", " ", "0", "1893456000", "20270513", "2027-133", "2027-W19-4", "2027-05", "2027", "27-05-13",
		"2027/05/13", "13/05/2027", "13.05.2027", "5-13-2027", "+2027-05-13", "-2027-05-13", "12027-05-13",
		"2027-02-29", "2027-02-30", "2027-04-31", "2027-13-01", "2027-00-10", "2027-05-00", "2027-05-32", "February 29, 2027", "2/30/27",
		" 2027-05-13", "2027-05-13 ", "2027-05-13\n", "2027-05-13\x00", "2027-05-13T", "2027-05-13Z", "2027-05-13x", "2027-05-13T17", "2027-05-13T17:00:00ZZ",
		"2027-05-13T24:00:00Z", "2027-05-13T25:00:00Z", "2027-05-13T17:60:00Z", "2027-05-13T17:00:61Z", "2027-05-13T17:00:00+99:00",
		"2027-05-13T17:00:00EST", "2027-05-13 17:00:00 EST", "2027-05-13 17:00 CET", "Thu, 13 May 2027 17:00:00 EST", "Thu, 13 May 2027 17:00:00 PDT",
		"2027-05-13 17:00:00 Europe/Berlin", "Thu 13 May 2027", "Thursday, 13 May 2027", "13th May 2027", "Maj 13 2027", "May 2027", "May 13",
		"٢٠٢٧-٠٥-١٣", "２０２７-05-13", "2027‐05‐13", "\xff", "<b>", "12/31/27 13:59:59 PM UTC", "12/31/27 11:59:59 XM UTC",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, err := parseDeadline(text, noon)
			if err == nil {
				t.Fatal("was read")
			}
			for _, part := range []string{"is not a date or datetime in a known format", "2027-05-13T17:00:00+02:00", "05/13/2027", "5/13/27", "May 13, 2027", "Thu, 13 May 2027 17:00:00 GMT"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestParseDeadlineNamesBothDatesOfWhatIsPast(t *testing.T) {
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
			_, err := parseDeadline(text, noon)
			if want := "The deadline " + date + " is past: today is 2026-11-22 (UTC)"; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestParseDeadlineEndsWithTheYear9999(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59-00:01", "Fri, 31 Dec 9999 20:00:00 -0800"} {
		if _, err := parseDeadline(text, noon); err == nil || err.Error() != "A deadline cannot be after the year 9999" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestParseDeadlineRequiresOne(t *testing.T) {
	t.Parallel()
	if _, err := parseDeadline("", noon); !errors.Is(err, domain.Missing) {
		t.Errorf("got %v", err)
	}
}
