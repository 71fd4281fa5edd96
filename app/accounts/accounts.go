// Package accounts implements the use cases of administrators and the operator for the
// accounts of others: list, find, add, change, log out and delete. [Service] implements
// [ports.Accounts], whose comments name the errors of each method.
//
// Every method has an actor. [domain.ActorOf] returns the actor of the claims of a token, and
// [domain.Operator] returns the one who controls the machine and may do everything. The
// Service reads the account of an administrator from the store in every call, because the
// token may be older than a change of that account.
//
//	account, err := service.Create(ctx, domain.Operator(), email, password, true)
//
// [Service.EnsureAdmin] is for the start of a server whose settings name an administrator.
//
// # What it promises
//
// The last active administrator stays: the store refuses a change that would leave none. A
// change of the role, of the state or of the password ends all tokens of the account before
// the method returns, as package auth does for a log-out.
package accounts

import (
	"context"
	"time"

	"github.com/widgetd/widgetd/app/internal/audited"
	"github.com/widgetd/widgetd/app/internal/authorize"
	"github.com/widgetd/widgetd/app/internal/credentials"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Config holds the ports and the rules of a [Service]. All ports but Audit are required.
type Config struct {
	Users     ports.UserRepository
	Blacklist ports.TokenBlacklist
	Hasher    ports.PasswordHasher
	Clock     ports.Clock
	Audit     ports.Audit // may be nil

	TokenTTL       time.Duration // lifetime of a token, as in package auth
	PasswordPolicy domain.PasswordPolicy
}

// Service lists, adds, changes and deletes accounts.
type Service struct {
	keeper credentials.Keeper
	audit  ports.Audit
}

var _ ports.Accounts = (*Service)(nil)

// New returns a service that uses the ports and rules of config.
func New(config Config) *Service {
	return &Service{
		keeper: credentials.Keeper{
			Users:     config.Users,
			Blacklist: config.Blacklist,
			Hasher:    config.Hasher,
			Clock:     config.Clock,
			TokenTTL:  config.TokenTTL,
			Policy:    config.PasswordPolicy,
		},
		audit: config.Audit,
	}
}

// List implements [ports.Accounts].
func (s *Service) List(ctx context.Context, by domain.Actor, page domain.PageRequest) (domain.Page[domain.User], error) {
	if err := s.authorize(ctx, by); err != nil {
		return domain.Page[domain.User]{}, err
	}
	return s.keeper.Users.List(ctx, page)
}

// Get implements [ports.Accounts].
func (s *Service) Get(ctx context.Context, by domain.Actor, id domain.UUID) (domain.User, error) {
	if err := s.authorize(ctx, by); err != nil {
		return domain.User{}, err
	}
	user, err := s.keeper.Users.ByPublicID(ctx, id)
	return user, notFound(err, id.String())
}

// Find implements [ports.Accounts].
func (s *Service) Find(ctx context.Context, by domain.Actor, email domain.Email) (domain.User, error) {
	if err := s.authorize(ctx, by); err != nil {
		return domain.User{}, err
	}
	user, err := s.keeper.Users.ByEmail(ctx, email)
	return user, notFound(err, email.String())
}

// CheckNewPassword implements [ports.Accounts].
func (s *Service) CheckNewPassword(password domain.Password) error {
	return s.keeper.Policy.Check(password)
}

// Create implements [ports.Accounts].
func (s *Service) Create(ctx context.Context, by domain.Actor, email domain.Email, password domain.Password, admin bool) (user domain.User, err error) {
	event := domain.AuditEvent{Action: domain.AuditUserCreate, Actor: by.String()}
	err = audited.Do(ctx, s.audit, event, func(event *domain.AuditEvent) (err error) {
		if err := s.authorize(ctx, by); err != nil {
			return err
		}
		if user, err = s.keeper.Add(ctx, email, password, admin); err != nil {
			return err
		}
		event.Target, event.After = user.PublicID.String(), map[string]any{"admin": admin}
		return nil
	})
	return user, err
}

// LogOut implements [ports.Accounts].
func (s *Service) LogOut(ctx context.Context, by domain.Actor, id domain.UUID) error {
	return s.audited(ctx, domain.AuditUserLogOut, by, id, func(event *domain.AuditEvent) error {
		event.After = map[string]any{"everywhere": true}
		if err := s.authorize(ctx, by); err != nil {
			return err
		}
		if _, err := s.keeper.Users.ByPublicID(ctx, id); err != nil {
			return err
		}
		_, err := s.keeper.EndTokens(ctx, id)
		return err
	})
}

// Delete implements [ports.Accounts].
func (s *Service) Delete(ctx context.Context, by domain.Actor, id domain.UUID) error {
	return s.audited(ctx, domain.AuditUserDelete, by, id, func(*domain.AuditEvent) error {
		if err := s.authorizeOther(ctx, by, id); err != nil {
			return err
		}
		err := credentials.RetryChanged(ctx, func() error {
			user, err := s.keeper.Users.ByPublicID(ctx, id)
			if err != nil {
				return err
			}
			return s.keeper.Users.Delete(ctx, user)
		})
		if domain.KindOf(err) == domain.NotFound {
			// A server may have crashed before it ended the tokens.
			if err := s.endTokensOfMissing(ctx, id); err != nil {
				return err
			}
			return err
		}
		if err != nil {
			return err
		}
		return s.keeper.EndTokensOfDeleted(ctx, id)
	})
}

// endTokensOfMissing ends the tokens of an account that does not exist, unless they were
// ended before.
func (s *Service) endTokensOfMissing(ctx context.Context, id domain.UUID) error {
	cutOff, err := s.keeper.Blacklist.CutOff(ctx, id)
	if err != nil || cutOff == domain.AccountDeleted {
		return err
	}
	return s.keeper.EndTokensOfDeleted(ctx, id)
}

// audited records an operation on the account with the given id. It replaces a NotFound
// error by one with the id.
func (s *Service) audited(ctx context.Context, action domain.AuditAction, by domain.Actor, id domain.UUID, operation func(*domain.AuditEvent) error) error {
	event := domain.AuditEvent{Action: action, Target: id.String(), Actor: by.String()}
	return notFound(audited.Do(ctx, s.audit, event, operation), id.String())
}

// authorize returns nil if the actor is the operator, or if the actor's account is an
// administrator's.
func (s *Service) authorize(ctx context.Context, by domain.Actor) error {
	if by.IsOperator() {
		return nil
	}
	_, err := authorize.Administrator(ctx, s.keeper.Users, by.Claims())
	return err
}

// authorizeOther is authorize for a change of the account with the given id, which must
// not be the actor's own.
func (s *Service) authorizeOther(ctx context.Context, by domain.Actor, id domain.UUID) error {
	if err := s.authorize(ctx, by); err != nil {
		return err
	}
	if by.Claims().Subject == id {
		return domain.ErrOwnAccount
	}
	return nil
}

// notFound replaces a repository's NotFound by [domain.AccountNotFound] with the id or the
// email that was looked for.
func notFound(err error, text string) error {
	if domain.KindOf(err) == domain.NotFound {
		return domain.AccountNotFound(text)
	}
	return err
}
