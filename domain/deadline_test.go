package domain_test

import (
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

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
