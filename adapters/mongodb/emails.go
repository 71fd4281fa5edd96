package mongodb

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/domain"
)

// The field email_key of an account is [domain.Email.Key]. Earlier versions of widgetd
// wrote the email in lower case, and may still do so while they run beside this one. The
// two differ only for emails with a letter of foldedLetters. A program that looks such an
// account up by the other key does not find it, so it refuses the log-in.
//
// Open corrects the keys: see correctEmailKeys.

// foldedLetters are the letters whose lower case is not their key.
const foldedLetters = "\u00b5\u0130\u017f\u0345\u03c2\u03d0\u03d1\u03d5\u03d6\u03f0\u03f1\u03f5" +
	"\u1c80\u1c81\u1c82\u1c83\u1c84\u1c85\u1c86\u1c87\u1c88\u1e9b\u1fbe"

// shadowPrefix begins the email_key of an account whose key another account has. The
// public id follows. No email has this key.
const shadowPrefix = "shadowed "

// isKeyOf reports whether an email_key is one that this version or an earlier one writes
// for an email.
func isKeyOf(key string, email domain.Email) bool {
	return key == email.Key() || key == strings.ToLower(email.String()) || strings.HasPrefix(key, shadowPrefix)
}

// keyedUser is an account and its email_key.
type keyedUser struct {
	domain.User
	storedKey string
}

// correctEmailKeys gives each account the key of its email. Where several accounts have
// one key, the oldest gets it. The others are reported to shadowed, at each start. It
// reads the emails of all accounts on the server, once.
func (c *client) correctEmailKeys(ctx context.Context, shadowed func(domain.UUID)) error {
	keys := emailKeys{collection{c.Collection(users), indexTimeout, c.late}, userSchema()}
	groups, err := keys.groups(ctx)
	if err != nil {
		return err
	}
	var holders []keyedUser
	for _, group := range groups {
		holder := group[0]
		for _, user := range group {
			if isOlder(user.User, holder.User) {
				holder = user
			}
		}
		for _, user := range group {
			if user.PublicID == holder.PublicID {
				continue
			}
			if err := keys.shadow(ctx, user); err != nil {
				return err
			}
			shadowed(user.PublicID)
		}
		holders = append(holders, holder)
	}
	left, err := keys.assign(ctx, holders)
	if err != nil {
		return err
	}
	for _, user := range left { // a document that cannot be read has the key, or one added meanwhile
		if err := keys.shadow(ctx, user); err != nil {
			return err
		}
		shadowed(user.PublicID)
	}
	return nil
}

// emailKeys reads and writes the field email_key.
type emailKeys struct {
	collection
	schema schema[domain.User]
}

// groups returns the accounts whose key may be wrong or shared, by the key of their
// email. Documents that cannot be read are left out.
func (k emailKeys) groups(ctx context.Context) (map[string][]keyedUser, error) {
	letters := bson.D{{Key: "$regex", Value: "[" + foldedLetters + "]"}}
	users, err := k.find(ctx, bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "email", Value: letters}},
		bson.D{{Key: "email_key", Value: bson.D{{Key: "$regex", Value: "^" + shadowPrefix}}}},
	}}})
	if err != nil {
		return nil, err
	}
	groups, seen := map[string][]keyedUser{}, map[domain.UUID]bool{}
	for _, user := range users {
		groups[user.Email.Key()] = append(groups[user.Email.Key()], user)
		seen[user.PublicID] = true
	}
	for key := range groups {
		holders, err := k.find(ctx, bson.D{{Key: "email_key", Value: key}})
		if err != nil {
			return nil, err
		}
		for _, holder := range holders {
			if !seen[holder.PublicID] && holder.Email.Key() == key {
				groups[key] = append(groups[key], holder)
			}
		}
	}
	return groups, nil
}

func (k emailKeys) find(ctx context.Context, filter bson.D) (users []keyedUser, err error) {
	docs, err := k.many(ctx, filter, options.Find())
	if err != nil {
		return nil, err
	}
	for _, doc := range docs {
		if user, err := k.schema.decode(doc); err == nil {
			users = append(users, keyedUser{user, doc.Lookup("email_key").StringValue()})
		}
	}
	return users, nil
}

// assign gives each account the key of its email. An account may have the key of
// another, which gets its own key first. It returns the accounts whose key is taken.
func (k emailKeys) assign(ctx context.Context, users []keyedUser) (left []keyedUser, err error) {
	for {
		left = nil
		for _, user := range users {
			switch err := k.give(ctx, user); {
			case errors.Is(err, domain.AlreadyExists):
				left = append(left, user)
			case err != nil:
				return nil, err
			}
		}
		if len(left) == 0 || len(left) == len(users) {
			return left, nil
		}
		users = left
	}
}

// give gives an account the key of its email, or returns AlreadyExists. It looks the key
// up first, because FerretDB has no error of its own for an update that violates a unique
// index.
func (k emailKeys) give(ctx context.Context, user keyedUser) error {
	key := user.Email.Key()
	if user.storedKey == key {
		return nil
	}
	taken, err := k.has(ctx, bson.D{{Key: "email_key", Value: key}})
	if err == nil && taken {
		err = domain.AlreadyExists
	}
	if err != nil {
		return err
	}
	return k.set(ctx, user, key)
}

// shadow takes away the key of an account, if an email can have this key. The keys that
// earlier versions wrote for the other letters stay, so that these versions can read the
// account.
func (k emailKeys) shadow(ctx context.Context, user keyedUser) error {
	if strings.ContainsAny(user.storedKey, foldedLetters) {
		return nil
	}
	return k.set(ctx, user, shadowPrefix+user.PublicID.String())
}

// set changes the key of an account, unless another server has changed it meanwhile.
func (k emailKeys) set(ctx context.Context, user keyedUser, key string) error {
	if user.storedKey == key {
		return nil
	}
	_, err := k.update(ctx, bson.D{
		byID(binary(user.PublicID)),
		{Key: "email_key", Value: user.storedKey},
		k.schema.known(),
	}, bson.D{{Key: "$set", Value: bson.D{{Key: "email_key", Value: key}}}})
	return err
}

// isOlder reports whether a was registered before b. At the same time, the public id
// decides.
func isOlder(a, b domain.User) bool {
	if a.RegisteredOn.Equal(b.RegisteredOn) {
		return bytes.Compare(a.PublicID[:], b.PublicID[:]) < 0
	}
	return a.RegisteredOn.Before(b.RegisteredOn)
}
