package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// maxPurge bounds what Purge deletes at a time, so that no round trip of it
// takes long.
const maxPurge = 1000

// markID is the _id of the mark: every token that expires no later than its
// field "through" may be one that was forgotten. There is none before the first
// purge. It has no expires_at, so no purge finds it.
const markID = "forgotten"

// Blacklist remembers logged-out tokens. It implements [ports.TokenBlacklist].
type Blacklist struct {
	collection
}

var (
	_ ports.TokenBlacklist = (*Blacklist)(nil)
	_ ports.TokenCounter   = (*Blacklist)(nil)
)

// Add implements [ports.TokenBlacklist]. A token that is added with different
// expiries is remembered until the latest. It is one round trip unless the token
// is there.
func (b *Blacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	for range 2 { // a purge may come between
		err := b.insert(ctx, bson.D{
			{Key: "_id", Value: binary(token.ID)},
			{Key: "expires_at", Value: token.ExpiresAt},
		})
		if !errors.Is(err, domain.AlreadyExists) {
			return err
		}
		if prolonged, err := b.prolong(ctx, token); err != nil || prolonged {
			return err
		}
	}
	return fmt.Errorf("mongodb: collection %s, _id %s: the field expires_at is not a date", blacklist, token.ID)
}

// Contains implements [ports.TokenBlacklist]. One read finds both the token and
// the mark.
func (b *Blacklist) Contains(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
	id := binary(token.ID)
	docs, err := b.many(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{id, markID}}}}}, options.Find())
	if err != nil {
		return false, err
	}
	for _, doc := range docs {
		if doc.Lookup("_id").Type != bson.TypeString {
			return true, nil
		}
		mark, ok := doc.Lookup("through").TimeOK()
		if !ok {
			return false, fmt.Errorf("mongodb: collection %s, _id %s: the field through is not a date", blacklist, markID)
		}
		if token.ForgettableAt(mark) {
			return true, nil
		}
	}
	return false, nil
}

// Purge implements [ports.TokenBlacklist]. A TTL index could do it by the store's
// clock, but would leave no mark. It takes two round trips to find out
// what there is to forget and to move the mark, and two for every maxPurge tokens.
func (b *Blacklist) Purge(ctx context.Context, now time.Time) (forgotten int, err error) {
	latest, err := b.many(ctx, bson.D{{Key: "expires_at", Value: bson.D{{Key: "$lte", Value: now}}}}, options.Find().
		SetProjection(bson.D{{Key: "expires_at", Value: 1}}).
		SetSort(bson.D{{Key: "expires_at", Value: -1}}).SetLimit(1))
	if err != nil || len(latest) == 0 {
		return 0, err
	}
	mark := latest[0].Lookup("expires_at").Time()
	if err := b.moveMark(ctx, mark); err != nil {
		return 0, err
	}
	expired := bson.E{Key: "expires_at", Value: bson.D{{Key: "$lte", Value: mark}}}
	for {
		docs, err := b.many(ctx, bson.D{expired}, options.Find().
			SetProjection(bson.D{{Key: "_id", Value: 1}}).
			SetLimit(maxPurge).SetBatchSize(maxPurge+1)) // in one answer, with nothing left to ask for
		if err != nil || len(docs) == 0 {
			return forgotten, err
		}
		ids := make(bson.A, len(docs))
		for i, doc := range docs {
			ids[i] = doc.Lookup("_id")
		}
		n, err := b.removeAll(ctx, bson.D{
			{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}},
			expired, // one may have been prolonged
		})
		forgotten += n
		if err != nil || len(docs) < maxPurge {
			return forgotten, err
		}
	}
}

// Count implements [ports.TokenCounter], by the collection's metadata. It is two
// round trips.
func (b *Blacklist) Count(ctx context.Context) (int, error) {
	n, err := b.count(ctx)
	if err != nil {
		return 0, err
	}
	marked, err := b.has(ctx, bson.E{Key: "_id", Value: markID})
	if marked {
		n--
	}
	return max(n, 0), err
}

// moveMark moves the mark, never to an earlier expiry.
func (b *Blacklist) moveMark(ctx context.Context, expiry time.Time) error {
	return b.do(ctx, func(ctx context.Context) error {
		var err error
		for range 2 { // another server may make the mark at the same moment
			_, err = b.docs.UpdateOne(ctx, bson.D{{Key: "_id", Value: markID}},
				bson.D{{Key: "$max", Value: bson.D{{Key: "through", Value: expiry}}}}, options.UpdateOne().SetUpsert(true))
			if !mongo.IsDuplicateKeyError(err) {
				return err
			}
		}
		return err
	})
}

// prolong moves the expiry of a remembered token, never to an earlier one, and
// reports whether it is remembered.
func (b *Blacklist) prolong(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
	return b.update(ctx, bson.D{
		{Key: "_id", Value: binary(token.ID)},
		{Key: "expires_at", Value: ofType("date")},
	}, bson.D{{Key: "$max", Value: bson.D{{Key: "expires_at", Value: token.ExpiresAt}}}})
}
