package boltdb

import (
	"context"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// users implements [ports.UserRepository].
type users struct {
	engine *engine.DB
}

func (u *users) Add(ctx context.Context, user domain.User) error {
	return u.engine.Update(ctx, func(tx *engine.Tx) error { return addUser(tx, user) }, nil)
}

func (u *users) AddAll(ctx context.Context, users []domain.User) (each []error, err error) {
	return addAll(ctx, u.engine, users, addUser)
}

func (u *users) ByPublicID(ctx context.Context, id domain.UUID) (user domain.User, err error) {
	err = u.engine.View(ctx, func(tx *engine.Tx) error {
		user, err = getUser(tx, id)
		return err
	})
	return user, err
}

func (u *users) ByEmail(ctx context.Context, email domain.Email) (user domain.User, err error) {
	key := []byte(email.Key())
	err = u.engine.View(ctx, func(tx *engine.Tx) error {
		id, err := emailTable.Get(tx, key)
		if err != nil {
			return err
		}
		user, err = mustGetUser(tx, id.Payload)
		return err
	})
	return user, err
}

// List implements [ports.UserRepository]. It returns an error for an account that cannot
// be decoded: the file was damaged after Open, which decodes every record.
func (u *users) List(ctx context.Context, request domain.PageRequest) (domain.Page[domain.User], error) {
	return list(ctx, u.engine, registrationOrder(), request, func(tx *engine.Tx, row engine.Row) (domain.User, error) {
		return mustGetUser(tx, row.Payload)
	})
}

// Slice implements [ports.UserRepository]. It returns the same error as List for an account
// that cannot be decoded.
func (u *users) Slice(ctx context.Context, position string, limit int) (domain.Slice[domain.User], error) {
	scan := engine.Scan{Table: registrationTable, Rest: sequenceSize}
	return slice(ctx, u.engine, scan, position, limit, func(tx *engine.Tx, row engine.Row) (domain.User, bool, error) {
		user, err := mustGetUser(tx, row.Payload)
		return user, true, err
	})
}

func (u *users) Update(ctx context.Context, current, changed domain.User) error {
	return u.engine.Update(ctx, func(tx *engine.Tx) error {
		user, err := getUnchanged(tx, current)
		if err != nil {
			return err
		}
		if !changed.IsActiveAdmin() {
			if err := checkOtherAdmin(tx, user); err != nil {
				return err
			}
		}
		user.PasswordHash, user.Admin, user.Disabled = changed.PasswordHash, changed.Admin, changed.Disabled
		return putUser(tx, user)
	}, nil)
}

func (u *users) Delete(ctx context.Context, current domain.User) error {
	return u.engine.Update(ctx, func(tx *engine.Tx) error {
		user, err := getUnchanged(tx, current)
		if err != nil {
			return err
		}
		if err := checkOtherAdmin(tx, user); err != nil {
			return err
		}
		if err := deleteUser(tx, user); err != nil {
			return err
		}
		return departedTable.Put(tx, user.PublicID[:], presence())
	}, nil)
}

func (u *users) HasAdmin(ctx context.Context) (has bool, err error) {
	err = u.engine.View(ctx, func(tx *engine.Tx) error {
		has = false
		for _, err := range adminTable.Rows(tx, nil) {
			has = err == nil
			return err
		}
		return nil
	})
	return has, err
}

// idsIn returns the public ids that are the keys of a table.
func (u *users) idsIn(ctx context.Context, table engine.Table) (ids []domain.UUID, err error) {
	err = u.engine.View(ctx, func(tx *engine.Tx) error {
		for row, err := range table.Rows(tx, nil) {
			if err != nil {
				return err
			}
			ids = append(ids, domain.UUID(row.Key))
		}
		return nil
	})
	return ids, err
}

func addUser(tx *engine.Tx, user domain.User) error {
	id, email := user.PublicID[:], []byte(user.Email.Key())
	if userTable.Has(tx, id) || emailTable.Has(tx, email) {
		return domain.AlreadyExists
	}
	if err := departedTable.Delete(tx, id); err != nil { // the account was deleted and is added again
		return err
	}
	if err := emailTable.Put(tx, email, reference(id)); err != nil {
		return err
	}
	if err := appendRegistration(tx, id); err != nil {
		return err
	}
	return putUser(tx, user)
}

func getUser(tx *engine.Tx, id domain.UUID) (domain.User, error) {
	record, err := userTable.Get(tx, id[:])
	if err != nil {
		return domain.User{}, err
	}
	return readUser(id[:], record)
}

// getUnchanged returns the stored account with the PublicID of current, or
// ChangedMeanwhile if the account does not have the same access as current.
func getUnchanged(tx *engine.Tx, current domain.User) (domain.User, error) {
	user, err := getUser(tx, current.PublicID)
	if err != nil {
		return domain.User{}, err
	}
	if !user.SameAccess(current) {
		return domain.User{}, domain.ChangedMeanwhile
	}
	return user, nil
}

// mustGetUser returns the account that another record refers to.
func mustGetUser(tx *engine.Tx, id []byte) (domain.User, error) {
	record, err := userTable.MustGet(tx, id)
	if err != nil {
		return domain.User{}, err
	}
	return readUser(id, record)
}

// readUser calls decodeUser and converts its error into that for a damaged record.
func readUser(id []byte, record engine.Record) (domain.User, error) {
	user, err := decodeUser(id, record)
	if err != nil {
		return domain.User{}, userTable.Damaged(id, err)
	}
	return user, nil
}

func putUser(tx *engine.Tx, user domain.User) error {
	id := user.PublicID[:]
	if err := userTable.Put(tx, id, encodeUser(user)); err != nil {
		return err
	}
	if user.IsActiveAdmin() {
		return adminTable.Put(tx, id, presence())
	}
	return adminTable.Delete(tx, id)
}

// checkOtherAdmin returns ErrLastAdministrator if the user is the only active
// administrator.
func checkOtherAdmin(tx *engine.Tx, user domain.User) error {
	if !user.IsActiveAdmin() {
		return nil
	}
	for row, err := range adminTable.Rows(tx, nil) {
		if err != nil {
			return err
		}
		if domain.UUID(row.Key) != user.PublicID {
			return nil
		}
	}
	return domain.ErrLastAdministrator
}

// deleteUser deletes an account from all tables. The key of a shadowed account in the
// table emails belongs to another account, and stays.
func deleteUser(tx *engine.Tx, user domain.User) error {
	id := user.PublicID[:]
	if err := deleteRegistration(tx, id); err != nil {
		return err
	}
	if err := userTable.Delete(tx, id); err != nil {
		return err
	}
	if err := adminTable.Delete(tx, id); err != nil {
		return err
	}
	if shadowedTable.Has(tx, id) {
		return shadowedTable.Delete(tx, id)
	}
	return emailTable.Delete(tx, []byte(user.Email.Key()))
}
