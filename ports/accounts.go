package ports

import (
	"context"

	"github.com/widgetd/widgetd/domain"
)

// Accounts is the driving port for administrators and the operator, who control the
// accounts of others.
//
// Every method returns ErrNotAdministrator unless the actor is the operator or has the
// claims of an administrator, and the account is still an administrator's. It returns
// ErrTokenInvalid if the account of the actor no longer exists, and ErrTokenBlacklisted if
// it is disabled.
//
// A method with an id returns NotFound if no account has it; see
// [domain.AccountNotFound]. A method that changes or deletes an account returns
// ErrOwnAccount if it is the actor's own, and ErrLastAdministrator if no active
// administrator would be left.
//
// A method that ends the tokens of an account does so durably, on every server that shares
// the store, before it returns.
type Accounts interface {
	// List returns one page of the accounts in order of registration.
	List(ctx context.Context, by domain.Actor, page domain.PageRequest) (domain.Page[domain.User], error)

	// Get returns the account with the given id.
	Get(ctx context.Context, by domain.Actor, id domain.UUID) (domain.User, error)

	// Find returns the account with the given email. It returns NotFound if there is
	// none; see [domain.AccountNotFound].
	Find(ctx context.Context, by domain.Actor, email domain.Email) (domain.User, error)

	// CheckNewPassword returns an Invalid error if the password breaks a rule for new
	// passwords. Create and Change make the same check.
	CheckNewPassword(password domain.Password) error

	// Create adds an account. It returns AlreadyExists (see [domain.EmailTaken]) if an
	// account has the email, and Invalid with the field "password" if
	// CheckNewPassword returns an error.
	Create(ctx context.Context, by domain.Actor, email domain.Email, password domain.Password, admin bool) (domain.User, error)

	// Change changes the account with the given id and returns it. It ends the tokens
	// of the account if the role changes, if the account becomes disabled, and if the
	// change has a password. It returns Invalid with the field "password" if
	// CheckNewPassword returns an error.
	Change(ctx context.Context, by domain.Actor, id domain.UUID, change domain.AccountChange) (domain.User, error)

	// LogOut ends the tokens of the account with the given id.
	LogOut(ctx context.Context, by domain.Actor, id domain.UUID) error

	// Delete deletes the account with the given id and ends its tokens.
	Delete(ctx context.Context, by domain.Actor, id domain.UUID) error
}
