package text

import (
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func formatShort(t time.Time) string   { return string(SplitTime(t).AppendShort(nil)) }
func formatISO8601(t time.Time) string { return string(SplitTime(t).AppendISO8601(nil)) }
func formatRFC822(t time.Time) string  { return string(SplitTime(t).AppendRFC822(nil)) }

func TestRenderedTimesAreReadAsDeadlines(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for hour := range 48 {
		at := noon.Add(time.Duration(hour)*time.Hour + 61*time.Second)
		for _, format := range []func(time.Time) string{formatShort, formatISO8601, formatRFC822} {
			deadline, err := domain.ParseDeadline(format(at), noon)
			if err != nil || deadline.Time() != at {
				t.Errorf("%s became %v, %v", format(at), deadline, err)
			}
		}
	}
}

func TestTimesAreInUTC(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]string{ // short, ISO 8601, RFC 822
		"2026-11-22T06:55:04.999Z":  {"11/22/26 06:55:04 AM UTC", "2026-11-22T06:55:04Z", "Sun, 22 Nov 2026 06:55:04 -0000"},
		"2026-11-22T00:00:00Z":      {"11/22/26 12:00:00 AM UTC", "2026-11-22T00:00:00Z", "Sun, 22 Nov 2026 00:00:00 -0000"},
		"2026-11-02T12:00:00Z":      {"11/02/26 12:00:00 PM UTC", "2026-11-02T12:00:00Z", "Mon, 02 Nov 2026 12:00:00 -0000"},
		"2027-12-31T23:59:59Z":      {"12/31/27 11:59:59 PM UTC", "2027-12-31T23:59:59Z", "Fri, 31 Dec 2027 23:59:59 -0000"},
		"2026-01-01T01:30:00+02:00": {"12/31/25 11:30:00 PM UTC", "2025-12-31T23:30:00Z", "Wed, 31 Dec 2025 23:30:00 -0000"},
		"2025-12-31T23:30:00-02:00": {"01/01/26 01:30:00 AM UTC", "2026-01-01T01:30:00Z", "Thu, 01 Jan 2026 01:30:00 -0000"},
		"9999-12-31T13:00:00Z":      {"12/31/99 01:00:00 PM UTC", "9999-12-31T13:00:00Z", "Fri, 31 Dec 9999 13:00:00 -0000"},
	} {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]string{formatShort(at), formatISO8601(at), formatRFC822(at)}; got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}
