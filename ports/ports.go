// Package ports holds the interfaces around the [domain]: what the outside may
// ask of the service (driving ports: [Auth], [Widgets]) and what the service
// needs of the outside (driven ports: the rest). Package fakes has a moq fake of
// each; package conformance has the test suites that an adapter of a persistence
// port must pass.
//
// Every method is safe for concurrent use. One that takes a context returns a
// [domain.Unavailable] error when the context ends before the work is done, or
// the technology behind it does not answer. Errors that a doc comment names are
// told apart with [errors.Is]; any other error is a fault.
package ports

import (
	"context"
	"time"

	"github.com/widgetd/widgetd/domain"
)

//go:generate go tool moq -out fakes/fakes.go -pkg fakes -rm . Auth Widgets UserRepository WidgetRepository TokenBlacklist TokenSigner PasswordHasher Clock

// Auth is what the outside may ask about accounts and tokens.
type Auth interface {
	// Register makes an account that is not an administrator's and logs it in.
	// AlreadyExists (see [domain.UserExists]) when the email has one.
	Register(ctx context.Context, email domain.Email, password domain.Password) (domain.AccessToken, error)

	// LogIn issues a token to the owner of an account. CredentialsMismatch when
	// there is no such account or the password is not its own, which takes the
	// same work to find out.
	LogIn(ctx context.Context, email domain.Email, password domain.Password) (domain.AccessToken, error)

	// Authenticate returns what a token says. TokenInvalid, TokenExpired or
	// TokenBlacklisted when it does not let its bearer in.
	Authenticate(ctx context.Context, token string) (domain.Claims, error)

	// CurrentUser returns the account that authenticated claims speak of.
	// TokenInvalid when it is gone.
	CurrentUser(ctx context.Context, claims domain.Claims) (domain.User, error)

	// LogOut blacklists the token of authenticated claims. When it returns nil
	// every later Authenticate, on any server that shares the store, refuses the
	// token, also after a crash.
	LogOut(ctx context.Context, claims domain.Claims) error
}

// Widgets is what the outside may ask about widgets. Where a method takes claims
// they are an authenticated token's, and the error is Forbidden unless they are
// an administrator's.
type Widgets interface {
	// Create makes a widget that belongs to the claims' user. AlreadyExists (see
	// [domain.WidgetExists]) when another has the name, TokenInvalid when the
	// user is gone.
	Create(ctx context.Context, claims domain.Claims, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error

	// List returns one page of the widgets, in creation order.
	List(ctx context.Context, page domain.PageRequest) (domain.Page, error)

	// Get returns the widget of that name. NotFound (see
	// [domain.WidgetNotFound]) when there is none.
	Get(ctx context.Context, name domain.WidgetName) (domain.Widget, error)

	// Put gives the widget of that name a new link and deadline, or creates it
	// as Create does when there is none. It reports whether it created one.
	Put(ctx context.Context, claims domain.Claims, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) (created bool, err error)

	// Delete removes the widget of that name. NotFound when there is none.
	Delete(ctx context.Context, claims domain.Claims, name domain.WidgetName) error
}

// UserRepository keeps accounts. When a write returns nil its outcome is durable
// and every later read, on any server that shares the store, sees it.
type UserRepository interface {
	// Add keeps a new account. AlreadyExists when one has the same Email.Key or
	// the same PublicID; of simultaneous calls exactly one succeeds.
	Add(ctx context.Context, user domain.User) error

	// ByPublicID returns the account with that id. NotFound when there is none.
	ByPublicID(ctx context.Context, id domain.UUID) (domain.User, error)

	// ByEmail returns the account whose Email.Key is the same. NotFound when
	// there is none.
	ByEmail(ctx context.Context, email domain.Email) (domain.User, error)

	// SetCredentials replaces the PasswordHash and Admin of the account with the
	// id of user by those of user, provided that its PasswordHash still is
	// currentHash (compare and swap). NotFound otherwise.
	SetCredentials(ctx context.Context, user domain.User, currentHash string) error

	// HasAdmin reports whether any account is an administrator's.
	HasAdmin(ctx context.Context) (bool, error)
}

// WidgetRepository keeps widgets in the order of their creation. When a write
// returns nil its outcome is durable and every later read, on any server that
// shares the store, sees it.
type WidgetRepository interface {
	// Add keeps a new widget, last in order. AlreadyExists when one has the same
	// name; of simultaneous calls exactly one succeeds.
	Add(ctx context.Context, widget domain.Widget) error

	// ByName returns the widget of that name. NotFound when there is none.
	ByName(ctx context.Context, name domain.WidgetName) (domain.Widget, error)

	// List returns one page in creation order and the count of all widgets. A
	// page past the end has no items.
	List(ctx context.Context, page domain.PageRequest) (domain.Page, error)

	// Update replaces the link and the deadline of the widget of that name, and
	// nothing else: owner, creation and place in order stay. NotFound when there
	// is none.
	Update(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error

	// Delete removes the widget of that name. NotFound when there is none.
	Delete(ctx context.Context, name domain.WidgetName) error
}

// TokenBlacklist remembers logged-out tokens for ever: one by one until they have
// expired, and then, because clocks can jump back, by the latest expiry of those
// that it forgot.
type TokenBlacklist interface {
	// Add remembers a token. When it returns nil that is durable, and Contains
	// is true from then on for every handle of the store. Adding one again
	// changes nothing and is no error.
	Add(ctx context.Context, token domain.BlacklistedToken) error

	// Contains reports whether the token is remembered by its id (the jti), or
	// expires no later than a token that Purge forgot, and so may be one of
	// those. It never guesses: what can't be read is an Unavailable error.
	Contains(ctx context.Context, token domain.BlacklistedToken) (bool, error)

	// Purge forgets the ids of tokens that had expired by now, keeps every
	// other, and returns how many it forgot. The latest expiry among those it
	// keeps for ever, as durably as Add keeps a token, and before it forgets.
	Purge(ctx context.Context, now time.Time) (int, error)
}

// TokenCounter is what a [TokenBlacklist] may be as well: one that knows its size,
// for the operator to see.
type TokenCounter interface {
	// Count returns how many tokens are remembered, at little cost however many
	// those are. It may be off for a while after the store's crash.
	Count(ctx context.Context) (int, error)
}

// TokenSigner turns claims into text that nobody else can make.
type TokenSigner interface {
	// Sign returns the claims as a signed token.
	Sign(claims domain.Claims) (string, error)

	// Verify returns the claims of a token that Sign of the same key made.
	// TokenInvalid for anything else: altered in any part, signed otherwise,
	// lacking a claim or with one of the wrong type. Whether the claims are good
	// at this moment is for [domain.Claims.CheckAt].
	Verify(token string) (domain.Claims, error)
}

// PasswordHasher makes and checks password hashes, which are costly on purpose.
type PasswordHasher interface {
	// Hash returns a salted hash of the password, with its parameters.
	Hash(ctx context.Context, password domain.Password) (string, error)

	// Verify reports whether hash was made from the password and, if so,
	// whether it is outdated, so that a new Hash should replace it. An empty
	// hash, which no password matches, takes the work of one that Hash makes.
	Verify(ctx context.Context, hash string, password domain.Password) (match, outdated bool, err error)
}

// Clock tells the time.
type Clock interface {
	Now() time.Time
}
