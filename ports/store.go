package ports

import (
	"context"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// Store is the persistent state of the service. Its repositories can be used until
// Close is called.
//
// When a write has returned nil, its result is durable. Every later read returns
// it, on every server that shares the store.
type Store interface {
	Users() UserRepository
	Widgets() WidgetRepository
	Blacklist() TokenBlacklist

	// Ping reads from the store and returns nil if the store answers.
	Ping(ctx context.Context) error

	// Close waits a limited time for running operations and releases the store.
	// An operation that runs during Close succeeds or returns Unavailable. Every
	// later operation returns Unavailable. A second call of Close returns the same
	// error as the first.
	Close() error

	// CursorKey returns the key for cursors. The store made it when it was created. It
	// is the same on every server that shares the store and after every restart, and
	// different in every other store.
	CursorKey() domain.CursorKey

	// Shared reports whether several servers may use the store at the same time.
	// Such servers must sign tokens with the same key.
	Shared() bool
}

// UserRepository keeps accounts.
type UserRepository interface {
	// Add stores a new account. It returns AlreadyExists if an account has the
	// same Email.Key or the same PublicID. Of simultaneous calls with the same
	// Email.Key or PublicID exactly one succeeds.
	Add(ctx context.Context, user domain.User) error

	// AddAll adds accounts in the given order, faster than as many calls of Add. Each
	// element of the result is nil or AlreadyExists, for the account with the same
	// index. If err is not nil, some of the accounts may have been added.
	AddAll(ctx context.Context, users []domain.User) (each []error, err error)

	// ByPublicID returns the account with the given id, or NotFound.
	ByPublicID(ctx context.Context, id domain.UUID) (domain.User, error)

	// ByEmail returns the account with the same Email.Key, or NotFound.
	ByEmail(ctx context.Context, email domain.Email) (domain.User, error)

	// List returns one page of the accounts in order of registration, and the number of
	// all accounts. A page past the end has no items. A stored account that cannot be
	// decoded is left out of its page, so that the page may be shorter.
	List(ctx context.Context, page domain.PageRequest) (domain.Page[domain.User], error)

	// Slice returns at most limit accounts in order of registration, from a position on.
	// The empty position is the beginning. The next position is in the result. It stays
	// valid whatever is written meanwhile: a caller that follows it to the end gets every
	// account that exists all the time exactly once. Slice returns Invalid for a text that is
	// no position. A stored account that cannot be decoded is left out.
	Slice(ctx context.Context, position string, limit int) (domain.Slice[domain.User], error)

	// Update replaces PasswordHash, Admin and Disabled of an account by those of
	// changed, if the store has them as they are in current (compare and swap). The
	// PublicID is that of current.
	//
	// It returns NotFound if no account has the PublicID, and ChangedMeanwhile if the
	// stored PasswordHash, Admin or Disabled differs. It returns
	// [domain.ErrLastAdministrator] if current is an active administrator, changed is
	// not, and no other account is; see [domain.User.IsActiveAdmin]. Of simultaneous
	// calls that together would leave no active administrator, at least one fails.
	Update(ctx context.Context, current, changed domain.User) error

	// Delete removes the account if the store has it as it is in current. It returns
	// the same errors as Update. Afterwards the email is free, and the public id is
	// among those that Departed returns, also after a crash.
	Delete(ctx context.Context, current domain.User) error

	// Departed returns the public ids of deleted accounts whose widgets may still have
	// their email: those for which Settle was not called. The id of an account that was
	// added again is not among them.
	Departed(ctx context.Context) ([]domain.UUID, error)

	// Settle removes the public id of a deleted account from those that Departed
	// returns. It does nothing for another id.
	Settle(ctx context.Context, id domain.UUID) error

	// HasAdmin reports whether any account is that of an active administrator.
	HasAdmin(ctx context.Context) (bool, error)
}

// WidgetRepository keeps widgets in order of creation.
//
// Every write raises the version of the widget: see [domain.Version].
type WidgetRepository interface {
	// Add stores a new widget, with its version, at the end of the order. It returns
	// AlreadyExists if a widget has the same name. Of simultaneous calls with the same
	// name exactly one succeeds.
	Add(ctx context.Context, widget domain.Widget) error

	// AddAll adds widgets in the given order, faster than as many calls of Add. Each
	// element of the result is nil or AlreadyExists, for the widget with the same
	// index. If err is not nil, some of the widgets may have been added.
	AddAll(ctx context.Context, widgets []domain.Widget) (each []error, err error)

	// ByName returns the widget with the given name, or NotFound.
	ByName(ctx context.Context, name domain.WidgetName) (domain.Widget, error)

	// List returns one page in order of creation, and the number of all widgets.
	// A page past the end has no items. A stored widget that cannot be decoded is
	// left out of its page, so that the page may be shorter.
	//
	// If the documentation of the store says so, the number of all widgets may be
	// inexact. But it is never so low that a page seems to be the last one although
	// widgets follow.
	List(ctx context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error)

	// Slice returns at most limit widgets of the list that the query describes, from a
	// position on. The empty position is the beginning of the list. The next position is
	// in the result. It stays valid whatever is written meanwhile: a caller that follows
	// it to the end gets every widget exactly once, if the widget is in the list all the time
	// and its place in the order does not change.
	//
	// The cost does not depend on the position, nor on the number of widgets that are not
	// in the list. Slice returns Invalid for a text that is no position of such a query.
	// A stored widget that cannot be decoded is left out.
	Slice(ctx context.Context, query domain.WidgetQuery, position string, limit int) (domain.Slice[domain.Widget], error)

	// Update changes the widget with the given name, and returns the widget as it was
	// before. The widget is then before.Changed(change): see [domain.Widget.Changed]. It
	// keeps its place in the order of creation.
	//
	// Update returns NotFound if no widget has the name, and ChangedMeanwhile if the
	// widget does not meet the condition. Of simultaneous calls that require the same
	// version exactly one succeeds.
	Update(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (before domain.Widget, err error)

	// Delete removes the widget with the given name and returns it. It returns the same
	// errors as Update.
	Delete(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error)

	// RemoveOwnerEmail removes the email of an owner, whose account was deleted, from all
	// widgets of that owner. If it returns an error, some of the widgets may have been
	// changed. A second call changes the others.
	RemoveOwnerEmail(ctx context.Context, owner domain.UUID) error
}

// TokenBlacklist remembers logged-out tokens, and a cut-off for each account whose
// tokens were ended.
//
// It forgets a token when two conditions hold: the token's expiry has passed by the
// wall clock, and the token's lifetime has passed in running time since it was
// added. Running time is a counter that the blacklist keeps in the store. It grows
// while a server of the store is running, as [Clock.Running] does, and no wall
// clock moves it. The counter may be too low, so that tokens are remembered longer,
// and never too high. A cut-off is forgotten by the same rule, with its own ExpiresAt
// and Lifetime.
type TokenBlacklist interface {
	// Add remembers a token. After Add has returned nil, Check reports the token as
	// logged out on every server that shares the store, also after a crash. When a
	// token is added again, both conditions count from the later values.
	Add(ctx context.Context, token domain.BlacklistedToken) error

	// EndTokens sets the cut-off of an account, in place of an earlier one. After
	// EndTokens has returned nil, Check and CutOff return its value, or that of a
	// later call, on every server that shares the store, also after a crash. The
	// conditions for forgetting count from the later values.
	EndTokens(ctx context.Context, cutOff domain.CutOff) error

	// CutOff returns the value of the cut-off of the account with the given public
	// id, or the zero UUID if the blacklist remembers none. It returns Unavailable if
	// the store cannot be read.
	CutOff(ctx context.Context, subject domain.UUID) (domain.UUID, error)

	// Check returns what the blacklist remembers about the token with the given
	// claims and about its account. It returns Unavailable if the store cannot be
	// read. In that case the error is never nil.
	Check(ctx context.Context, claims domain.Claims) (domain.Revocation, error)

	// Purge forgets the tokens and cut-offs for which both conditions hold, where now
	// is the time of the wall clock, and returns their number. It also makes the
	// running time durable: after a crash or Close, the counter continues from the
	// last Purge. Each server calls Purge every minute. If it does, a token is
	// forgotten at most five minutes of running time after both conditions hold.
	Purge(ctx context.Context, now time.Time) (int, error)

	// Count returns the number of remembered tokens and cut-offs. Its cost does not
	// depend on that number. After a crash of the store, the result may be inexact for
	// some time.
	Count(ctx context.Context) (int, error)

	// Tokens returns at most limit of the remembered tokens, in order of their expiry,
	// from a position on. The Lifetime is that of the call of Add, in whole seconds, rounded
	// up. If the blacklist does not know it, the Lifetime is the running time that is left.
	// The empty position is the beginning. The next position is in the result. Tokens
	// returns Invalid for a text that is no position.
	Tokens(ctx context.Context, position string, limit int) (domain.Slice[domain.BlacklistedToken], error)

	// CutOffs returns at most limit of the remembered cut-offs, in order of the public
	// ids of their accounts, as Tokens does.
	CutOffs(ctx context.Context, position string, limit int) (domain.Slice[domain.CutOff], error)
}
