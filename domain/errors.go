package domain

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Kind says what sort of thing went wrong. A Kind is itself an error: an
// adapter with nothing to add may return one as it is.
type Kind string

// The kinds of error there are. Anything else that goes wrong is a fault of
// the program or its surroundings.
const (
	// Invalid input. [Error.Fields] says why, field by field, where there
	// are fields.
	Invalid Kind = "invalid"
	// NotFound: what was asked for is not there.
	NotFound Kind = "not found"
	// AlreadyExists: something else holds that unique key.
	AlreadyExists Kind = "already exists"
	// Unauthenticated: nobody we know. The error is a [Refusal], or wraps one.
	Unauthenticated Kind = "unauthenticated"
	// Forbidden: somebody we know, who may not do this.
	Forbidden Kind = "forbidden"
	// Unavailable: a store or a resource did not answer in time; nothing is
	// known about the outcome. Trying again later may work.
	Unavailable Kind = "unavailable"
)

// Error returns the kind's name.
func (k Kind) Error() string { return string(k) }

// Refusal is an [Unauthenticated] error: why somebody was not let in, in the
// words of the HTTP contract.
type Refusal string

// The reasons for refusing somebody.
const (
	NoToken             Refusal = "Unauthorized"
	TokenExpired        Refusal = "Access token expired. Please log in again."
	TokenBlacklisted    Refusal = "Token blacklisted. Please log in again."
	TokenInvalid        Refusal = "Invalid token. Please log in again."
	CredentialsMismatch Refusal = "email or password does not match"
)

// Error returns the reason.
func (r Refusal) Error() string { return string(r) }

// Is reports whether target is [Unauthenticated].
func (r Refusal) Is(target error) bool { return target == Unauthenticated }

// Error is an error of a known kind with something to say about it.
type Error struct {
	Kind    Kind
	Message string // for the person who asked; may be empty
	Fields  Fields // for Invalid input of several fields
	Err     error  // the cause, for the log; may be nil
}

// Error returns the message (else the kind), the fields and the cause.
func (e *Error) Error() string {
	said := []string{cmp.Or(e.Message, string(e.Kind))}
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		said = append(said, name+": "+e.Fields[name])
	}
	text := strings.Join(said, "; ")
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Is reports whether target is the error's kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fields collects why each of several input fields was refused, by field name.
type Fields map[string]string

// Note records err under the field's name, unless err is nil or the field was
// refused already.
func (f Fields) Note(field string, err error) {
	if err == nil {
		return
	}
	if _, refused := f[field]; !refused {
		f[field] = err.Error()
	}
}

// Err returns nil when no field was refused, else an [Invalid] error that holds
// them all.
func (f Fields) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Message: "Input payload validation failed", Fields: f}
}

// UserExists is the [AlreadyExists] error for a registration of an email that
// an account has.
func UserExists(email Email) error {
	return &Error{Kind: AlreadyExists, Message: email.String() + " is already registered"}
}

// WidgetExists is the [AlreadyExists] error for a new widget of a name that
// another widget has.
func WidgetExists(name WidgetName) error {
	return &Error{Kind: AlreadyExists, Message: "Widget name: " + name.String() + " already exists, must be unique."}
}

// WidgetNotFound is the [NotFound] error for a name that no widget has. The
// name may be one that no widget can have.
func WidgetNotFound(name string) error {
	return &Error{Kind: NotFound, Message: strings.ToValidUTF8(name, "\uFFFD") + " not found in database"}
}

// Missing is what every required field says of an empty value.
const Missing message = "Missing required parameter in the post body"

// message is an [Invalid] error that is only a text.
type message string

func (m message) Error() string { return string(m) }

func (m message) Is(target error) bool { return target == Invalid }
