// Package authorize checks in the store whether the account of a token still exists, is
// not disabled, and is an administrator's.
package authorize

import (
	"context"

	"github.com/widgetd/widgetd/domain"
)

// UserFinder finds an account. A [ports.UserRepository] is one.
type UserFinder interface {
	ByPublicID(ctx context.Context, id domain.UUID) (domain.User, error)
}

// Administrator returns the account of authenticated claims. It returns
// ErrNotAdministrator if the claims or the account are not those of an administrator,
// ErrTokenInvalid if the account no longer exists, and ErrTokenBlacklisted if it is
// disabled.
//
// The account is read from the store, because the token may be older than a change of
// the account.
func Administrator(ctx context.Context, users UserFinder, claims domain.Claims) (domain.User, error) {
	if err := claims.RequireAdmin(); err != nil {
		return domain.User{}, err
	}
	user, err := User(ctx, users, claims)
	if err != nil {
		return domain.User{}, err
	}
	if !user.Admin {
		return domain.User{}, domain.ErrNotAdministrator
	}
	return user, nil
}

// User returns the account of authenticated claims. It returns ErrTokenInvalid if the
// account no longer exists, and ErrTokenBlacklisted if it is disabled.
func User(ctx context.Context, users UserFinder, claims domain.Claims) (domain.User, error) {
	user, err := users.ByPublicID(ctx, claims.Subject)
	switch {
	case domain.KindOf(err) == domain.NotFound:
		return domain.User{}, domain.ErrTokenInvalid
	case err != nil:
		return domain.User{}, err
	case user.Disabled:
		return domain.User{}, domain.ErrTokenBlacklisted
	}
	return user, nil
}
