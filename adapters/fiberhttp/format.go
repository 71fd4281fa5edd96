package fiberhttp

import (
	"fmt"
	"strings"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// formatShort writes a moment as in 11/22/26 06:55:04 AM UTC.
func formatShort(t time.Time) string { return t.UTC().Format("01/02/06 03:04:05 PM UTC") }

// formatISO8601 writes a moment as in 2026-11-22T06:55:04Z.
func formatISO8601(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// formatRFC822 writes a moment as in Sun, 22 Nov 2026 06:55:07 -0000; by RFC
// 5322 section 3.3 that offset says UTC, and nothing about where.
func formatRFC822(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0000") }

// formatDigits writes a duration as in 00:59:58 or 1 day, 02:03:04.
func formatDigits(d time.Duration) string {
	seconds := max(0, int64(d/time.Second))
	digits := fmt.Sprintf("%02d:%02d:%02d", seconds/3600%24, seconds/60%60, seconds%60)
	if days := seconds / 86400; days > 0 {
		return plural(days, "day") + ", " + digits
	}
	return digits
}

// formatRemaining writes the time until a deadline as in 404 days 17 hours 4
// minutes 52 seconds, without leading units that are zero.
func formatRemaining(deadline domain.Deadline, now time.Time) string {
	if deadline.PassedAt(now) {
		return "No time remaining"
	}
	seconds := deadline.SecondsLeft(now)
	var units []string
	for _, unit := range [...]struct {
		count int64
		name  string
	}{{seconds / 86400, "day"}, {seconds / 3600 % 24, "hour"}, {seconds / 60 % 60, "minute"}, {seconds % 60, "second"}} {
		if unit.count > 0 || len(units) > 0 || unit.name == "second" {
			units = append(units, plural(unit.count, unit.name))
		}
	}
	return strings.Join(units, " ")
}

func plural(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
