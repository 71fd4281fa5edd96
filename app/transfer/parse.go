package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/widgetd/widgetd/domain"
)

// maxTextBytes is the length of the longest text in a record. It is far longer than any
// text that was ever valid, and every store can keep it.
const maxTextBytes = 4 << 10

// Deadlines and other times are in these years, which RFC 3339 can express.
const firstYear, lastYear = 1, 9999

// maxVersion is the greatest version of a widget. The store must be able to raise it with
// every later write.
const maxVersion = domain.Version(math.MaxInt64 - 1<<32)

// maxSeconds is the longest lifetime: that of the longest [time.Duration].
const maxSeconds = int64(math.MaxInt64 / time.Second)

// kindOf returns the kind of a line, which is empty if the line has none.
func kindOf(text []byte) (kind, error) {
	var l struct {
		Kind kind `json:"kind"`
	}
	err := decode(text, &l)
	return l.Kind, err
}

// decode decodes a line. The error is Invalid and has no value of the line: it may be
// secret.
func decode(text []byte, l any) error {
	if !utf8.Valid(text) {
		return invalid("The line is not UTF-8")
	}
	err := json.Unmarshal(text, l)
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrongType.Field == "" {
			return invalid("The line is not a JSON object")
		}
		return invalid(fmt.Sprintf("%s must not be a JSON %s", wrongType.Field, firstWord(wrongType.Value)))
	}
	if err != nil {
		return &domain.Error{Kind: domain.Invalid, Message: "The line is not JSON", Err: err}
	}
	return nil
}

// firstWord returns the name of a JSON type without the value that may follow it.
func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// account is an account that is imported.
type account struct {
	domain.User
	isNew bool // the line has no public id: an account with the same email is this account
}

// parseAccount returns the account of a line of an export.
func parseAccount(text []byte) (account, error) {
	var l accountLine
	if err := decode(text, &l); err != nil {
		return account{}, err
	}
	m := members{}
	user := domain.User{
		PublicID:     m.id("public_id", l.PublicID),
		Email:        domain.RestoreEmail(m.text("email", l.Email)),
		Admin:        l.Admin,
		Disabled:     l.Disabled,
		RegisteredOn: m.time("registered_on", l.RegisteredOn),
	}
	if l.PasswordHash != "" {
		user.PasswordHash = domain.NewPasswordHash(m.text("password_hash", l.PasswordHash))
	}
	return account{User: user}, m.err()
}

// parseBareAccount returns the account of a line of another system, which need not have a
// public id and a time of registration.
func (s *Service) parseBareAccount(text []byte) (account, error) {
	var l accountLine
	if err := decode(text, &l); err != nil {
		return account{}, err
	}
	m := members{}
	email, err := domain.ParseEmail(l.Email)
	m.add("email", err)
	hash, err := domain.ParsePasswordHash(l.PasswordHash)
	m.add("password_hash", err)
	a := account{isNew: l.PublicID == ""}
	a.User = domain.NewUser(s.newID(), email, hash, l.Admin, s.clock.Now())
	a.Disabled = l.Disabled
	if !a.isNew {
		a.PublicID = m.id("public_id", l.PublicID)
	}
	if l.RegisteredOn != "" {
		a.RegisteredOn = m.time("registered_on", l.RegisteredOn)
	}
	return a, m.err()
}

// parseWidget returns the widget of a line.
func parseWidget(text []byte) (domain.Widget, error) {
	var l widgetLine
	if err := decode(text, &l); err != nil {
		return domain.Widget{}, err
	}
	m := members{}
	widget := domain.Widget{
		Name: domain.RestoreWidgetName(m.text("name", l.Name)),
		WidgetFields: domain.WidgetFields{
			InfoURL:  domain.RestoreInfoURL(m.text("info_url", l.InfoURL)),
			Deadline: domain.RestoreDeadline(m.time("deadline", l.Deadline)),
		},
		CreatedAt: m.time("created_at", l.CreatedAt),
		Owner:     domain.Owner{PublicID: m.id("owner.public_id", l.Owner.PublicID)},
	}
	if l.Owner.Email != nil {
		widget.Owner.Email = domain.RestoreEmail(m.text("owner.email", *l.Owner.Email))
	}
	widget.Version = m.version("version", l.Version)
	return widget, m.err()
}

// parseToken returns the logged-out token of a line.
func parseToken(text []byte) (domain.BlacklistedToken, error) {
	var l tokenLine
	if err := decode(text, &l); err != nil {
		return domain.BlacklistedToken{}, err
	}
	m := members{}
	return domain.BlacklistedToken{
		ID:        m.id("id", l.ID),
		ExpiresAt: m.expiry("expires_at", l.ExpiresAt),
		Lifetime:  m.lifetime("lifetime", l.Lifetime),
	}, m.err()
}

// parseCutOff returns the cut-off of a line.
func parseCutOff(text []byte) (domain.CutOff, error) {
	var l cutOffLine
	if err := decode(text, &l); err != nil {
		return domain.CutOff{}, err
	}
	m := members{}
	return domain.CutOff{
		Subject:   m.id("public_id", l.PublicID),
		Value:     m.id("value", l.Value),
		ExpiresAt: m.expiry("expires_at", l.ExpiresAt),
		Lifetime:  m.lifetime("lifetime", l.Lifetime),
	}, m.err()
}

// members collects the errors of the members of a line, by their names. Its methods return
// the value of a member.
type members domain.Fields

func (m members) add(name string, err error) { domain.Fields(m).Add(name, err) }

// err returns an Invalid error with all members that are wrong, or nil.
func (m members) err() error {
	if len(m) == 0 {
		return nil
	}
	return &domain.Error{Kind: domain.Invalid, Message: "The line has wrong values", Fields: domain.Fields(m)}
}

// text returns the text. It adds an error if no store can have had the text as a value.
func (m members) text(name, text string) string {
	switch {
	case text == "":
		m.add(name, domain.ErrMissing)
	case len(text) > maxTextBytes:
		m.add(name, invalid(fmt.Sprintf("must not be longer than %d bytes", maxTextBytes)))
	case strings.ContainsRune(text, 0):
		m.add(name, invalid("must not have a NUL character"))
	}
	return text
}

func (m members) id(name, text string) domain.UUID {
	id, err := domain.ParseUUID(text)
	m.add(name, err)
	return id
}

// time returns a time in whole milliseconds.
func (m members) time(name, text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	t = t.UTC().Truncate(time.Millisecond)
	if year := t.Year(); err != nil || year < firstYear || year > lastYear || t.IsZero() {
		m.add(name, invalid(fmt.Sprintf("must be a time of the years %d to %d, as in RFC 3339", firstYear, lastYear)))
		return time.Time{}
	}
	return t
}

// expiry returns a time in whole seconds, rounded up so that the blacklist does not forget
// the record too early. It rounds the last second of the last year down, because no store can
// keep the year after it.
func (m members) expiry(name, text string) time.Time {
	t := m.time(name, text)
	whole := t.Truncate(time.Second)
	if next := whole.Add(time.Second); !whole.Equal(t) && next.Year() <= lastYear {
		return next
	}
	return whole
}

func (m members) version(name string, version *domain.Version) domain.Version {
	switch {
	case version == nil:
		m.add(name, domain.ErrMissing)
		return 0
	case *version > maxVersion:
		m.add(name, invalid(fmt.Sprintf("must not be greater than %d", maxVersion)))
	}
	return *version
}

func (m members) lifetime(name string, seconds *int64) time.Duration {
	switch {
	case seconds == nil:
		m.add(name, domain.ErrMissing)
		return 0
	case *seconds < 0 || *seconds > maxSeconds:
		m.add(name, invalid(fmt.Sprintf("must be a number of seconds from 0 to %d", maxSeconds)))
		return 0
	}
	return time.Duration(*seconds) * time.Second
}

func invalid(message string) error { return &domain.Error{Kind: domain.Invalid, Message: message} }
