package text

import (
	"strconv"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// AppendDigits appends a duration like 00:59:58 or 1 day, 02:03:04.
func AppendDigits(b []byte, d time.Duration) []byte {
	seconds := max(0, int64(d/time.Second))
	if days := seconds / 86400; days > 0 {
		b = append(appendPlural(b, days, "day"), ", "...)
	}
	b = append(append2(b, int(seconds/3600%24)), ':')
	b = append(append2(b, int(seconds/60%60)), ':')
	return append2(b, int(seconds%60))
}

// AppendRemaining appends the time until a deadline like 404 days 17 hours 4
// minutes 52 seconds, without leading units that are zero.
func AppendRemaining(b []byte, deadline domain.Deadline, now time.Time) []byte {
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
