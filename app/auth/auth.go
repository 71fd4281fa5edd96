// Package auth implements the use cases of users for their own accounts and tokens:
// register, log in, authenticate a token, log out, change the password and unregister.
// [Service] implements [ports.Auth], whose comments name the errors of each method.
//
// Make a Service with [New] from the repositories of a store, a signer and a hasher; see the
// example. Then call [Service.Purge] every minute, so that the blacklist forgets tokens that
// have expired.
//
// # What it promises
//
// A token that was logged out is refused from the moment at which LogOut returns, on every
// server that shares the store, also after a crash. If the blacklist cannot be read,
// Authenticate returns [domain.Unavailable] and accepts no token.
//
// A failed log-in takes the same time whether the account exists or not. The password is
// hashed in both cases.
//
// The package does not limit attempts: an adapter that serves strangers must do so.
package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/widgetd/widgetd/app/internal/audited"
	"github.com/widgetd/widgetd/app/internal/credentials"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Config holds the ports and the rules of a [Service]. All ports but Audit are required.
type Config struct {
	Users     ports.UserRepository
	Blacklist ports.TokenBlacklist
	Signer    ports.TokenSigner
	Hasher    ports.PasswordHasher
	Clock     ports.Clock
	Audit     ports.Audit // may be nil

	TokenTTL       time.Duration // lifetime of a token; fractions of a second are dropped
	PasswordPolicy domain.PasswordPolicy
}

// Service registers users, logs them in and out, authenticates tokens, and changes and
// deletes the user's own account.
type Service struct {
	keeper credentials.Keeper
	signer ports.TokenSigner
	audit  ports.Audit
}

var _ ports.Auth = (*Service)(nil)

// New returns a service that uses the ports and rules of config.
func New(config Config) *Service {
	return &Service{
		keeper: credentials.Keeper{
			Users:     config.Users,
			Blacklist: config.Blacklist,
			Hasher:    config.Hasher,
			Clock:     config.Clock,
			TokenTTL:  config.TokenTTL.Truncate(time.Second),
			Policy:    config.PasswordPolicy,
		},
		signer: config.Signer,
		audit:  config.Audit,
	}
}

// CheckNewPassword implements [ports.Auth].
func (s *Service) CheckNewPassword(password domain.Password) error {
	return s.keeper.Policy.Check(password)
}

// Register implements [ports.Auth].
func (s *Service) Register(ctx context.Context, email domain.Email, password domain.Password) (token domain.AccessToken, err error) {
	event := domain.AuditEvent{Action: domain.AuditUserRegister}
	err = audited.Do(ctx, s.audit, event, func(event *domain.AuditEvent) error {
		user, err := s.keeper.Add(ctx, email, password, false)
		if err != nil {
			return err
		}
		event.Target = user.PublicID.String()
		event.Actor = event.Target
		token, err = s.issue(user, domain.UUID{})
		return err
	})
	return orZero(token, err)
}

// LogIn implements [ports.Auth].
func (s *Service) LogIn(ctx context.Context, email domain.Email, password domain.Password) (token domain.AccessToken, err error) {
	event := domain.AuditEvent{Action: domain.AuditUserLogIn}
	err = audited.Do(ctx, s.audit, event, func(event *domain.AuditEvent) error {
		user, cutOff, err := s.account(ctx, email)
		if err != nil {
			return err
		}
		// Without an account the hash is empty: no password matches it, and Verify
		// takes as long as for a wrong password.
		match, outdated, err := s.keeper.Hasher.Verify(ctx, user.PasswordHash, password)
		isAccount := user.PublicID != domain.UUID{}
		if isAccount {
			event.Target = user.PublicID.String()
		}
		switch {
		case err != nil:
			return err
		case !match || !isAccount:
			return domain.ErrCredentialsMismatch
		case user.Disabled:
			return domain.ErrAccountDisabled
		}
		event.Actor = event.Target
		if outdated {
			s.rehash(ctx, user, password)
		}
		token, err = s.issue(user, cutOff)
		return err
	})
	return orZero(token, err)
}

// account returns the account with the given email, or the zero User, and the cut-off
// that was in force before the account was read. The order matters: see
// [domain.CutOff]. The same calls are made if there is no account, so that the time does
// not reveal it.
func (s *Service) account(ctx context.Context, email domain.Email) (user domain.User, cutOff domain.UUID, err error) {
	found, err := s.keeper.Users.ByEmail(ctx, email)
	if err := exceptNotFound(err); err != nil {
		return domain.User{}, domain.UUID{}, err
	}
	for {
		if cutOff, err = s.keeper.Blacklist.CutOff(ctx, found.PublicID); err != nil {
			return domain.User{}, domain.UUID{}, err
		}
		user, err = s.keeper.Users.ByPublicID(ctx, found.PublicID)
		switch {
		case domain.KindOf(err) == domain.NotFound:
			return domain.User{}, domain.UUID{}, nil
		case err != nil:
			return domain.User{}, domain.UUID{}, err
		case cutOff != domain.AccountDeleted:
			return user, cutOff, nil
		}
		// The account was deleted, and a copy of the data was restored that has it. A
		// token must not carry AccountDeleted.
		if _, err := s.keeper.EndTokens(ctx, user.PublicID); err != nil {
			return domain.User{}, domain.UUID{}, err
		}
	}
}

// exceptNotFound returns err, or nil if it is NotFound.
func exceptNotFound(err error) error {
	if domain.KindOf(err) == domain.NotFound {
		return nil
	}
	return err
}

// rehash replaces an outdated hash. An error does not fail the log-in: the next
// log-in tries again.
func (s *Service) rehash(ctx context.Context, user domain.User, password domain.Password) {
	hash, err := s.keeper.Hasher.Hash(ctx, password)
	if err != nil {
		return
	}
	changed := user
	changed.PasswordHash = hash
	_ = s.keeper.Users.Update(ctx, user, changed)
}

// issue returns a new token for the account. The token carries the value of the cut-off.
func (s *Service) issue(user domain.User, cutOff domain.UUID) (domain.AccessToken, error) {
	id, err := uuid.NewV7() // the version matters: see domain.BlacklistedToken.ForgottenThrough
	if err != nil {
		return domain.AccessToken{}, err
	}
	claims := domain.NewClaims(domain.UUID(id), user, s.keeper.Clock.Now(), s.keeper.TokenTTL)
	claims.CutOff = cutOff
	token, err := s.signer.Sign(claims)
	if err != nil {
		return domain.AccessToken{}, err
	}
	return domain.AccessToken{Text: token, ExpiresIn: s.keeper.TokenTTL}, nil
}

// orZero returns the zero value if there is an error.
func orZero(token domain.AccessToken, err error) (domain.AccessToken, error) {
	if err != nil {
		return domain.AccessToken{}, err
	}
	return token, nil
}

// Authenticate implements [ports.Auth].
func (s *Service) Authenticate(ctx context.Context, token string) (domain.Claims, error) {
	claims, err := s.signer.Verify(token)
	if err != nil {
		return domain.Claims{}, err
	}
	if err := claims.CheckAt(s.keeper.Clock.Now()); err != nil {
		return domain.Claims{}, err
	}
	revocation, err := s.keeper.Blacklist.Check(ctx, claims)
	if err != nil {
		return domain.Claims{}, err
	}
	if err := revocation.Check(claims); err != nil {
		return domain.Claims{}, err
	}
	return claims, nil
}

// Purge removes from the blacklist the tokens and cut-offs that may be forgotten and
// returns their number. See [ports.TokenBlacklist].
func (s *Service) Purge(ctx context.Context) (int, error) {
	return s.keeper.Blacklist.Purge(ctx, s.keeper.Clock.Now())
}

// CurrentUser implements [ports.Auth].
func (s *Service) CurrentUser(ctx context.Context, claims domain.Claims) (domain.User, error) {
	user, err := s.keeper.Users.ByPublicID(ctx, claims.Subject)
	if domain.KindOf(err) == domain.NotFound {
		return domain.User{}, domain.ErrTokenInvalid
	}
	return user, err
}

// LogOut implements [ports.Auth].
func (s *Service) LogOut(ctx context.Context, claims domain.Claims) error {
	return s.own(ctx, domain.AuditUserLogOut, claims, func(*domain.AuditEvent) error {
		if _, err := s.CurrentUser(ctx, claims); err != nil {
			return err
		}
		return s.keeper.Blacklist.Add(ctx, domain.NewBlacklistedToken(claims))
	})
}

// LogOutEverywhere implements [ports.Auth].
func (s *Service) LogOutEverywhere(ctx context.Context, claims domain.Claims) error {
	return s.own(ctx, domain.AuditUserLogOut, claims, func(event *domain.AuditEvent) error {
		event.After = map[string]any{"everywhere": true}
		if _, err := s.CurrentUser(ctx, claims); err != nil {
			return err
		}
		_, err := s.keeper.EndTokens(ctx, claims.Subject)
		return err
	})
}

// own runs an operation of a user on the user's own account and records it.
func (s *Service) own(ctx context.Context, action domain.AuditAction, claims domain.Claims, operation func(*domain.AuditEvent) error) error {
	subject := domain.ActorOf(claims).String()
	return audited.Do(ctx, s.audit, domain.AuditEvent{Action: action, Target: subject, Actor: subject}, operation)
}
