package text

import (
	"math"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestAppendDigits(t *testing.T) {
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
		if got := string(AppendDigits(nil, d)); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestAppendRemainingOmitsLeadingZeros(t *testing.T) {
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
		if got := string(AppendRemaining(nil, domain.RestoreDeadline(now.Add(d)), now)); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestAppendRemainingExceedsDuration(t *testing.T) {
	t.Parallel()
	last := domain.RestoreDeadline(domain.EndOfDay(9999, time.December, 31))
	if got, want := string(AppendRemaining(nil, last, now)), "2912117 days 11 hours 59 minutes 59 seconds"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
