package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Users keeps accounts. Make one with [NewUsers].
type Users struct {
	lock     *lock
	last     int // the place of the account that was registered last
	byID     map[domain.UUID]*user
	byKey    map[string]*user // the same accounts by Email.Key
	inOrder  []*user          // the same accounts in order of registration
	departed map[domain.UUID]struct{}
}

// user is a stored account.
type user struct {
	domain.User
	place int // in the order of registration; never used again
}

var _ ports.UserRepository = (*Users)(nil)

// NewUsers returns an empty repository.
func NewUsers() *Users { return newUsers(new(lock)) }

func newUsers(l *lock) *Users {
	return &Users{lock: l, byID: map[domain.UUID]*user{}, byKey: map[string]*user{}, departed: map[domain.UUID]struct{}{}}
}

// Add implements [ports.UserRepository].
func (u *Users) Add(ctx context.Context, user domain.User) error {
	return u.lock.write(ctx, func() error { return u.add(user) })
}

// AddAll implements [ports.UserRepository].
func (u *Users) AddAll(ctx context.Context, users []domain.User) (each []error, err error) {
	err = u.lock.write(ctx, func() error {
		each = eachOf(users, u.add)
		return nil
	})
	return each, err
}

func (u *Users) add(added domain.User) error {
	if u.byID[added.PublicID] != nil || u.byKey[added.Email.Key()] != nil {
		return domain.AlreadyExists
	}
	u.last++
	kept := &user{added, u.last}
	u.byID[added.PublicID] = kept
	u.byKey[added.Email.Key()] = kept
	u.inOrder = append(u.inOrder, kept)
	delete(u.departed, added.PublicID)
	return nil
}

// ByPublicID implements [ports.UserRepository].
func (u *Users) ByPublicID(ctx context.Context, id domain.UUID) (domain.User, error) {
	kept, err := find(ctx, u.lock, u.byID, id)
	return kept.User, err
}

// ByEmail implements [ports.UserRepository].
func (u *Users) ByEmail(ctx context.Context, email domain.Email) (domain.User, error) {
	kept, err := find(ctx, u.lock, u.byKey, email.Key())
	return kept.User, err
}

// List implements [ports.UserRepository].
func (u *Users) List(ctx context.Context, request domain.PageRequest) (page domain.Page[domain.User], err error) {
	err = u.lock.read(ctx, func() error {
		page = pageOf(u.inOrder, request, (*user).value)
		return nil
	})
	return page, err
}

// Slice implements [ports.UserRepository].
func (u *Users) Slice(ctx context.Context, position string, limit int) (slice domain.Slice[domain.User], err error) {
	err = u.lock.read(ctx, func() error {
		key := func(kept *user) string { return fmt.Sprintf("%016x", kept.place) }
		slice, err = sliceOf(u.inOrder, 8, key, (*user).value, position, limit)
		return err
	})
	return slice, err
}

func (u *user) value() domain.User { return u.User }

// Update implements [ports.UserRepository].
func (u *Users) Update(ctx context.Context, current, changed domain.User) error {
	return u.lock.write(ctx, func() error {
		kept, err := u.unchanged(current)
		if err != nil {
			return err
		}
		if !changed.IsActiveAdmin() {
			if err := u.checkOtherAdmin(current); err != nil {
				return err
			}
		}
		kept.PasswordHash, kept.Admin, kept.Disabled = changed.PasswordHash, changed.Admin, changed.Disabled
		return nil
	})
}

// Delete implements [ports.UserRepository].
func (u *Users) Delete(ctx context.Context, current domain.User) error {
	return u.lock.write(ctx, func() error {
		kept, err := u.unchanged(current)
		if err != nil {
			return err
		}
		if err := u.checkOtherAdmin(current); err != nil {
			return err
		}
		delete(u.byID, kept.PublicID)
		delete(u.byKey, kept.Email.Key())
		u.departed[kept.PublicID] = struct{}{}
		i := slices.Index(u.inOrder, kept)
		u.inOrder = slices.Delete(u.inOrder, i, i+1)
		return nil
	})
}

// Departed implements [ports.UserRepository].
func (u *Users) Departed(ctx context.Context) (ids []domain.UUID, err error) {
	err = u.lock.read(ctx, func() error {
		for id := range u.departed {
			ids = append(ids, id)
		}
		return nil
	})
	return ids, err
}

// Settle implements [ports.UserRepository].
func (u *Users) Settle(ctx context.Context, id domain.UUID) error {
	return u.lock.write(ctx, func() error {
		delete(u.departed, id)
		return nil
	})
}

// unchanged returns the account that is kept with the PublicID of current, or
// ChangedMeanwhile if it differs from current.
func (u *Users) unchanged(current domain.User) (*user, error) {
	kept, found := u.byID[current.PublicID]
	switch {
	case !found:
		return nil, domain.NotFound
	case !kept.SameAccess(current):
		return nil, domain.ChangedMeanwhile
	}
	return kept, nil
}

// checkOtherAdmin returns ErrLastAdministrator if the account is that of the only active
// administrator.
func (u *Users) checkOtherAdmin(admin domain.User) error {
	if admin.IsActiveAdmin() && !slices.ContainsFunc(u.inOrder, func(other *user) bool {
		return other.IsActiveAdmin() && other.PublicID != admin.PublicID
	}) {
		return domain.ErrLastAdministrator
	}
	return nil
}

// HasAdmin implements [ports.UserRepository].
func (u *Users) HasAdmin(ctx context.Context) (has bool, err error) {
	err = u.lock.read(ctx, func() error {
		has = slices.ContainsFunc(u.inOrder, func(kept *user) bool { return kept.IsActiveAdmin() })
		return nil
	})
	return has, err
}
