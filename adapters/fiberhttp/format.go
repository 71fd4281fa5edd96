package fiberhttp

import (
	"strconv"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// moment is a time of the years 0 to 9999 in UTC, taken apart once for all the
// ways it is written. All three take a quarter of the time that time.Format takes,
// which reads its layout anew; a page of a hundred widgets has 500 dates.
type moment struct {
	year, month, day     int
	hour, minute, second int
	weekday              time.Weekday
}

func momentOf(t time.Time) moment {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return moment{year, int(month), day, hour, minute, second, t.Weekday()}
}

// appendShort writes a moment as in 11/22/26 06:55:04 AM UTC.
func (m moment) appendShort(b []byte) []byte {
	half := " AM UTC"
	if m.hour >= 12 {
		half = " PM UTC"
	}
	b = append(append2(b, m.month), '/')
	b = append(append2(b, m.day), '/')
	b = append(append2(b, m.year%100), ' ')
	b = m.appendClock(b, (m.hour+11)%12+1)
	return append(b, half...)
}

// appendISO8601 writes a moment as in 2026-11-22T06:55:04Z.
func (m moment) appendISO8601(b []byte) []byte {
	b = append(append2(append2(b, m.year/100), m.year%100), '-')
	b = append(append2(b, m.month), '-')
	b = append(append2(b, m.day), 'T')
	return append(m.appendClock(b, m.hour), 'Z')
}

// appendRFC822 writes a moment as in Sun, 22 Nov 2026 06:55:07 -0000; by RFC 5322
// section 3.3 that offset says UTC, and nothing about where.
func (m moment) appendRFC822(b []byte) []byte {
	b = append(append(b, m.weekday.String()[:3]...), ", "...)
	b = append(append2(b, m.day), ' ')
	b = append(append(b, time.Month(m.month).String()[:3]...), ' ')
	b = append(append2(append2(b, m.year/100), m.year%100), ' ')
	return append(m.appendClock(b, m.hour), " -0000"...)
}

func (m moment) appendClock(b []byte, hour int) []byte {
	b = append(append2(b, hour), ':')
	b = append(append2(b, m.minute), ':')
	return append2(b, m.second)
}

// appendDigits writes a duration as in 00:59:58 or 1 day, 02:03:04.
func appendDigits(b []byte, d time.Duration) []byte {
	seconds := max(0, int64(d/time.Second))
	if days := seconds / 86400; days > 0 {
		b = append(appendPlural(b, days, "day"), ", "...)
	}
	b = append(append2(b, int(seconds/3600%24)), ':')
	b = append(append2(b, int(seconds/60%60)), ':')
	return append2(b, int(seconds%60))
}

// appendRemaining writes the time until a deadline as in 404 days 17 hours 4
// minutes 52 seconds, without leading units that are zero.
func appendRemaining(b []byte, deadline domain.Deadline, now time.Time) []byte {
	if deadline.PassedAt(now) {
		return append(b, "No time remaining"...)
	}
	seconds := deadline.SecondsLeft(now)
	if days := seconds / 86400; days > 0 {
		b = append(appendPlural(b, days, "day"), ' ')
	}
	if seconds >= 3600 {
		b = append(appendPlural(b, seconds/3600%24, "hour"), ' ')
	}
	if seconds >= 60 {
		b = append(appendPlural(b, seconds/60%60, "minute"), ' ')
	}
	return appendPlural(b, seconds%60, "second")
}

func appendPlural(b []byte, n int64, unit string) []byte {
	b = append(append(strconv.AppendInt(b, n, 10), ' '), unit...)
	if n == 1 {
		return b
	}
	return append(b, 's')
}

// append2 writes a number below 100 with two digits.
func append2(b []byte, n int) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10)) //nolint:gosec // they are below 100
}
