package boltdb

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Users keeps accounts. It implements [ports.UserRepository].
type Users struct {
	*store
}

var _ ports.UserRepository = (*Users)(nil)

// Add implements [ports.UserRepository].
func (u *Users) Add(ctx context.Context, user domain.User) error {
	id, email := user.PublicID[:], []byte(user.Email.Key())
	return u.update(ctx, func(tx *bbolt.Tx) error {
		if userTable.has(tx, id) || emailTable.has(tx, email) {
			return domain.AlreadyExists
		}
		if err := emailTable.put(tx, email, id); err != nil {
			return err
		}
		return putUser(tx, user)
	}, nil)
}

// ByPublicID implements [ports.UserRepository].
func (u *Users) ByPublicID(ctx context.Context, id domain.UUID) (user domain.User, err error) {
	err = u.view(ctx, func(tx *readTx) error {
		user, err = getUser(tx, id)
		return err
	})
	return user, err
}

// ByEmail implements [ports.UserRepository].
func (u *Users) ByEmail(ctx context.Context, email domain.Email) (user domain.User, err error) {
	key := []byte(email.Key())
	err = u.view(ctx, func(tx *readTx) error {
		id, err := emailTable.get(tx, key)
		switch {
		case err != nil:
			return err
		case id == nil:
			return domain.NotFound
		}
		payload, err := userTable.mustGet(tx, id)
		if err != nil {
			return err
		}
		user, err = readUser(id, payload)
		return err
	})
	return user, err
}

// SetCredentials implements [ports.UserRepository].
func (u *Users) SetCredentials(ctx context.Context, user domain.User, currentHash string) error {
	return u.update(ctx, func(tx *bbolt.Tx) error {
		kept, err := getUser(reading(tx), user.PublicID)
		if err != nil {
			return err
		}
		if kept.PasswordHash != currentHash {
			return domain.NotFound
		}
		kept.PasswordHash, kept.Admin = user.PasswordHash, user.Admin
		return putUser(tx, kept)
	}, nil)
}

// HasAdmin implements [ports.UserRepository].
func (u *Users) HasAdmin(ctx context.Context) (has bool, err error) {
	err = u.view(ctx, func(tx *readTx) error {
		id, _ := tx.cursor(adminTable).First()
		has = id != nil
		return nil
	})
	return has, err
}

func getUser(tx *readTx, id domain.UUID) (domain.User, error) {
	payload, err := userTable.get(tx, id[:])
	switch {
	case err != nil:
		return domain.User{}, err
	case payload == nil:
		return domain.User{}, domain.NotFound
	}
	return readUser(id[:], payload)
}

// readUser is decodeUser with the error of a damaged record.
func readUser(id, payload []byte) (domain.User, error) {
	user, err := decodeUser(id, payload)
	if err != nil {
		return domain.User{}, userTable.damaged(id, err)
	}
	return user, nil
}

func putUser(tx *bbolt.Tx, user domain.User) error {
	id := user.PublicID[:]
	if err := userTable.put(tx, id, encodeUser(user)); err != nil {
		return err
	}
	if user.Admin {
		return adminTable.put(tx, id, nil)
	}
	return adminTable.delete(tx, id)
}
