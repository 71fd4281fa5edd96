package fiberhttp

import (
	"math"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func formatShort(t time.Time) string   { return string(momentOf(t).appendShort(nil)) }
func formatISO8601(t time.Time) string { return string(momentOf(t).appendISO8601(nil)) }
func formatRFC822(t time.Time) string  { return string(momentOf(t).appendRFC822(nil)) }

func TestMomentsAreWrittenInUTC(t *testing.T) {
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
			t.Errorf("%s became %q, want %q", text, got, want)
		}
	}
}

func TestFormatDigits(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0:                         "00:00:00",
		time.Nanosecond:           "00:00:00",
		-time.Nanosecond:          "00:00:00",
		-time.Hour:                "00:00:00",
		math.MinInt64:             "00:00:00",
		time.Second:               "00:00:01",
		time.Minute - 1:           "00:00:59",
		time.Hour - 2*time.Second: "00:59:58",
		time.Hour:                 "01:00:00",
		day - time.Second:         "23:59:59",
		day:                       "1 day, 00:00:00",
		26*time.Hour + 3*time.Minute + 4*time.Second: "1 day, 02:03:04",
		2 * day:                "2 days, 00:00:00",
		404*day + 17*time.Hour: "404 days, 17:00:00",
		math.MaxInt64:          "106751 days, 23:47:16",
	} {
		if got := string(appendDigits(nil, d)); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestFormatRemainingLeavesOutLeadingZeros(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		-time.Hour:                  "No time remaining",
		0:                           "No time remaining",
		time.Millisecond:            "0 seconds",
		time.Second:                 "1 second",
		2 * time.Second:             "2 seconds",
		time.Minute:                 "1 minute 0 seconds",
		61 * time.Second:            "1 minute 1 second",
		time.Hour:                   "1 hour 0 minutes 0 seconds",
		time.Hour + time.Second:     "1 hour 0 minutes 1 second",
		2*time.Hour + 2*time.Minute: "2 hours 2 minutes 0 seconds",
		day:                         "1 day 0 hours 0 minutes 0 seconds",
		2*day - time.Second:         "1 day 23 hours 59 minutes 59 seconds",
		404*day + 17*time.Hour + 4*time.Minute + 52*time.Second: "404 days 17 hours 4 minutes 52 seconds",
	} {
		if got := string(appendRemaining(nil, domain.RestoreDeadline(noon.Add(d)), noon)); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestFormatRemainingOutlastsDurations(t *testing.T) {
	t.Parallel()
	last := domain.RestoreDeadline(domain.EndOfDay(9999, time.December, 31))
	if got, want := string(appendRemaining(nil, last, noon)), "2912117 days 11 hours 59 minutes 59 seconds"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
