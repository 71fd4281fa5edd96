package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// ensureIndexes makes the indexes that are missing. To make one that is there,
// or that another server is making, changes nothing.
func (s *store) ensureIndexes(ctx context.Context) error {
	for _, index := range []struct {
		collection string
		model      mongo.IndexModel
	}{
		{users, index(options.Index().SetUnique(true), "email_key")},
		{users, index(options.Index(), "admin")},
		{widgets, index(options.Index().SetUnique(true), "name")},
		{widgets, index(options.Index(), "seq", "_id")},
		{blacklist, index(options.Index(), "expires_at")}, // no TTL: see Blacklist.Purge
	} {
		if err := s.ensureIndex(ctx, index.collection, index.model); err != nil {
			return err
		}
	}
	return nil
}

func index(options *options.IndexOptionsBuilder, fields ...string) mongo.IndexModel {
	keys := bson.D{}
	for _, field := range fields {
		keys = append(keys, bson.E{Key: field, Value: 1})
	}
	return mongo.IndexModel{Keys: keys, Options: options}
}

func (s *store) ensureIndex(ctx context.Context, collection string, model mongo.IndexModel) error {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	_, err := s.Collection(collection).Indexes().CreateOne(ctx, model)
	switch {
	case mongo.IsDuplicateKeyError(err): // the cause holds the value
		return fmt.Errorf("documents of the collection %s share a value of %s, which must be unique",
			collection, model.Keys.(bson.D)[0].Key)
	case err != nil:
		return fmt.Errorf("index of the collection %s: %w", collection, err)
	}
	return nil
}
