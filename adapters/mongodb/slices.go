package mongodb

import (
	"context"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/domain"
)

// sliceOf returns at most limit documents of an order behind a position, and the next
// position. It is one round trip.
func (c collection) sliceOf(ctx context.Context, o order, reverse bool, position string, limit int) (docs []bson.Raw, next string, err error) {
	filter, err := o.after(position, reverse)
	if err != nil {
		return nil, "", err
	}
	docs, err = c.indexed(ctx, o.index, filter,
		options.Find().SetSort(o.sorted(reverse)).SetLimit(int64(limit)+1))
	if err != nil || len(docs) <= limit {
		return docs, "", err
	}
	return docs[:limit], o.position(docs[limit-1]), nil
}

// indexed returns the documents that match, which the server finds with the index, or
// Unavailable if the index does not exist. Without the hint the server would then read
// the whole collection.
func (c collection) indexed(ctx context.Context, index, filter bson.D, find *options.FindOptionsBuilder) ([]bson.Raw, error) {
	if err := c.late.require(c.docs.Name(), index); err != nil {
		return nil, err
	}
	docs, err := c.limited(ctx, filter, find.SetHint(index))
	if isBadHint(err) { // somebody has dropped the index, or the server still builds it
		return nil, c.late.lost(c.docs.Name(), index)
	}
	return docs, err
}

// limited returns the documents that match in one reply.
func (c collection) limited(ctx context.Context, filter bson.D, find *options.FindOptionsBuilder) ([]bson.Raw, error) {
	return c.many(ctx, filter, find.SetBatchSize(math.MaxInt16)) // more than any limit, so that the first reply closes the cursor
}

// slice returns a slice of the values in the documents of an order.
func (l list[T]) slice(ctx context.Context, o order, reverse bool, position string, limit int) (domain.Slice[T], error) {
	docs, next, err := l.sliceOf(ctx, o, reverse, position, limit)
	if err != nil {
		return domain.Slice[T]{}, err
	}
	return domain.Slice[T]{Items: l.readable(docs), Next: next}, nil
}
