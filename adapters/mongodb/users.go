package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Users keeps accounts. It implements [ports.UserRepository].
type Users struct {
	collection
}

var _ ports.UserRepository = (*Users)(nil)

// Add implements [ports.UserRepository].
func (u *Users) Add(ctx context.Context, user domain.User) error {
	return u.insert(ctx, bson.D{
		{Key: "_id", Value: binary(user.PublicID)},
		{Key: "email", Value: user.Email.String()},
		{Key: "email_key", Value: user.Email.Key()},
		{Key: "password_hash", Value: user.PasswordHash},
		{Key: "admin", Value: user.Admin},
		{Key: "registered_on", Value: user.RegisteredOn},
	})
}

// ByPublicID implements [ports.UserRepository].
func (u *Users) ByPublicID(ctx context.Context, id domain.UUID) (domain.User, error) {
	return u.oneUser(ctx, bson.E{Key: "_id", Value: binary(id)})
}

// ByEmail implements [ports.UserRepository].
func (u *Users) ByEmail(ctx context.Context, email domain.Email) (domain.User, error) {
	return u.oneUser(ctx, bson.E{Key: "email_key", Value: email.Key()})
}

// SetCredentials implements [ports.UserRepository].
func (u *Users) SetCredentials(ctx context.Context, user domain.User, currentHash string) error {
	matched, err := u.update(ctx, bson.D{
		{Key: "_id", Value: binary(user.PublicID)},
		{Key: "password_hash", Value: currentHash},
		{Key: "admin", Value: ofType("bool")},
	}, bson.D{{Key: "$set", Value: bson.D{
		{Key: "password_hash", Value: user.PasswordHash},
		{Key: "admin", Value: user.Admin},
	}}})
	if err == nil && !matched {
		return domain.NotFound
	}
	return err
}

// HasAdmin implements [ports.UserRepository].
func (u *Users) HasAdmin(ctx context.Context) (bool, error) {
	return u.has(ctx, bson.E{Key: "admin", Value: true})
}

func (u *Users) oneUser(ctx context.Context, condition bson.E) (domain.User, error) {
	raw, err := u.one(ctx, condition)
	if err != nil {
		return domain.User{}, err
	}
	return readUser(raw)
}

func readUser(raw bson.Raw) (domain.User, error) {
	doc := &document{collection: users, raw: raw}
	user := domain.User{
		PublicID:     doc.uuid("_id"),
		Email:        doc.email("email"),
		PasswordHash: doc.text("password_hash"),
		Admin:        doc.flag("admin"),
		RegisteredOn: doc.moment("registered_on"),
	}
	if key := doc.text("email_key"); key != user.Email.Key() {
		doc.odd([]string{"email_key"}, "is not that of the field email")
	}
	if doc.err != nil {
		return domain.User{}, doc.err
	}
	return user, nil
}
