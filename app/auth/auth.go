// Package auth holds the use cases around accounts and tokens. [Service]
// implements [ports.Auth] on the driven ports it is given, plus what only the
// operator may do: [Service.AddUser] and [Service.EnsureAdmin].
package auth

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Service registers people, logs them in and out, and tells whose a token is.
type Service struct {
	users     ports.UserRepository
	blacklist ports.TokenBlacklist
	signer    ports.TokenSigner
	hasher    ports.PasswordHasher
	clock     ports.Clock
	tokenTTL  time.Duration

	expired atomic.Pointer[domain.BlacklistedToken] // the latest token that was told so
}

var _ ports.Auth = (*Service)(nil)

// New returns a service whose tokens live for tokenTTL, cut to whole seconds.
func New(users ports.UserRepository, blacklist ports.TokenBlacklist, signer ports.TokenSigner,
	hasher ports.PasswordHasher, clock ports.Clock, tokenTTL time.Duration) *Service {
	return &Service{
		users:     users,
		blacklist: blacklist,
		signer:    signer,
		hasher:    hasher,
		clock:     clock,
		tokenTTL:  tokenTTL.Truncate(time.Second),
	}
}

// Register implements [ports.Auth].
func (s *Service) Register(ctx context.Context, email domain.Email, password domain.Password) (domain.AccessToken, error) {
	user, err := s.AddUser(ctx, email, password, false)
	if err != nil {
		return domain.AccessToken{}, err
	}
	return s.issue(user)
}

// AddUser makes an account, an administrator's if admin is true. AlreadyExists
// (see [domain.UserExists]) when the email has one.
func (s *Service) AddUser(ctx context.Context, email domain.Email, password domain.Password, admin bool) (domain.User, error) {
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return domain.User{}, err
	}
	user := domain.NewUser(domain.UUID(uuid.New()), email, hash, admin, s.clock.Now())
	switch err := s.users.Add(ctx, user); {
	case errors.Is(err, domain.AlreadyExists):
		return domain.User{}, domain.UserExists(email)
	case err != nil:
		return domain.User{}, err
	}
	return user, nil
}

// EnsureAdmin sees to it that there is an administrator with that email and
// password. An account that has the email becomes an administrator's and gets
// the password: whoever registered it first must not come to hold an
// administrator's account.
func (s *Service) EnsureAdmin(ctx context.Context, email domain.Email, password domain.Password) error {
	for {
		_, err := s.AddUser(ctx, email, password, true)
		if !errors.Is(err, domain.AlreadyExists) {
			return err
		}
		err = s.makeAdmin(ctx, email, password)
		if !errors.Is(err, domain.NotFound) {
			return err
		}
		// Somebody changed the account meanwhile: look again.
		if err := ctx.Err(); err != nil {
			return &domain.Error{Kind: domain.Unavailable, Err: err}
		}
	}
}

func (s *Service) makeAdmin(ctx context.Context, email domain.Email, password domain.Password) error {
	user, err := s.users.ByEmail(ctx, email)
	if err != nil {
		return err
	}
	match, outdated, err := s.hasher.Verify(ctx, user.PasswordHash, password)
	if err != nil || match && !outdated && user.Admin {
		return err
	}
	currentHash := user.PasswordHash
	user.Admin = true
	if user.PasswordHash, err = s.hasher.Hash(ctx, password); err != nil {
		return err
	}
	return s.users.SetCredentials(ctx, user, currentHash)
}

// LogIn implements [ports.Auth].
func (s *Service) LogIn(ctx context.Context, email domain.Email, password domain.Password) (domain.AccessToken, error) {
	user, err := s.users.ByEmail(ctx, email)
	known := !errors.Is(err, domain.NotFound)
	if err != nil && known {
		return domain.AccessToken{}, err
	}
	// Without an account the hash is empty, which matches nothing but takes as
	// long as a wrong password.
	match, outdated, err := s.hasher.Verify(ctx, user.PasswordHash, password)
	if err != nil {
		return domain.AccessToken{}, err
	}
	if !match || !known {
		return domain.AccessToken{}, domain.CredentialsMismatch
	}
	if outdated {
		s.rehash(ctx, user, password)
	}
	return s.issue(user)
}

// rehash brings the stored hash up to date. The log-in is good whether or not
// that succeeds, and the next one tries again.
func (s *Service) rehash(ctx context.Context, user domain.User, password domain.Password) {
	currentHash := user.PasswordHash
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return
	}
	user.PasswordHash = hash
	_ = s.users.SetCredentials(ctx, user, currentHash)
}

func (s *Service) issue(user domain.User) (domain.AccessToken, error) {
	claims := domain.NewClaims(domain.UUID(uuid.New()), user, s.clock.Now(), s.tokenTTL)
	token, err := s.signer.Sign(claims)
	if err != nil {
		return domain.AccessToken{}, err
	}
	return domain.AccessToken{Text: token, ExpiresIn: s.tokenTTL}, nil
}

// Authenticate implements [ports.Auth].
func (s *Service) Authenticate(ctx context.Context, token string) (domain.Claims, error) {
	claims, err := s.signer.Verify(token)
	if err != nil {
		return domain.Claims{}, err
	}
	if err := s.check(claims); err != nil {
		return domain.Claims{}, err
	}
	switch blacklisted, err := s.blacklist.Contains(ctx, claims.Blacklisted()); {
	case err != nil:
		return domain.Claims{}, err
	case blacklisted:
		return domain.Claims{}, domain.TokenBlacklisted
	}
	return claims, nil
}

// check is [domain.Claims.CheckAt] with a memory: a token that expires no later
// than one that was told so has expired, also when the clock jumps back.
func (s *Service) check(claims domain.Claims) error {
	err := claims.CheckAt(s.clock.Now())
	token := claims.Blacklisted()
	latest := s.expired.Load()
	if err == nil && latest != nil && token.ForgettableAt(latest.ExpiresAt) {
		return domain.TokenExpired
	}
	for errors.Is(err, domain.TokenExpired) && (latest == nil || token.ExpiresAt.After(latest.ExpiresAt)) {
		told := token // not token itself, which would then be garbage of every request
		if s.expired.CompareAndSwap(latest, &told) {
			break
		}
		latest = s.expired.Load()
	}
	return err
}

// Purge takes expired tokens off the blacklist and returns how many. The latest
// token that was told it has expired goes the same way, so that the blacklist
// knows, for other servers and later starts too, how far time had come.
func (s *Service) Purge(ctx context.Context) (int, error) {
	now := s.clock.Now()
	if latest := s.expired.Load(); latest != nil {
		switch known, err := s.blacklist.Contains(ctx, *latest); {
		case err != nil:
			return 0, err
		case !known:
			if err := s.blacklist.Add(ctx, *latest); err != nil {
				return 0, err
			}
		}
		if now.Before(latest.ExpiresAt) {
			now = latest.ExpiresAt
		}
	}
	return s.blacklist.Purge(ctx, now)
}

// CurrentUser implements [ports.Auth].
func (s *Service) CurrentUser(ctx context.Context, claims domain.Claims) (domain.User, error) {
	user, err := s.users.ByPublicID(ctx, claims.Subject)
	if errors.Is(err, domain.NotFound) {
		return domain.User{}, domain.TokenInvalid
	}
	return user, err
}

// LogOut implements [ports.Auth].
func (s *Service) LogOut(ctx context.Context, claims domain.Claims) error {
	return s.blacklist.Add(ctx, claims.Blacklisted())
}
