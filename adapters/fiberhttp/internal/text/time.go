package text

import "time"

// Time is a time of the years 0 to 9999 in UTC, split once for all formats.
type Time struct {
	year, month, day     int
	hour, minute, second int
	weekday              time.Weekday
}

// SplitTime returns t as a Time.
func SplitTime(t time.Time) Time {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return Time{year, int(month), day, hour, minute, second, t.Weekday()}
}

// AppendShort appends a time like 11/22/26 06:55:04 AM UTC.
func (t Time) AppendShort(b []byte) []byte {
	half := " AM UTC"
	if t.hour >= 12 {
		half = " PM UTC"
	}
	b = append(append2(b, t.month), '/')
	b = append(append2(b, t.day), '/')
	b = append(append2(b, t.year%100), ' ')
	b = t.appendClock(b, (t.hour+11)%12+1)
	return append(b, half...)
}

// AppendISO8601 appends a time like 2026-11-22T06:55:04Z.
func (t Time) AppendISO8601(b []byte) []byte {
	b = append(append2(append2(b, t.year/100), t.year%100), '-')
	b = append(append2(b, t.month), '-')
	b = append(append2(b, t.day), 'T')
	return append(t.appendClock(b, t.hour), 'Z')
}

// AppendRFC822 appends a time like Sun, 22 Nov 2026 06:55:07 -0000. The offset
// -0000 means UTC without a local time zone (RFC 5322 section 3.3).
func (t Time) AppendRFC822(b []byte) []byte {
	b = append(append(b, t.weekday.String()[:3]...), ", "...)
	b = append(append2(b, t.day), ' ')
	b = append(append(b, time.Month(t.month).String()[:3]...), ' ')
	b = append(append2(append2(b, t.year/100), t.year%100), ' ')
	return append(t.appendClock(b, t.hour), " -0000"...)
}

func (t Time) appendClock(b []byte, hour int) []byte {
	b = append(append2(b, hour), ':')
	b = append(append2(b, t.minute), ':')
	return append2(b, t.second)
}

// append2 appends a number below 100 as two digits.
func append2(b []byte, n int) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10)) //nolint:gosec // both digits are below 10
}
