package domain

import (
	"fmt"
	"time"
)

// Deadline is the time at which a widget is due, in UTC, in whole milliseconds.
// A new deadline is today or later. A deadline from a store may have passed.
type Deadline struct {
	at time.Time
}

// lastYear is the last year that RFC 3339 can express.
const lastYear = 9999

// EndOfDay returns 23:59:59 UTC of the given day. It is the deadline when a date
// has no time of day.
func EndOfDay(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 23, 59, 59, 0, time.UTC)
}

// NewDeadline returns a deadline at the given time. It returns an [Invalid] error
// that names both dates if the UTC date of at is before the UTC date of now, and
// an [Invalid] error if at is after the year 9999. Only the dates are compared:
// an earlier time of today is a valid deadline.
func NewDeadline(at, now time.Time) (Deadline, error) {
	d := RestoreDeadline(at)
	if today := now.UTC().Truncate(24 * time.Hour); d.at.Before(today) {
		return Deadline{}, invalid(fmt.Sprintf("The deadline %s is past: today is %s (UTC)",
			d.at.Format(time.DateOnly), today.Format(time.DateOnly)))
	}
	if err := d.checkYear(); err != nil {
		return Deadline{}, err
	}
	return d, nil
}

// RestoreDeadline returns a deadline from a store. It may have passed.
func RestoreDeadline(at time.Time) Deadline { return Deadline{at: timestamp(at)} }

// String returns the text of the deadline in RFC 3339, which [ParseDeadline] reads. The
// text of the zero value is empty.
func (d Deadline) String() string {
	if d.at.IsZero() {
		return ""
	}
	return d.at.Format(time.RFC3339Nano)
}

// MarshalText implements [encoding.TextMarshaler] by String. It returns an [Invalid] error
// for a year that RFC 3339 cannot express.
func (d Deadline) MarshalText() ([]byte, error) {
	if err := d.checkYear(); err != nil {
		return nil, err
	}
	return []byte(d.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]. It reads the texts that
// [ParseDeadline] reads, but does not compare them with a clock: the deadline may be in the
// past. Check a new deadline with [NewDeadline].
func (d *Deadline) UnmarshalText(text []byte) error {
	return unmarshal(d, text, func(s string) (Deadline, error) {
		at, _, err := parseMoment(s)
		if err != nil {
			return Deadline{}, err
		}
		deadline := RestoreDeadline(at)
		return deadline, deadline.checkYear()
	})
}

// checkYear returns an error for a year that RFC 3339 cannot express.
func (d Deadline) checkYear() error {
	switch year := d.at.Year(); {
	case year > lastYear:
		return invalid(fmt.Sprintf("A deadline cannot be after the year %d", lastYear))
	case year < 0:
		return invalid("A deadline cannot be before the year 0")
	}
	return nil
}

// Time returns the time at which the widget is due, in UTC.
func (d Deadline) Time() time.Time { return d.at }

// PassedAt reports whether the deadline has passed at now.
func (d Deadline) PassedAt(now time.Time) bool { return !now.Before(d.at) }

// SecondsLeft returns the number of whole seconds from now to the deadline. It
// returns 0 after the deadline. The result is not a [time.Duration], because a
// Duration cannot exceed 292 years.
func (d Deadline) SecondsLeft(now time.Time) int64 {
	if d.PassedAt(now) {
		return 0
	}
	seconds := d.at.Unix() - now.Unix()
	if d.at.Nanosecond() < now.Nanosecond() {
		seconds--
	}
	return seconds
}
