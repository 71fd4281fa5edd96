package accounts

import (
	"context"

	"github.com/widgetd/widgetd/app/internal/credentials"
	"github.com/widgetd/widgetd/domain"
)

// Change implements [ports.Accounts].
func (s *Service) Change(ctx context.Context, by domain.Actor, id domain.UUID, change domain.AccountChange) (user domain.User, err error) {
	err = s.audited(ctx, actionOf(change), by, id, func(event *domain.AuditEvent) error {
		if err := s.authorizeOther(ctx, by, id); err != nil {
			return err
		}
		before, after, err := s.change(ctx, id, change)
		if err != nil {
			return err
		}
		recordChange(event, before, after)
		user = after
		return s.endTokensAfter(ctx, before, after)
	})
	if err != nil {
		return domain.User{}, err
	}
	return user, nil
}

// change writes the change to the account and returns the account before and after.
func (s *Service) change(ctx context.Context, id domain.UUID, change domain.AccountChange) (before, after domain.User, err error) {
	var hash domain.PasswordHash
	if change.Password != nil {
		if hash, err = s.keeper.HashNew(ctx, "password", *change.Password); err != nil {
			return before, after, err
		}
	}
	err = credentials.RetryChanged(ctx, func() error {
		if before, err = s.keeper.Users.ByPublicID(ctx, id); err != nil {
			return err
		}
		after = changed(before, change, hash)
		if after == before {
			return nil
		}
		return s.keeper.Users.Update(ctx, before, after)
	})
	return before, after, err
}

// changed returns the user after the change. The hash is that of the new password.
func changed(user domain.User, change domain.AccountChange, hash domain.PasswordHash) domain.User {
	if change.Admin != nil {
		user.Admin = *change.Admin
	}
	if change.Disabled != nil {
		user.Disabled = *change.Disabled
	}
	if change.Password != nil {
		user.PasswordHash = hash
	}
	return user
}

// endTokensAfter ends the tokens of an account that got another role or password, or that
// is disabled. It also does so if the account was disabled before: a server may have
// crashed after it disabled the account.
func (s *Service) endTokensAfter(ctx context.Context, before, after domain.User) error {
	if after.Admin == before.Admin && after.PasswordHash == before.PasswordHash && !after.Disabled {
		return nil
	}
	_, err := s.keeper.EndTokens(ctx, after.PublicID)
	return err
}

// actionOf returns the action for the audit record: that of the most important field that
// is changed.
func actionOf(change domain.AccountChange) domain.AuditAction {
	switch {
	case change.Admin != nil:
		return domain.AuditUserAdmin
	case change.Disabled != nil:
		return domain.AuditUserDisable
	}
	return domain.AuditUserPassword
}

// recordChange adds the fields that differ to the event. For a password it adds only the
// text "changed".
func recordChange(event *domain.AuditEvent, before, after domain.User) {
	was, is := map[string]any{}, map[string]any{}
	if before.Admin != after.Admin {
		was["admin"], is["admin"] = before.Admin, after.Admin
	}
	if before.Disabled != after.Disabled {
		was["disabled"], is["disabled"] = before.Disabled, after.Disabled
	}
	if before.PasswordHash != after.PasswordHash {
		is["password"] = "changed"
	}
	if len(was) > 0 {
		event.Before = was
	}
	if len(is) > 0 {
		event.After = is
	}
}
