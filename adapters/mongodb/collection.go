package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/xoptions"

	"github.com/widgetd/widgetd/domain"
)

// The collections.
const (
	users     = "users"
	widgets   = "widgets"
	blacklist = "blacklist"
	departed  = "departed" // see departures
	settings  = "settings" // see openCursorKey
	attempts  = "attempts" // see attemptLimiter
)

// collection is a MongoDB collection. Each of its methods is one round trip, ends
// within timeout and returns errors of the domain's kinds.
type collection struct {
	docs    *mongo.Collection
	timeout time.Duration
	late    *lateIndexes
}

// do calls f with a context that ends within the timeout. The timeout of the
// driver's client is not enough: the driver ignores it if the context has a
// deadline, even a later one. It calls f again if the driver has not sent the command.
func (c collection) do(ctx context.Context, f func(context.Context) error) error {
	return c.repeat(ctx, isUnsent, f)
}

// doMany is do for commands on many documents, which the driver never repeats.
func (c collection) doMany(ctx context.Context, f func(context.Context) error) error {
	return c.repeat(ctx, isNotExecuted, f)
}

func (c collection) repeat(ctx context.Context, while func(error) bool, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for {
		err := f(ctx)
		if !while(err) || pause(ctx, unsentPause) != nil {
			return translate(err)
		}
	}
}

// unsentPause is the maximum of the pause before a command is sent again.
const unsentPause = 20 * time.Millisecond

// insert adds a document. It returns AlreadyExists if the document violates a
// unique index.
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
func (c collection) has(ctx context.Context, filter bson.D) (bool, error) {
	err := c.do(ctx, func(ctx context.Context) error {
		onlyID := bson.D{{Key: "_id", Value: 1}}
		return c.docs.FindOne(ctx, filter, options.FindOne().SetProjection(onlyID)).Err()
	})
	if errors.Is(err, domain.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// many returns the documents that match. The server stops the query at the time limit of a
// round trip: the driver itself sends no time limit with a query for several documents.
func (c collection) many(ctx context.Context, filter bson.D, find *options.FindOptionsBuilder) (docs []bson.Raw, err error) {
	limit := c.timeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline))
	}
	err = xoptions.SetInternalFindOptions(find, "addCommandFields", bson.D{{Key: "maxTimeMS", Value: max(limit.Milliseconds(), 1)}})
	if err != nil {
		return nil, err
	}
	err = c.do(ctx, func(ctx context.Context) error {
		cursor, err := c.docs.Find(ctx, filter, find)
		if err != nil {
			return err
		}
		return cursor.All(ctx, &docs)
	})
	return docs, err
}

// update changes one document that matches and reports whether a document matched.
// It reports true also if the update did not change the content of the document.
func (c collection) update(ctx context.Context, filter, update bson.D) (matched bool, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		result, err := c.docs.UpdateOne(ctx, filter, update)
		if err == nil {
			matched = result.MatchedCount > 0
		}
		return err
	})
	return matched, err
}

// updateAll changes the documents that match and returns their number.
func (c collection) updateAll(ctx context.Context, filter, update bson.D) (n int, err error) {
	err = c.doMany(ctx, func(ctx context.Context) error {
		result, err := c.docs.UpdateMany(ctx, filter, update)
		if err == nil {
			n = int(result.MatchedCount)
		}
		return err
	})
	return n, err
}

// insertMany adds documents. If ordered is true it stops at the first document that
// violates a unique index. It returns the indexes of the documents that do.
func (c collection) insertMany(ctx context.Context, docs []bson.Raw, ordered bool) (duplicates []int, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		_, err := c.docs.InsertMany(ctx, docs, options.InsertMany().SetOrdered(ordered))
		failed, ok := errors.AsType[mongo.BulkWriteException](err)
		if !ok || failed.WriteConcernError != nil {
			return err
		}
		for _, problem := range failed.WriteErrors {
			if !mongo.IsDuplicateKeyError(problem.WriteError) {
				return err
			}
			duplicates = append(duplicates, problem.Index)
		}
		return nil
	})
	return duplicates, err
}

// updateEach makes updates of one document each, in one command. It returns the number of
// documents that matched.
func (c collection) updateEach(ctx context.Context, updates []mongo.WriteModel) (matched int, err error) {
	if len(updates) == 0 {
		return 0, nil
	}
	err = c.do(ctx, func(ctx context.Context) error {
		result, err := c.docs.BulkWrite(ctx, updates, options.BulkWrite().SetOrdered(false))
		if err == nil {
			matched = int(result.MatchedCount)
		}
		return err
	})
	return matched, err
}

// replaced changes one document that matches and returns it as it was before, or
// NotFound.
func (c collection) replaced(ctx context.Context, filter, update bson.D) (before bson.Raw, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		before, err = c.docs.FindOneAndUpdate(ctx, filter, update,
			options.FindOneAndUpdate().SetReturnDocument(options.Before)).Raw()
		return err
	})
	return before, err
}

// removed deletes one document that matches and returns it, or NotFound.
func (c collection) removed(ctx context.Context, filter bson.D) (doc bson.Raw, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		doc, err = c.docs.FindOneAndDelete(ctx, filter).Raw()
		return err
	})
	return doc, err
}

// modify changes one document that matches and returns the result, or NotFound. If
// upsert is true it inserts a document if none matches. It returns AlreadyExists if
// another client does so at the same time.
func (c collection) modify(ctx context.Context, filter, update bson.D, upsert bool) (doc bson.Raw, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		doc, err = c.docs.FindOneAndUpdate(ctx, filter, update,
			options.FindOneAndUpdate().SetUpsert(upsert).SetReturnDocument(options.After)).Raw()
		return err
	})
	return doc, err
}

// indexes returns the descriptions of the collection's indexes, none if it does not
// exist.
func (c collection) indexes(ctx context.Context) (indexes []bson.Raw, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		cursor, err := c.docs.Indexes().List(ctx)
		if err != nil {
			return err
		}
		return cursor.All(ctx, &indexes)
	})
	return indexes, err
}

// remove deletes one document that matches and reports whether a document
// matched.
func (c collection) remove(ctx context.Context, filter bson.D) (removed bool, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		result, err := c.docs.DeleteOne(ctx, filter)
		if err == nil {
			removed = result.DeletedCount > 0
		}
		return err
	})
	return removed, err
}

// removeAll deletes the documents that match and returns their number.
func (c collection) removeAll(ctx context.Context, filter bson.D) (n int, err error) {
	err = c.doMany(ctx, func(ctx context.Context) error {
		result, err := c.docs.DeleteMany(ctx, filter)
		if err == nil {
			n = int(result.DeletedCount)
		}
		return err
	})
	return n, err
}

// deleteBatch deletes up to limit documents that match, the first ones in the given order of
// an index; the order may be empty. It makes two round trips. It returns how many documents it
// found and how many it deleted. The numbers differ if other servers delete or change them at
// the same time.
func (c collection) deleteBatch(ctx context.Context, filter, order bson.D, limit int) (found, removed int, err error) {
	find := options.Find().
		SetProjection(bson.D{{Key: "_id", Value: 1}}).
		SetLimit(int64(limit)).SetBatchSize(int32(limit) + 1) //nolint:gosec // a batch; larger than the limit, so that the first reply closes the cursor
	if order != nil {
		find.SetSort(order)
	}
	docs, err := c.many(ctx, filter, find)
	if err != nil || len(docs) == 0 {
		return 0, 0, err
	}
	ids := make(bson.A, len(docs))
	for i, doc := range docs {
		ids[i] = doc.Lookup("_id")
	}
	removed, err = c.removeAll(ctx, append(
		bson.D{byID(bson.D{{Key: "$in", Value: ids}})},
		filter..., // the documents may have changed
	))
	return len(docs), removed, err
}

// serverTime returns the time of the primary's clock. The driver never repeats its command, so
// serverTime does, after every error of a connection.
func (c collection) serverTime(ctx context.Context) (now time.Time, err error) {
	var hello struct {
		LocalTime time.Time `bson:"localTime"`
	}
	isLost := func(err error) bool { return isPoolCleared(err) || mongo.IsNetworkError(err) }
	err = c.repeat(ctx, isLost, func(ctx context.Context) error {
		return c.docs.Database().Client().Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	})
	return hello.LocalTime, err
}

// count returns the number of documents according to the collection's metadata.
func (c collection) count(ctx context.Context) (n int, err error) {
	err = c.do(ctx, func(ctx context.Context) error {
		count, err := c.docs.EstimatedDocumentCount(ctx)
		n = int(count)
		return err
	})
	return n, err
}
