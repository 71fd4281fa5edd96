package mongodb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// indexOf is an index of a collection.
type indexOf struct {
	collection string
	fields     bson.D
	unique     bool
	late       bool          // built in the background: see lateIndexes
	expires    time.Duration // if not 0, the server deletes documents this long after the time in the field
}

// indexes returns the indexes of all collections. Those that earlier versions of widgetd do
// not create are late: an upgraded database may have a million documents without them.
func indexes() []indexOf {
	return []indexOf{
		{collection: users, fields: ascending(uniqueUserField), unique: true},
		{collection: users, fields: ascending("admin")},
		{collection: users, fields: ascending(registrationFields()...)},
		{collection: widgets, fields: ascending(uniqueWidgetField), unique: true},
		{collection: widgets, fields: ascending(creationFields()...)},
		{collection: widgets, fields: ascending(deadlineFields()...), late: true},
		{collection: widgets, fields: ascending(owned(creationFields())...), late: true},
		{collection: widgets, fields: ascending(owned(deadlineFields())...), late: true},
		{collection: blacklist, fields: ascending("expires_at")}, // no TTL index: see tokenBlacklist.Purge
		{collection: blacklist, fields: ascending(retainedFields()...), late: true},
		{collection: attempts, fields: ascending(latestField), expires: longestWindow},
	}
}

// The fields with a unique index.
const (
	uniqueUserField   = "email_key"
	uniqueWidgetField = "name"
)

// ensureIndexes creates the indexes of the collections that do not exist, except the late
// ones. Another server may create them at the same time.
func (c *client) ensureIndexes(ctx context.Context, collections ...string) error {
	for _, index := range indexes() {
		if index.late || !slices.Contains(collections, index.collection) {
			continue
		}
		if err := c.ensureIndex(ctx, index); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) ensureIndex(ctx context.Context, index indexOf) error {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	_, err := c.Collection(index.collection).Indexes().CreateOne(ctx, index.model())
	if index.expires != 0 && err != nil && !isUnavailable(err) { // the server cannot delete documents by itself
		index.expires = 0
		_, err = c.Collection(index.collection).Indexes().CreateOne(ctx, index.model())
	}
	switch {
	case mongo.IsDuplicateKeyError(err): // err is not wrapped, because its text contains the value
		return fmt.Errorf("documents of the collection %s share a value of %s, which must be unique",
			index.collection, index.fields[0].Key)
	case err != nil:
		return fmt.Errorf("index of the collection %s: %w", index.collection, err)
	}
	return nil
}

func (i indexOf) model() mongo.IndexModel {
	model := mongo.IndexModel{Keys: i.fields}
	if i.unique {
		model.Options = options.Index().SetUnique(true)
	}
	if i.expires != 0 {
		model.Options = options.Index().SetExpireAfterSeconds(int32(i.expires.Seconds()))
	}
	return model
}

// String returns the collection and the fields.
func (i indexOf) String() string {
	names := make([]string, len(i.fields))
	for j, field := range i.fields {
		names[j] = field.Key
	}
	return i.collection + " (" + strings.Join(names, ", ") + ")"
}

// ascending returns the fields of an index, or an order for the command find.
func ascending(fields ...string) bson.D {
	keys := bson.D{}
	for _, field := range fields {
		keys = append(keys, bson.E{Key: field, Value: 1})
	}
	return keys
}
