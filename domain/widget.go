package domain

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Widget is a named thing with a link and a deadline.
type Widget struct {
	Name      WidgetName
	InfoURL   InfoURL
	Deadline  Deadline
	CreatedAt time.Time // UTC, whole milliseconds
	Owner     Owner
}

// Owner is the administrator who created a widget. Updates do not change it.
type Owner struct {
	PublicID UUID
	Email    Email
}

// NewWidget returns the widget that owner creates now.
func NewWidget(name WidgetName, infoURL InfoURL, deadline Deadline, owner User, now time.Time) Widget {
	return Widget{
		Name:      name,
		InfoURL:   infoURL,
		Deadline:  deadline,
		CreatedAt: timestamp(now),
		Owner:     Owner{PublicID: owner.PublicID, Email: owner.Email},
	}
}

// MaxWidgetNameBytes is the longest name a widget may have.
const MaxWidgetNameBytes = 100

// WidgetName is a widget's unique name: 1 to [MaxWidgetNameBytes] of a-z, 0-9,
// - and _.
type WidgetName struct {
	text string
}

// ParseWidgetName returns the name that s is, or an [Invalid] error.
func ParseWidgetName(s string) (WidgetName, error) {
	if s == "" {
		return WidgetName{}, Missing
	}
	if len(s) > MaxWidgetNameBytes || strings.ContainsFunc(s, neverInWidgetName) {
		return WidgetName{}, message(fmt.Sprintf(
			"A widget's name is 1 to %d of the lowercase letters a-z, digits, hyphens and underscores", MaxWidgetNameBytes))
	}
	return WidgetName{text: s}, nil
}

// RestoreWidgetName returns a name that a store kept. It is not looked at again:
// the store answers for its being what String returned.
func RestoreWidgetName(s string) WidgetName { return WidgetName{text: s} }

// String returns the name.
func (n WidgetName) String() string { return n.text }

func neverInWidgetName(r rune) bool {
	return (!isLetterOrDigit(r) || unicode.IsUpper(r)) && r != '-' && r != '_'
}

// MaxInfoURLBytes is the longest link a widget may have.
const MaxInfoURLBytes = 2048

// InfoURL is an absolute http or https URL with a host, as it was written.
type InfoURL struct {
	text string
}

// ParseInfoURL returns the URL that s is, or an [Invalid] error. Characters of
// any script are let through (RFC 3987); space, control characters and the
// delimiters that RFC 3986 leaves out of its grammar are not.
func ParseInfoURL(s string) (InfoURL, error) {
	if s == "" {
		return InfoURL{}, Missing
	}
	if len(s) > MaxInfoURLBytes {
		return InfoURL{}, message(fmt.Sprintf("A URL may be at most %d bytes long", MaxInfoURLBytes))
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, neverInURL) || !isWebURL(s) {
		return InfoURL{}, message("Not an absolute http or https URL with a host")
	}
	return InfoURL{text: s}, nil
}

// RestoreInfoURL returns a URL that a store kept, as [RestoreWidgetName] does a
// name.
func RestoreInfoURL(s string) InfoURL { return InfoURL{text: s} }

// String returns the URL as it was written.
func (u InfoURL) String() string { return u.text }

func neverInURL(r rune) bool {
	return unicode.IsSpace(r) || !unicode.IsGraphic(r) || strings.ContainsRune("<>\"\\^`{|}", r)
}

func isWebURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false
	}
	if u.Port() == "" {
		return true
	}
	_, err = strconv.ParseUint(u.Port(), 10, 16)
	return err == nil
}

// Deadline is the moment by which a widget is due, in UTC, in whole
// milliseconds. A new one lies today or later; one that a store kept may have
// passed.
type Deadline struct {
	at time.Time
}

// lastYear is the last that RFC 3339 can write.
const lastYear = 9999

// EndOfDay returns the moment that a date without a time of day means as a
// deadline: 23:59:59 UTC of that day.
func EndOfDay(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 23, 59, 59, 0, time.UTC)
}

// NewDeadline returns the deadline at the given moment, or an [Invalid] error
// that names both dates when its date (in UTC) is before that of now, or when
// it is after the year 9999. The time of day plays no part in the comparison.
func NewDeadline(at, now time.Time) (Deadline, error) {
	d := RestoreDeadline(at)
	due, today := d.at.Format(time.DateOnly), now.UTC().Format(time.DateOnly)
	if d.at.Year() > lastYear {
		return Deadline{}, message(fmt.Sprintf("A deadline cannot be after the year %d", lastYear))
	}
	if due < today { // dates of this format sort as text
		return Deadline{}, message(fmt.Sprintf("The deadline %s is past: today is %s (UTC)", due, today))
	}
	return d, nil
}

// RestoreDeadline returns a deadline that a store kept, which may have passed.
func RestoreDeadline(at time.Time) Deadline { return Deadline{at: timestamp(at)} }

// Time returns the moment, in UTC.
func (d Deadline) Time() time.Time { return d.at }

// PassedAt reports whether the deadline has come.
func (d Deadline) PassedAt(now time.Time) bool { return !now.Before(d.at) }

// SecondsLeft returns the whole seconds from now to the deadline, 0 once it has
// passed. It does not use [time.Duration], which ends after 292 years.
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
