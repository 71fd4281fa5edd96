package domain

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Widget is a named resource with a link and a deadline.
type Widget struct {
	Name WidgetName
	WidgetFields
	CreatedAt time.Time // UTC, whole milliseconds
	Owner     Owner
	Version   Version
}

// WidgetFields holds the fields of a new widget that its owner chooses, besides the name.
type WidgetFields struct {
	InfoURL  InfoURL
	Deadline Deadline
}

// Owner is the administrator to whom a widget belongs: the one who created it, or the one
// to whom it was handed over.
type Owner struct {
	PublicID UUID
	Email    Email // the zero value if the account was deleted
}

// OwnerOf returns the user as an owner.
func OwnerOf(user User) Owner { return Owner{PublicID: user.PublicID, Email: user.Email} }

// NewWidget returns a widget that owner creates at now.
func NewWidget(name WidgetName, fields WidgetFields, owner User, now time.Time) Widget {
	return Widget{
		Name:         name,
		WidgetFields: fields,
		CreatedAt:    timestamp(now),
		Owner:        OwnerOf(owner),
		Version:      FirstVersion(now),
	}
}

// WidgetChange holds new values for fields of a widget. A field that is nil is not
// changed. No change affects the name, the time of creation and the place in the order of
// creation.
type WidgetChange struct {
	InfoURL  *InfoURL
	Deadline *Deadline
	Owner    *Owner
}

// ChangeAll returns the change that sets all fields.
func (f WidgetFields) ChangeAll() WidgetChange {
	return WidgetChange{InfoURL: &f.InfoURL, Deadline: &f.Deadline}
}

// Changed returns the widget after the change, with the next version. The version is also
// raised if the change leaves every field as it is.
func (w Widget) Changed(change WidgetChange) Widget {
	if change.InfoURL != nil {
		w.InfoURL = *change.InfoURL
	}
	if change.Deadline != nil {
		w.Deadline = *change.Deadline
	}
	if change.Owner != nil {
		w.Owner = *change.Owner
	}
	w.Version++
	return w
}

// MaxWidgetNameBytes is the length of the longest widget name.
const MaxWidgetNameBytes = 100

// WidgetName is a widget's unique name: 1 to [MaxWidgetNameBytes] of the
// characters a-z, 0-9, - and _.
type WidgetName struct {
	text string
}

// ParseWidgetName returns s as a name, or an [Invalid] error.
func ParseWidgetName(s string) (WidgetName, error) {
	if s == "" {
		return WidgetName{}, ErrMissing
	}
	if len(s) > MaxWidgetNameBytes || strings.ContainsFunc(s, isForbiddenInWidgetName) {
		return WidgetName{}, invalid(fmt.Sprintf(
			"A widget's name is 1 to %d of the lowercase letters a-z, digits, hyphens and underscores", MaxWidgetNameBytes))
	}
	return WidgetName{text: s}, nil
}

// RestoreWidgetName returns a name from a store, without checking it against
// today's rules.
func RestoreWidgetName(s string) WidgetName { return WidgetName{text: s} }

// String returns the name.
func (n WidgetName) String() string { return n.text }

// MarshalText implements [encoding.TextMarshaler]. The text of the zero value is empty.
func (n WidgetName) MarshalText() ([]byte, error) { return []byte(n.text), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseWidgetName].
func (n *WidgetName) UnmarshalText(text []byte) error { return unmarshal(n, text, ParseWidgetName) }

func isForbiddenInWidgetName(r rune) bool {
	return (!isLetterOrDigit(r) || unicode.IsUpper(r)) && r != '-' && r != '_'
}
