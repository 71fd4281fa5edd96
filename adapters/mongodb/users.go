package mongodb

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// userRepository implements [ports.UserRepository].
type userRepository struct {
	*uniqueness
	schema     schema[domain.User]
	list       list[domain.User]
	departures departures
}

// disabledVersion is the version of documents that have the field disabled.
const disabledVersion = 3

func newUserRepository(docs *uniqueness, departures departures, unreadable func(string, error)) *userRepository {
	schema := userSchema()
	return &userRepository{docs, schema, list[domain.User]{
		docs.collection, schema, ascending(registrationFields()...), newDeepPages(), unreadable,
	}, departures}
}

// registrationFields returns the fields of the order of registration. Accounts of earlier
// versions have no seq and no seq_id, and come first.
func registrationFields() []string { return []string{"seq", "seq_id", "registered_on", "_id"} }

// The tags of positions in the list of accounts.
const (
	oldAccountTag = 'o'
	accountTag    = 'a'
)

// registrationOrder returns the order of registration.
func registrationOrder() order {
	registered := []orderField{{name: "registered_on", kind: "date"}, {name: "_id", kind: "binData"}}
	return order{
		index: ascending(registrationFields()...),
		sort:  ascending(registrationFields()...),
		parts: []part{
			{
				tag:    oldAccountTag,
				absent: []string{"seq", "seq_id"},
				fields: registered,
			},
			{
				tag:    accountTag,
				fields: append([]orderField{{name: "seq", kind: "timestamp"}, {name: "seq_id", kind: "binData"}}, registered...),
			},
		},
	}
}

func userSchema() schema[domain.User] {
	return schema[domain.User]{users, []func(*document) domain.User{
		decodeOldUser,
		decodeOldUser, // version 2 only added the version
		decodeUser,
	}}
}

// Add implements [ports.UserRepository]. It makes two round trips.
func (u *userRepository) Add(ctx context.Context, user domain.User) error {
	doc, err := u.document(user)
	if err != nil {
		return err
	}
	return u.insertUnique(ctx, doc[0].Value, doc)
}

// AddAll implements [ports.UserRepository] with the round trips of insertAll.
func (u *userRepository) AddAll(ctx context.Context, users []domain.User) ([]error, error) {
	return insertAll(ctx, u.uniqueness, users, u.document)
}

// document returns a new document. Its seq_id is greater than that of the previous one.
func (u *userRepository) document(user domain.User) (bson.D, error) {
	seqID, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	return bson.D{
		byID(binary(user.PublicID)),
		{Key: "seq", Value: bson.Timestamp{}}, // MongoDB replaces a zero timestamp
		{Key: "seq_id", Value: binary(domain.UUID(seqID))},
		u.schema.version(),
		{Key: "email", Value: user.Email.String()},
		{Key: "email_key", Value: user.Email.Key()},
		{Key: "password_hash", Value: user.PasswordHash.Reveal()},
		{Key: "admin", Value: user.Admin},
		{Key: "disabled", Value: user.Disabled},
		{Key: "registered_on", Value: user.RegisteredOn},
	}, nil
}

// ByPublicID implements [ports.UserRepository].
func (u *userRepository) ByPublicID(ctx context.Context, id domain.UUID) (domain.User, error) {
	return u.user(ctx, byID(binary(id)))
}

// ByEmail implements [ports.UserRepository].
func (u *userRepository) ByEmail(ctx context.Context, email domain.Email) (domain.User, error) {
	user, err := u.user(ctx, bson.E{Key: "email_key", Value: email.Key()})
	if err == nil && user.Email.Key() != email.Key() {
		return domain.User{}, domain.NotFound // an earlier version wrote the key: see emails.go
	}
	return user, err
}

// List implements [ports.UserRepository] with the round trips of [list.read].
func (u *userRepository) List(ctx context.Context, request domain.PageRequest) (domain.Page[domain.User], error) {
	return u.list.read(ctx, request)
}

// Slice implements [ports.UserRepository].
func (u *userRepository) Slice(ctx context.Context, position string, limit int) (domain.Slice[domain.User], error) {
	return u.list.slice(ctx, registrationOrder(), false, position, limit)
}

// Update implements [ports.UserRepository]. It is one round trip, and a second one to find
// out the reason if no document matches. If it takes the role away from an active
// administrator, it makes the round trips of [userRepository.leave].
func (u *userRepository) Update(ctx context.Context, current, changed domain.User) error {
	if err := u.allow(); err != nil {
		return err
	}
	write := func(ctx context.Context, conditions ...bson.E) (bool, error) {
		return u.update(ctx, append(u.unchanged(current), conditions...), bson.D{
			{Key: "$set", Value: bson.D{
				u.schema.version(),
				{Key: "password_hash", Value: changed.PasswordHash.Reveal()},
				{Key: "admin", Value: changed.Admin},
				{Key: "disabled", Value: changed.Disabled},
			}},
			unsetLeaving(),
		})
	}
	if current.IsActiveAdmin() && !changed.IsActiveAdmin() {
		return u.leave(ctx, current, write)
	}
	return u.written(ctx, current, write)
}

// Delete implements [ports.UserRepository] with the round trips of Update, after another
// one: it marks the account as departed before it deletes the account. So the mark exists
// whenever the account does not, also after a crash. If the deletion fails, a last round
// trip removes the mark.
func (u *userRepository) Delete(ctx context.Context, current domain.User) error {
	if err := u.allow(); err != nil {
		return err
	}
	mark, err := u.departures.mark(ctx, current.PublicID)
	if err != nil {
		return err
	}
	err = u.delete(ctx, current)
	if err != nil && !errors.Is(err, domain.Unavailable) { // else the account may be deleted
		u.departures.unmark(ctx, mark)
	}
	return err
}

func (u *userRepository) delete(ctx context.Context, current domain.User) error {
	write := func(ctx context.Context, conditions ...bson.E) (bool, error) {
		return u.remove(ctx, append(u.unchanged(current), conditions...))
	}
	if current.IsActiveAdmin() {
		return u.leave(ctx, current, write)
	}
	return u.written(ctx, current, write)
}

// HasAdmin implements [ports.UserRepository]. It reads only the fields admin and disabled,
// so the other fields of the account may be unreadable.
func (u *userRepository) HasAdmin(ctx context.Context) (bool, error) {
	return u.has(ctx, bson.D{
		{Key: "admin", Value: true},
		{Key: "disabled", Value: bson.D{{Key: "$ne", Value: true}}},
	})
}

// write changes an account if the account is as the caller expects it and its document
// matches the conditions. It reports whether it has changed the account.
type write func(ctx context.Context, conditions ...bson.E) (bool, error)

// written calls write and returns the reason if the account is not as expected.
func (u *userRepository) written(ctx context.Context, current domain.User, write write) error {
	written, err := write(ctx)
	if err != nil || written {
		return err
	}
	return u.mismatch(ctx, current.PublicID)
}

// mismatch returns the reason why a document does not match [userRepository.unchanged]:
// NotFound, an error about a document that cannot be read, or ChangedMeanwhile.
func (u *userRepository) mismatch(ctx context.Context, id domain.UUID) error {
	if _, err := u.ByPublicID(ctx, id); err != nil {
		return err
	}
	return domain.ChangedMeanwhile
}

// unchanged returns a filter that matches the document of the account if it can be read
// and its password hash, role and state are those of current.
func (u *userRepository) unchanged(current domain.User) bson.D {
	return append(bson.D{
		byID(binary(current.PublicID)),
		{Key: "password_hash", Value: current.PasswordHash.Reveal()},
		{Key: "admin", Value: current.Admin},
	}, u.readable(current.Disabled)...)
}

// readable returns the conditions that the document of an account can be read and that
// the account is disabled or not. Documents of the versions 1 and 2 have no field
// disabled; their accounts are not disabled.
func (u *userRepository) readable(disabled bool) bson.D {
	states := []bson.D{{
		versions(disabledVersion, u.schema.latest()),
		{Key: "disabled", Value: disabled},
	}}
	if !disabled {
		states = append(states, unversioned(), bson.D{versions(1, disabledVersion-1)})
	}
	return bson.D{
		{Key: "email", Value: ofType("string")},
		{Key: "email_key", Value: ofType("string")},
		{Key: "registered_on", Value: ofType("date")},
		anyOf(states...),
	}
}

// user returns the account that matches, or NotFound.
func (u *userRepository) user(ctx context.Context, condition bson.E) (domain.User, error) {
	raw, err := u.one(ctx, condition)
	if err != nil {
		return domain.User{}, err
	}
	return u.schema.decode(raw)
}

func decodeUser(doc *document) domain.User {
	user := decodeOldUser(doc)
	user.Disabled = doc.boolean("disabled")
	return user
}

func decodeOldUser(doc *document) domain.User {
	user := domain.User{
		PublicID:     doc.uuid("_id"),
		Email:        domain.RestoreEmail(doc.text("email")),
		PasswordHash: domain.NewPasswordHash(doc.text("password_hash")),
		Admin:        doc.boolean("admin"),
		RegisteredOn: doc.time("registered_on"),
	}
	if key := doc.text("email_key"); !isKeyOf(key, user.Email) {
		doc.failField([]string{"email_key"}, "is not the key of the field email")
	}
	return user
}
