package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/domain"
)

// The collections.
const (
	users     = "users"
	widgets   = "widgets"
	blacklist = "blacklist"
)

// collection is a collection each of whose methods is one round trip, ends
// within timeout and returns errors of the domain's kinds.
type collection struct {
	docs    *mongo.Collection
	timeout time.Duration
}

// do bounds what uses the driver. It doesn't leave that to the client's timeout,
// which the driver sets aside for a context with a later deadline.
func (c collection) do(ctx context.Context, use func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return translate(use(ctx))
}

// insert adds a document. AlreadyExists when it breaks a unique index.
func (c collection) insert(ctx context.Context, doc bson.D) error {
	return c.do(ctx, func(ctx context.Context) error {
		_, err := c.docs.InsertOne(ctx, doc)
		return err
	})
}

// one returns the document that matches, or NotFound.
func (c collection) one(ctx context.Context, condition bson.E) (doc bson.Raw, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		doc, err = c.docs.FindOne(ctx, bson.D{condition}).Raw()
		return err
	})
	return doc, err
}

// has reports whether a document matches.
func (c collection) has(ctx context.Context, condition bson.E) (bool, error) {
	err := c.do(ctx, func(ctx context.Context) error {
		least := bson.D{{Key: "_id", Value: 1}}
		return c.docs.FindOne(ctx, bson.D{condition}, options.FindOne().SetProjection(least)).Err()
	})
	if errors.Is(err, domain.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// many returns the documents that match.
func (c collection) many(ctx context.Context, filter bson.D, options ...options.Lister[options.FindOptions]) (docs []bson.Raw, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		cursor, err := c.docs.Find(ctx, filter, options...)
		if err != nil {
			return err
		}
		return cursor.All(ctx, &docs)
	})
	return docs, err
}

// update changes the one document that matches and reports whether one did.
func (c collection) update(ctx context.Context, filter, update bson.D) (matched bool, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		result, err := c.docs.UpdateOne(ctx, filter, update)
		if err == nil {
			matched = result.MatchedCount > 0 // also when there was nothing to modify
		}
		return err
	})
	return matched, err
}

// remove deletes the one document that matches and reports whether one did.
func (c collection) remove(ctx context.Context, condition bson.E) (removed bool, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		result, err := c.docs.DeleteOne(ctx, bson.D{condition})
		if err == nil {
			removed = result.DeletedCount > 0
		}
		return err
	})
	return removed, err
}

// removeAll deletes the documents that match and returns how many did.
func (c collection) removeAll(ctx context.Context, filter bson.D) (n int, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		result, err := c.docs.DeleteMany(ctx, filter)
		if err == nil {
			n = int(result.DeletedCount)
		}
		return err
	})
	return n, err
}

// count returns how many documents there are, by the collection's metadata.
func (c collection) count(ctx context.Context) (n int, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		counted, err := c.docs.EstimatedDocumentCount(ctx)
		n = int(counted)
		return err
	})
	return n, err
}
