package domain

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Kind classifies an error. A Kind is itself an error, so that an adapter with
// no detail to add can return one directly.
type Kind string

// The kinds of error. An error of no kind is a fault of the program or of its
// environment.
const (
	// Invalid means that the input breaks a rule.
	Invalid Kind = "invalid"
	// NotFound means that the requested record does not exist.
	NotFound Kind = "not found"
	// AlreadyExists means that another record holds the same unique key.
	AlreadyExists Kind = "already exists"
	// ChangedMeanwhile means that the record does not meet the [Condition] of the write,
	// usually because another caller has changed the record.
	ChangedMeanwhile Kind = "changed meanwhile"
	// Conflict means that the state of the record, or that of another one, forbids
	// the operation.
	Conflict Kind = "conflict"
	// Unauthenticated means that the caller's identity is not proved.
	Unauthenticated Kind = "unauthenticated"
	// Forbidden means that the caller is known but lacks the permission.
	Forbidden Kind = "forbidden"
	// Unavailable means that a store or another resource did not answer in
	// time. The outcome of the operation is unknown. A retry may succeed.
	Unavailable Kind = "unavailable"
)

// Kinds returns every kind.
func Kinds() []Kind {
	return []Kind{Invalid, NotFound, AlreadyExists, ChangedMeanwhile, Conflict, Unauthenticated, Forbidden, Unavailable}
}

// Error returns the kind's name. An [Error] without a message has the same text.
func (k Kind) Error() string { return string(k) }

// KindOf returns the kind of the outermost [Error] or Kind in the chain of err. It
// returns "" for nil and for an error of no kind.
//
// KindOf ignores the kind of a cause: an Unavailable error whose cause is a NotFound
// error is Unavailable only.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	kind, _ := errors.AsType[Kind](err)
	return kind
}

// RetryAfter returns the time to wait before the operation is repeated, as the outermost
// [Error] in the chain of err has it. It returns zero if the time is not known.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// Error is an error with a kind and details. errors.Is(err, kind) reports
// whether it has that kind.
type Error struct {
	Kind    Kind
	Message string // for the person who made the request; empty: the kind's name
	Fields  Fields // of Invalid input; may be nil
	Err     error  // the cause, for the log only; may be nil

	// RetryAfter is for an Unavailable error: the time to wait before the operation is
	// repeated. Zero means that it is not known.
	RetryAfter time.Duration
}

// Error returns the message, the fields in alphabetical order, and the cause.
func (e *Error) Error() string {
	parts := []string{cmp.Or(e.Message, e.Kind.Error())}
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		parts = append(parts, name+": "+e.Fields[name])
	}
	text := strings.Join(parts, "; ")
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Is reports whether target is the error's kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The reasons for refusing a token or a log-in. Each is an [Error] of kind
// [Unauthenticated]; errors.Is tells them apart.
var (
	ErrTokenExpired     = unauthenticated("Access token expired. Please log in again.")
	ErrTokenBlacklisted = unauthenticated("Token blacklisted. Please log in again.")
	ErrTokenInvalid     = unauthenticated("Invalid token. Please log in again.")
	// ErrCredentialsMismatch does not reveal whether the account exists.
	ErrCredentialsMismatch = unauthenticated("email or password does not match")
)

// The reasons of kind [Forbidden].
var (
	ErrNotAdministrator   = &Error{Kind: Forbidden, Message: "You are not an administrator"}
	ErrAccountDisabled    = &Error{Kind: Forbidden, Message: "This account is disabled"}
	ErrRegistrationClosed = &Error{Kind: Forbidden, Message: "Registration is closed"}
)

// The reasons of kind [Conflict].
var (
	// ErrLastAdministrator is for a change after which no administrator could log in.
	ErrLastAdministrator = &Error{Kind: Conflict, Message: "The last administrator stays"}
	// ErrOwnAccount is for a change of an administrator's own account.
	ErrOwnAccount = &Error{Kind: Conflict, Message: "Administrators cannot change their own account here"}
	// ErrAdministratorStays is for an administrator who unregisters.
	ErrAdministratorStays = &Error{Kind: Conflict, Message: "Another administrator must take the role away first"}
	// ErrNotEmbedded is for an operation on the file of the embedded store.
	ErrNotEmbedded = &Error{Kind: Conflict, Message: "The store is not the embedded one: use the tools of the database"}
	// ErrKeyOfSettings is for a rotation of keys that the program does not keep itself.
	ErrKeyOfSettings = &Error{Kind: Conflict, Message: "The key that signs tokens comes from the settings, not from the data folder"}
)

// PasswordMismatch returns the [Invalid] error for a field with a password that is not
// the account's. The cause is [ErrCredentialsMismatch] if the password was wrong, and
// [ChangedMeanwhile] if it was right and another request has changed it.
func PasswordMismatch(field string, cause error) error {
	return &Error{Kind: Invalid, Fields: Fields{field: "Does not match"}, Err: cause}
}

// ErrMissing is the [Invalid] error of every Parse function except [ParseUUID] for an empty
// text.
var ErrMissing = invalid("must not be empty")

// EmailTaken returns the [AlreadyExists] error for a registration with an email
// that belongs to an account.
func EmailTaken(email Email) error {
	return &Error{Kind: AlreadyExists, Message: email.String() + " is already registered"}
}

// WidgetNameTaken returns the [AlreadyExists] error for a new widget with the
// name of another widget.
func WidgetNameTaken(name WidgetName) error {
	return &Error{Kind: AlreadyExists, Message: "Widget name: " + name.String() + " already exists, must be unique."}
}

// WidgetNotFound returns the [NotFound] error for a name that no widget has. The
// name need not be valid: bytes that are not UTF-8 are replaced.
func WidgetNotFound(name string) error { return notInDatabase(name) }

// WidgetChangedMeanwhile returns the [ChangedMeanwhile] error for a write whose
// [Condition] the widget does not meet.
func WidgetChangedMeanwhile(name WidgetName) error {
	return changedMeanwhile("'" + name.String() + "' was changed meanwhile")
}

// WidgetMissing returns the [ChangedMeanwhile] error for a write whose [Condition] requires
// a widget that does not exist.
func WidgetMissing(name WidgetName) error {
	return changedMeanwhile("'" + name.String() + "' does not exist")
}

// WidgetExists returns the [ChangedMeanwhile] error for a write whose [Condition] requires
// that no widget has the name.
func WidgetExists(name WidgetName) error {
	return changedMeanwhile("'" + name.String() + "' exists already")
}

// NotAnAdministrator returns the [Invalid] error for a field that must have the public id of
// an administrator, and has another text.
func NotAnAdministrator(field string) error {
	return &Error{Kind: Invalid, Fields: Fields{field: "Not an administrator"}}
}

// AccountNotFound returns the [NotFound] error for a public id, or another text in its
// place, that no account has. Bytes that are not UTF-8 are replaced.
func AccountNotFound(id string) error { return notInDatabase(id) }

func notInDatabase(text string) error {
	return &Error{Kind: NotFound, Message: strings.ToValidUTF8(text, "\uFFFD") + " not found in database"}
}

// Fields maps the names of invalid input fields to the reason for each.
type Fields map[string]string

// Add records err as the reason why a field is invalid. It does nothing when err
// is nil or the field already has a reason.
func (f Fields) Add(field string, err error) {
	if err == nil {
		return
	}
	if _, found := f[field]; !found {
		f[field] = err.Error()
	}
}

// Err returns an [Invalid] error with all fields, or nil when there are none.
func (f Fields) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Fields: f}
}

func invalid(message string) error { return &Error{Kind: Invalid, Message: message} }

func changedMeanwhile(message string) error { return &Error{Kind: ChangedMeanwhile, Message: message} }

func unauthenticated(message string) error { return &Error{Kind: Unauthenticated, Message: message} }
