package ports

import (
	"context"

	"github.com/widgetd/widgetd/domain"
)

// Auth is the driving port for accounts and tokens.
type Auth interface {
	// CheckNewPassword returns an Invalid error if the password breaks a rule for
	// new passwords. Register makes the same check. An adapter calls
	// CheckNewPassword to report this error together with the errors of other
	// fields.
	CheckNewPassword(password domain.Password) error

	// Register creates an account without administrator rights and issues a
	// token for it. It returns AlreadyExists (see [domain.EmailTaken]) if an
	// account has the email, and Invalid with the field "password" if
	// CheckNewPassword returns an error.
	Register(ctx context.Context, email domain.Email, password domain.Password) (domain.AccessToken, error)

	// LogIn issues a token for the account with the given email and password. It
	// returns ErrCredentialsMismatch if no account has the email or the password
	// is wrong. Both cases take the same time. It returns ErrAccountDisabled if the
	// password is right and the account is disabled.
	LogIn(ctx context.Context, email domain.Email, password domain.Password) (domain.AccessToken, error)

	// Authenticate returns the claims of a valid token. For every other token it
	// returns ErrTokenInvalid, ErrTokenExpired or ErrTokenBlacklisted. It returns
	// ErrTokenBlacklisted also if the tokens of the account were ended after the
	// token was issued, and ErrTokenInvalid if the account was deleted.
	Authenticate(ctx context.Context, token string) (domain.Claims, error)

	// CurrentUser returns the account that authenticated claims belong to. It
	// returns ErrTokenInvalid if the account no longer exists.
	CurrentUser(ctx context.Context, claims domain.Claims) (domain.User, error)

	// LogOut blacklists the token of authenticated claims. After LogOut has
	// returned nil, Authenticate refuses the token on every server that shares
	// the store, also after a crash. It returns ErrTokenInvalid if the account no
	// longer exists.
	LogOut(ctx context.Context, claims domain.Claims) error

	// LogOutEverywhere ends every token of the account of authenticated claims, with
	// the promise of LogOut. A token that is issued afterwards is valid, also within
	// the same second. It returns ErrTokenInvalid if the account no longer exists.
	LogOutEverywhere(ctx context.Context, claims domain.Claims) error

	// ChangePassword replaces the password of the account of authenticated claims,
	// ends every token of the account, and issues a new one. It returns Invalid
	// with the field "current_password" if that password is wrong (see
	// [domain.PasswordMismatch]), Invalid with the field "new_password" if
	// CheckNewPassword returns an error, ErrTokenInvalid if the account no longer
	// exists, and ErrTokenBlacklisted if its tokens were ended meanwhile.
	ChangePassword(ctx context.Context, claims domain.Claims, current, changed domain.Password) (domain.AccessToken, error)

	// Unregister deletes the account of authenticated claims and ends its tokens. It
	// returns Invalid with the field "password" if the password is wrong,
	// ErrAdministratorStays for the account of an administrator, ErrTokenInvalid if
	// the account no longer exists, and ErrTokenBlacklisted if its tokens were ended
	// meanwhile.
	Unregister(ctx context.Context, claims domain.Claims, password domain.Password) error
}
