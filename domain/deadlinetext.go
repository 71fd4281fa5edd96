package domain

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ParseDeadline returns the deadline that a person or a program has written. It returns an
// [Invalid] error if the text has no known format, or if [NewDeadline] refuses the time at
// now. A date without a time means the end of that day: see [EndOfDay]. The zone is UTC
// unless the text has an offset or a zone.
//
// These formats are known:
//
//   - ISO 8601 and RFC 3339: 2027-05-13, 2027-5-13, 2027-05-13T17:00:00Z, with an offset,
//     with a space in place of the T, with or without seconds
//   - 05/13/2027, 5/13/27, May 13 2027, May 13, 2027, 13 May 2027, names of months in full
//   - RFC 5322, RFC 1123 and RFC 850: Thu, 13 May 2027 17:00:00 GMT
//   - 5/13/2027, 5:00:00 PM, and the other texts that toString, toDateString and
//     toLocaleString of JavaScript's Date return in the United States
//   - an offset followed by a zone in brackets: 2027-05-13T17:00:00+02:00[Europe/Paris]
//   - what [time.Time.String] returns
func ParseDeadline(text string, now time.Time) (Deadline, error) {
	at, _, err := parseMoment(text)
	if err != nil {
		return Deadline{}, err
	}
	return NewDeadline(at, now)
}

// ParseDeadlineFrom parses the earliest deadline of a list, in one of the formats of
// [ParseDeadline]. A date without a time means the beginning of that day, UTC. The deadline
// may be in the past. ParseDeadlineFrom returns [ErrMissing] for an empty text, and an
// [Invalid] error for a text in no known format.
func ParseDeadlineFrom(text string) (Deadline, error) {
	at, isDate, err := parseMoment(text)
	if isDate {
		at = at.Truncate(24 * time.Hour) // to the beginning of the day in UTC
	}
	return RestoreDeadline(at), err
}

// ParseDeadlineTo parses the latest deadline of a list. It returns the errors of
// [ParseDeadlineFrom]. A date without a time means the last millisecond of that day, UTC. A
// time without a fraction means the last millisecond of that second: a deadline is shown
// without its fraction.
func ParseDeadlineTo(text string) (Deadline, error) {
	at, _, err := parseMoment(text)
	if err == nil && at.Nanosecond() == 0 {
		at = at.Add(time.Second - time.Millisecond)
	}
	return RestoreDeadline(at), err
}

// parseMoment parses a date or a datetime, and reports whether the text is a date without a
// time. For a date it returns the last second of that day. It returns [ErrMissing] for an
// empty text, and an [Invalid] error for a text in no known format.
func parseMoment(text string) (at time.Time, isDate bool, err error) {
	if text == "" {
		return time.Time{}, false, ErrMissing
	}
	at, isDate, ok := readMoment(text)
	if !ok {
		return time.Time{}, false, invalid(fmt.Sprintf("%q is not a date or datetime in a known format. %s", text, knownFormats))
	}
	return at, isDate, nil
}

const knownFormats = "Known are 2027-05-13, 2027-05-13T17:00:00Z, 2027-05-13 17:00, 2027-05-13T17:00:00+02:00, " +
	"05/13/2027, 5/13/27, 5/13/2027, 5:00:00 PM, May 13 2027, May 13, 2027, 13 May 2027, Thu, 13 May 2027 17:00:00 GMT, " +
	"and what JavaScript's Date and Go's Time print"

// readMoment parses a date or a datetime. A weekday must be that of the date, in the
// zone of the text.
func readMoment(text string) (at time.Time, isDate, ok bool) {
	text = upperASCII(text)
	for _, layout := range [...]string{
		"2006-1-2", "1/2/2006", "1/2/06",
		"Jan 2 2006", "Jan 2, 2006", "2 Jan 2006", "January 2 2006", "January 2, 2006", "2 January 2006",
		"Mon Jan 2 2006", // Date.toDateString of JavaScript
	} {
		if date, ok := parseLayout(layout, text); ok {
			return EndOfDay(date.Date()), true, true
		}
	}
	local, zone, ok := cutZone(text)
	if !ok {
		return time.Time{}, false, false
	}
	for _, layout := range [...]string{
		"2006-1-2T15:04:05", "2006-1-2T15:04", // ISO 8601
		"2006-1-2 15:04:05", "2006-1-2 15:04", // time.Time.String of Go, and ISO 8601 with a space
		"Mon Jan 2 2006 15:04:05", // Date.toString of JavaScript
		"1/2/2006, 3:04:05 PM", "1/2/2006, 3:04 PM", "1/2/06, 3:04:05 PM", "1/2/06, 3:04 PM",
		"1/2/2006 3:04:05 PM", "1/2/2006 3:04 PM", "1/2/06 3:04:05 PM", "1/2/06 3:04 PM", // 05/13/27 05:00:00 PM UTC, with the zone
	} {
		if at, ok := parseLayout(layout, local); ok && !zone.onlyInMail {
			return at.Add(-zone.offset), false, true
		}
	}
	for _, layout := range [...]string{ // RFC 1123 and RFC 5322
		"Mon, 2 Jan 2006 15:04:05", "Mon, 2 Jan 2006 15:04", "2 Jan 2006 15:04:05", "2 Jan 2006 15:04",
		"2 January 2006 15:04:05", "2 January 2006 15:04",
		"Monday, 2-Jan-06 15:04:05", // RFC 850, which names zones as RFC 5322 does
	} {
		if at, ok := parseLayout(layout, local); ok {
			return at.Add(-zone.offset), false, true
		}
	}
	return time.Time{}, false, false
}

// upperASCII returns s with its ASCII letters in upper case. RFC 3339 section 5.6
// allows lower case. Package time accepts the names of months and days in any case.
// The space before AM or PM that Unicode's CLDR 42 writes becomes an ordinary one.
func upperASCII(s string) string {
	s = strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
	for _, half := range [...]string{"AM", "PM"} {
		s = strings.Replace(s, narrowNoBreakSpace+half, " "+half, 1)
	}
	return s
}

const narrowNoBreakSpace = "\u202F"

// parseLayout parses a text without a zone. The year of a two-digit layout is in this
// century; package time reads 69 to 99 as 1969 to 1999.
func parseLayout(layout, text string) (at time.Time, ok bool) {
	at, err := time.Parse(layout, text)
	if err != nil {
		return time.Time{}, false
	}
	if !strings.Contains(layout, "2006") && at.Year() < 2000 {
		at = at.AddDate(100, 0, 0)
	}
	if strings.HasPrefix(layout, "Mon") && !strings.EqualFold(text[:3], at.Weekday().String()[:3]) {
		return time.Time{}, false
	}
	if strings.HasSuffix(layout, "PM") && zeroHour.MatchString(text) {
		return time.Time{}, false // package time reads 0 PM as 12 PM
	}
	return at, true
}

var zeroHour = regexp.MustCompile(`[ ]00?:`)

// zone is what a text says about its zone.
type zone struct {
	offset     time.Duration // east of UTC
	onlyInMail bool          // the zone is a name that only RFC 5322 defines
}

// zoneText matches a local time and its zone, in upper case. The zone is Z, a name, or
// an offset of at most 23:59, also after GMT. What may follow has no meaning: a comment
// (RFC 5322, JavaScript), the zone's name and a reading of the monotonic clock (Go),
// or names in brackets (RFC 9557, Java).
var zoneText = regexp.MustCompile(`^(.*?[0-9M])` +
	`(?: ?(Z)| (UTC?|GMT|[ECMP][SD]T)|(?: |(?: GMT| UTC))?([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)` +
	`(?: \([^()]*\)| ([A-Z][A-Z0-9+-]*|[+-][0-9]{2,4})(?: M=[+-][0-9]+\.[0-9]+)?|\[!?([A-Z0-9_+./:-]+)\](?:\[[A-Z0-9!_=-]+\])*)?$`)

// cutZone cuts the zone from the end of a text. It returns false if the offset and the name
// of the zone contradict each other. A text without a zone is in UTC.
func cutZone(text string) (local string, z zone, ok bool) {
	match := zoneText.FindStringSubmatch(text)
	if match == nil {
		return text, zone{}, true
	}
	local, name, sign, hours, minutes := match[1], match[2]+match[3], match[4], match[5], match[6]
	switch {
	case sign != "":
		h, _ := strconv.Atoi(hours)
		m, _ := strconv.Atoi("0" + minutes)
		z.offset = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
		if sign == "-" {
			z.offset = -z.offset
		}
	case strings.HasSuffix(name, "ST"), strings.HasSuffix(name, "DT"):
		z.offset, z.onlyInMail = mailZone(name), true
	}
	switch match[7] + match[8] { // the name after the offset
	case "UTC", "GMT", "Z", "ETC/UTC":
		return local, z, z.offset == 0
	}
	return local, z, true
}

// mailZone returns the offset of one of the eight names of RFC 5322 section 4.3: the
// standard time or the daylight-saving time of a zone of the United States.
func mailZone(name string) time.Duration {
	hours := time.Duration(strings.Index("ECMP", name[:1])) + 5
	if name[1] == 'D' {
		hours--
	}
	return -hours * time.Hour
}
