package accounts

import (
	"context"

	"github.com/widgetd/widgetd/app/internal/audited"
	"github.com/widgetd/widgetd/app/internal/credentials"
	"github.com/widgetd/widgetd/domain"
)

// AdminChange is what [Service.EnsureAdmin] has changed.
type AdminChange struct {
	PublicID domain.UUID
	Added    bool // the account did not exist
	Promoted bool // the account was not an administrator's
	Enabled  bool // the account was disabled
	Password bool // the account had another password
}

// EnsureAdmin makes sure that an active administrator with the given email and password
// exists. An account that exists does not keep its old password, because anybody may have
// registered the address first. If EnsureAdmin changes the role, the password or the state
// of an account, it ends the account's tokens. It returns Invalid with the field
// "password" if the password breaks the policy. The AdminChange has what was written, also if
// EnsureAdmin returns an error.
func (s *Service) EnsureAdmin(ctx context.Context, email domain.Email, password domain.Password) (AdminChange, error) {
	var done AdminChange
	err := credentials.RetryChanged(ctx, func() (err error) {
		done, err = s.ensureAdmin(ctx, email, password)
		if kind := domain.KindOf(err); kind == domain.NotFound || kind == domain.AlreadyExists {
			return domain.ChangedMeanwhile // deleted or registered since the look-up
		}
		return err
	})
	return done, err
}

func (s *Service) ensureAdmin(ctx context.Context, email domain.Email, password domain.Password) (AdminChange, error) {
	user, err := s.keeper.Users.ByEmail(ctx, email)
	if domain.KindOf(err) == domain.NotFound {
		user, err := s.Create(ctx, domain.Operator(), email, password, true)
		return AdminChange{PublicID: user.PublicID, Added: err == nil}, err
	}
	if err != nil {
		return AdminChange{}, err
	}
	match, outdated, err := s.keeper.Hasher.Verify(ctx, user.PasswordHash, password)
	if err != nil {
		return AdminChange{}, err
	}
	change := AdminChange{PublicID: user.PublicID, Promoted: !user.Admin, Enabled: user.Disabled, Password: !match}
	if user.IsActiveAdmin() && match && !outdated {
		return change, nil
	}
	changed := user
	changed.Admin, changed.Disabled = true, false
	if changed.PasswordHash, err = s.keeper.HashNew(ctx, "password", password); err != nil {
		return AdminChange{}, err
	}
	if user.IsActiveAdmin() && match {
		return change, s.keeper.Users.Update(ctx, user, changed) // the same password with another hash
	}
	return s.recreateAdmin(ctx, user, changed, change)
}

// recreateAdmin writes the changed account, ends its tokens and records the change. It returns
// the change, or the zero value if the account was not written.
func (s *Service) recreateAdmin(ctx context.Context, user, changed domain.User, change AdminChange) (written AdminChange, err error) {
	action := domain.AuditUserPassword
	switch {
	case change.Promoted:
		action = domain.AuditUserAdmin
	case change.Enabled:
		action = domain.AuditUserDisable
	}
	event := domain.AuditEvent{Action: action, Target: user.PublicID.String(), Actor: domain.Operator().String()}
	err = audited.Do(ctx, s.audit, event, func(event *domain.AuditEvent) error {
		// If the server crashes after Update, the next start finds nothing to change.
		if _, err := s.keeper.EndTokens(ctx, user.PublicID); err != nil {
			return err
		}
		if err := s.keeper.Users.Update(ctx, user, changed); err != nil {
			return err
		}
		written = change
		recordChange(event, user, changed)
		if !change.Password {
			delete(event.After, "password") // only the hash differs
		}
		_, err := s.keeper.EndTokens(ctx, user.PublicID) // of a log-in with the old password, meanwhile
		return err
	})
	return written, err
}
