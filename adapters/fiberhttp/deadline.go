package fiberhttp

import (
	"fmt"
	"strings"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// parseDeadline reads a deadline in any of the formats of the contract, and in
// the one that widgets are rendered in. A date means its end; no offset means
// UTC.
func parseDeadline(text string, now time.Time) (domain.Deadline, error) {
	if text == "" {
		return domain.Deadline{}, domain.Missing
	}
	at, ok := readMoment(text)
	if !ok {
		return domain.Deadline{}, fmt.Errorf("%q is not a date or datetime in a known format. %s", text, knownFormats)
	}
	return domain.NewDeadline(at, now)
}

const knownFormats = "Known are 2027-05-13, 2027-05-13T17:00:00Z, 2027-05-13 17:00, 2027-05-13T17:00:00+02:00, " +
	"05/13/2027, 5/13/27, May 13 2027, May 13, 2027, 13 May 2027 and Thu, 13 May 2027 17:00:00 GMT"

// readMoment reads a date or a datetime.
func readMoment(text string) (at time.Time, ok bool) {
	// RFC 3339 section 5.6 allows small letters; package time knows the names
	// of months in any case.
	text = strings.ToUpper(text)
	for _, layout := range [...]string{
		"2006-1-2", "1/2/2006", "1/2/06",
		"Jan 2 2006", "Jan 2, 2006", "2 Jan 2006", "January 2 2006", "January 2, 2006", "2 January 2006",
	} {
		if date, err := time.Parse(layout, text); err == nil {
			return domain.EndOfDay(thisCentury(date, layout).Date()), true
		}
	}
	// Package time takes any three letters for a zone, with no offset; only
	// these two have none.
	for _, zone := range [...]string{" GMT", " UTC"} {
		if local, found := strings.CutSuffix(text, zone); found {
			text = local + "Z"
			break
		}
	}
	for _, layout := range [...]string{
		"2006-1-2T15:04:05", "2006-1-2T15:04", "2006-1-2 15:04:05", "2006-1-2 15:04",
		"Mon, 2 Jan 2006 15:04:05", // RFC 1123
		"01/02/06 03:04:05 PM",     // formatShort
	} {
		for _, offset := range [...]string{"", "Z07:00", "Z0700", "Z07", " Z07:00", " Z0700"} {
			if at, err := time.Parse(layout+offset, text); err == nil {
				return thisCentury(at, layout), true
			}
		}
	}
	return time.Time{}, false
}

// thisCentury makes 2069 to 2099 of the years of two digits that package time
// takes for 1969 to 1999: no deadline lies there.
func thisCentury(t time.Time, layout string) time.Time {
	twoDigits := strings.HasSuffix(layout, "/06") || strings.Contains(layout, "/06 ")
	if twoDigits && t.Year() < 2000 {
		return t.AddDate(100, 0, 0)
	}
	return t
}
