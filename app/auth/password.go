package auth

import (
	"context"
	"errors"

	"github.com/widgetd/widgetd/app/internal/authorize"
	"github.com/widgetd/widgetd/app/internal/credentials"
	"github.com/widgetd/widgetd/domain"
)

// ChangePassword implements [ports.Auth].
func (s *Service) ChangePassword(ctx context.Context, claims domain.Claims, current, changed domain.Password) (token domain.AccessToken, err error) {
	err = s.own(ctx, domain.AuditUserPassword, claims, func(*domain.AuditEvent) error {
		hash, err := s.replaceHash(ctx, claims, current, changed)
		if err != nil {
			return err
		}
		cutOff, err := s.keeper.EndTokens(ctx, claims.Subject)
		if err != nil {
			return err
		}
		user, err := authorize.User(ctx, s.keeper.Users, claims)
		switch {
		case err != nil:
			return err
		case user.PasswordHash != hash: // another change may have ended the tokens before this one did
			return domain.ErrTokenBlacklisted
		}
		token, err = s.issue(user, cutOff)
		return err
	})
	return orZero(token, err)
}

// replaceHash replaces the hash of the password and returns the new one.
func (s *Service) replaceHash(ctx context.Context, claims domain.Claims, current, changed domain.Password) (hash domain.PasswordHash, err error) {
	err = s.withPassword(ctx, claims, "current_password", current, func(user domain.User) error {
		if hash == (domain.PasswordHash{}) {
			if hash, err = s.keeper.HashNew(ctx, "new_password", changed); err != nil {
				return err
			}
		}
		with := user
		with.PasswordHash = hash
		return s.keeper.Users.Update(ctx, user, with)
	})
	return hash, err
}

// Unregister implements [ports.Auth].
func (s *Service) Unregister(ctx context.Context, claims domain.Claims, password domain.Password) error {
	return s.own(ctx, domain.AuditUserDelete, claims, func(*domain.AuditEvent) error {
		err := s.withPassword(ctx, claims, "password", password, func(user domain.User) error {
			if user.Admin {
				return domain.ErrAdministratorStays
			}
			return s.keeper.Users.Delete(ctx, user)
		})
		if err != nil && !errors.Is(err, domain.ErrTokenInvalid) {
			return err
		}
		// If the account is gone, a server may have crashed before it ended the tokens.
		if err := s.keeper.EndTokensOfDeleted(ctx, claims.Subject); err != nil {
			return err
		}
		return err
	})
}

// withPassword calls change with the account of the claims if the password is the
// account's. If another request changes the account meanwhile, withPassword begins again.
func (s *Service) withPassword(ctx context.Context, claims domain.Claims, field string, password domain.Password, change func(domain.User) error) error {
	mismatch := domain.ErrCredentialsMismatch
	err := credentials.RetryChanged(ctx, func() error {
		user, err := authorize.User(ctx, s.keeper.Users, claims)
		if err != nil {
			return err
		}
		match, _, err := s.keeper.Hasher.Verify(ctx, user.PasswordHash, password)
		switch {
		case err != nil:
			return err
		case !match:
			return domain.PasswordMismatch(field, mismatch)
		}
		mismatch = domain.ChangedMeanwhile // the password was right
		err = change(user)
		if domain.KindOf(err) == domain.ChangedMeanwhile {
			return s.unlessRevoked(ctx, claims, err)
		}
		return err
	})
	if domain.KindOf(err) == domain.NotFound {
		return domain.ErrTokenInvalid
	}
	return err
}

// unlessRevoked returns err, or the reason why the token of the claims is refused now. If
// the request that has changed the account also ended its tokens, the password need not be
// checked again, which takes long.
func (s *Service) unlessRevoked(ctx context.Context, claims domain.Claims, err error) error {
	revocation, checkErr := s.keeper.Blacklist.Check(ctx, claims)
	if checkErr != nil {
		return checkErr
	}
	if refused := revocation.Check(claims); refused != nil {
		return refused
	}
	return err
}
