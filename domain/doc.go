// Package domain holds the rules of the Widget API: what a valid [User] and
// [Widget] look like, how long the [Claims] of a token are valid, how a list is
// cut into pages, and the kinds of [Error].
//
// The package does no I/O and imports only the standard library. The time and
// the caller's identity are always arguments.
//
// # Parse, don't validate
//
// An [Email], [Password], [WidgetName], [InfoURL], [Deadline] or [PageRequest]
// is made by a function that returns an error when the input breaks a rule. Code
// that holds such a value need not check it again. The zero values are not
// usable.
//
// # Texts
//
// The UUIDs, addresses, names, links and deadlines of this package implement
// [encoding.TextMarshaler] and [encoding.TextUnmarshaler], so that packages such as
// encoding/json and flag read and write them as text. Reading parses the text by today's
// rules. A text that breaks them is an [Invalid] error, and the value stays as it was. The
// text of a zero value is empty, and an empty text cannot be read. So do not write zero
// values: encoding/json has the option omitzero.
//
// A [Password] or [PasswordHash] has no text: both print as asterisks.
//
// # Values from a store
//
// Every store adapter restores values with [RestoreEmail], [RestoreWidgetName],
// [RestoreInfoURL] and [RestoreDeadline]. These functions do not apply today's
// rules: a value that was valid when it was written can always be read, also
// after the rules have become stricter. They do not detect damage. A store must
// return the bytes that it was given. The functions that parse accept UTF-8 only, and the
// hashes of [ParsePasswordHash] and of package argon2id are ASCII. So a store may keep texts
// in a format that has UTF-8 only, such as JSON.
//
// # Errors
//
// Every expected error has a [Kind]. Test for it with [errors.Is] or [KindOf]:
//
//	errors.Is(err, domain.NotFound)        // the kind
//	errors.Is(err, domain.ErrTokenExpired) // one reason of the kind Unauthenticated
package domain
