// Package credentials adds accounts, hashes new passwords, and ends the tokens of
// accounts: the steps that the use cases of packages auth and accounts share.
package credentials

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Keeper holds the ports and the rules that the steps need. All fields are required.
type Keeper struct {
	Users     ports.UserRepository
	Blacklist ports.TokenBlacklist
	Hasher    ports.PasswordHasher
	Clock     ports.Clock

	TokenTTL time.Duration
	Policy   domain.PasswordPolicy
}

// Add creates an account. It returns AlreadyExists (see [domain.EmailTaken]) when the
// email belongs to an account, and the error of HashNew.
func (k *Keeper) Add(ctx context.Context, email domain.Email, password domain.Password, admin bool) (domain.User, error) {
	hash, err := k.HashNew(ctx, "password", password)
	if err != nil {
		return domain.User{}, err
	}
	user := domain.NewUser(domain.UUID(uuid.New()), email, hash, admin, k.Clock.Now())
	err = k.Users.Add(ctx, user)
	switch {
	case domain.KindOf(err) == domain.AlreadyExists:
		return domain.User{}, domain.EmailTaken(email)
	case err != nil:
		return domain.User{}, err
	}
	return user, nil
}

// HashNew returns the hash of a new password. It returns Invalid with the given field
// if the password breaks the policy.
func (k *Keeper) HashNew(ctx context.Context, field string, password domain.Password) (domain.PasswordHash, error) {
	fields := domain.Fields{}
	fields.Add(field, k.Policy.Check(password))
	if err := fields.Err(); err != nil {
		return domain.PasswordHash{}, err
	}
	return k.Hasher.Hash(ctx, password)
}

// EndTokens ends every token of an account and returns the value of the cut-off, which
// a new token must carry.
func (k *Keeper) EndTokens(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
	value := domain.UUID(uuid.New())
	return value, k.cut(ctx, subject, value)
}

// EndTokensOfDeleted ends every token of an account that was deleted.
func (k *Keeper) EndTokensOfDeleted(ctx context.Context, subject domain.UUID) error {
	return k.cut(ctx, subject, domain.AccountDeleted)
}

// cut sets the cut-off of an account.
func (k *Keeper) cut(ctx context.Context, subject, value domain.UUID) error {
	return k.Blacklist.EndTokens(ctx, domain.NewCutOff(subject, value, k.Clock.Now(), k.TokenTTL))
}

// RetryChanged calls f until it returns an error that is not ChangedMeanwhile, and
// returns that error. It returns Unavailable if the context ends between two calls.
func RetryChanged(ctx context.Context, f func() error) error {
	for {
		err := f()
		if domain.KindOf(err) != domain.ChangedMeanwhile {
			return err
		}
		if err := ctx.Err(); err != nil {
			return &domain.Error{Kind: domain.Unavailable, Err: err}
		}
	}
}
