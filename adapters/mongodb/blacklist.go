package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// maxPurge bounds what Purge deletes at a time, so that no round trip of it
// takes long.
const maxPurge = 1000

// Blacklist remembers logged-out tokens. It implements [ports.TokenBlacklist].
type Blacklist struct {
	collection
}

var _ ports.TokenBlacklist = (*Blacklist)(nil)

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

// Contains implements [ports.TokenBlacklist].
func (b *Blacklist) Contains(ctx context.Context, id domain.UUID) (bool, error) {
	return b.has(ctx, bson.E{Key: "_id", Value: binary(id)})
}

// Purge implements [ports.TokenBlacklist].
func (b *Blacklist) Purge(ctx context.Context, now time.Time) (forgotten int, err error) {
	expired := bson.E{Key: "expires_at", Value: bson.D{{Key: "$lte", Value: now}}}
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

// prolong moves the expiry of a remembered token, never to an earlier one, and
// reports whether it is remembered.
func (b *Blacklist) prolong(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
	return b.update(ctx, bson.D{
		{Key: "_id", Value: binary(token.ID)},
		{Key: "expires_at", Value: ofType("date")},
	}, bson.D{{Key: "$max", Value: bson.D{{Key: "expires_at", Value: token.ExpiresAt}}}})
}
