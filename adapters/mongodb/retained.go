package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// lifetimeField holds the lifetime of a token or a cut-off in milliseconds: the longest one
// that it was added with. Documents of earlier versions do not have it.
const lifetimeField = "lifetime"

// Versions of documents.
const (
	untilVersion          int32 = 3 // tokens have the field until
	tokenLifetimeVersion  int32 = 4 // tokens have the field lifetime
	cutOffLifetimeVersion int32 = 2 // cut-offs have the field lifetime
)

// ends returns the fields of a retention and the field of the lifetime.
func ends(r domain.Retention, lifetime time.Duration) bson.D {
	return bson.D{
		{Key: "expires_at", Value: r.ExpiresAt},
		{Key: "until", Value: milliseconds(r.Until)},
		{Key: lifetimeField, Value: milliseconds(lifetime)},
	}
}

// retainedFields returns the fields of the index for Tokens, and for the cut-offs of deleted
// accounts. Tokens have no field value.
func retainedFields() []string { return []string{"value", "expires_at", "_id"} }

// tokenOrder returns the order of the expiry of tokens.
func tokenOrder() order {
	return order{
		index: ascending(retainedFields()...),
		sort:  ascending("expires_at", "_id"),
		parts: []part{{
			tag:    't',
			absent: []string{"value"},
			fields: []orderField{{name: "expires_at", kind: "date"}, {name: "_id", kind: "binData"}},
		}},
	}
}

// cutOffOrder returns the order of the public ids of accounts.
func cutOffOrder() order {
	return order{index: ascending("_id"), sort: ascending("_id"), parts: []part{{
		tag:    'e',
		fields: []orderField{{name: "_id", kind: "string", from: cutOffPrefix, to: cutOffPrefix + "~"}},
	}}}
}

// Tokens implements [ports.TokenBlacklist]. It makes two round trips: it reads the tokens,
// and then the proof that the collection is the one that the server opened.
func (b *tokenBlacklist) Tokens(ctx context.Context, position string, limit int) (domain.Slice[domain.BlacklistedToken], error) {
	return retainedSlice(ctx, b, tokenOrder(), position, limit, func(doc bson.Raw) (domain.BlacklistedToken, error) {
		token, err := b.tokens.decode(doc)
		token.Lifetime = b.lifetime(doc, token.Lifetime)
		return token, err
	})
}

// CutOffs implements [ports.TokenBlacklist] with the round trips of Tokens.
func (b *tokenBlacklist) CutOffs(ctx context.Context, position string, limit int) (domain.Slice[domain.CutOff], error) {
	return retainedSlice(ctx, b, cutOffOrder(), position, limit, func(doc bson.Raw) (domain.CutOff, error) {
		cutOff, err := b.cutOffs.decode(doc)
		cutOff.Lifetime = b.lifetime(doc, cutOff.Lifetime)
		return cutOff, err
	})
}

// retainedSlice returns a slice of an order of the blacklist. A document that cannot be
// decoded is an error: without it, a log-out would be lost.
func retainedSlice[T any](ctx context.Context, b *tokenBlacklist, o order, position string, limit int, decode func(bson.Raw) (T, error)) (domain.Slice[T], error) {
	docs, next, err := b.sliceOf(ctx, o, false, position, limit)
	if err == nil {
		err = b.running.check(ctx)
	}
	if err != nil {
		return domain.Slice[T]{}, err
	}
	slice := domain.Slice[T]{Next: next}
	for _, doc := range docs {
		item, err := decode(doc)
		if err != nil {
			return domain.Slice[T]{}, err
		}
		slice.Items = append(slice.Items, item)
	}
	return slice, nil
}

// lifetime returns the lifetime of a token or a cut-off in whole seconds, rounded up. If the
// document has none, it is the running time that is left.
func (b *tokenBlacklist) lifetime(doc bson.Raw, lifetime time.Duration) time.Duration {
	if doc.Lookup(lifetimeField).IsZero() {
		lifetime = b.left(doc)
	}
	return domain.WholeSeconds(lifetime)
}

// left returns the running time after which the document may be forgotten.
func (b *tokenBlacklist) left(doc bson.Raw) time.Duration {
	until, ok := millisecondsOK(doc.Lookup("until"))
	if !ok { // a server of an earlier version, without the field until, inserted the document after Open
		return unknownLifetime
	}
	running, _ := b.running.estimate()
	return max(until-running, 0)
}

func decodeToken(doc *document) domain.BlacklistedToken {
	token := decodeUntil(doc)
	token.Lifetime = doc.milliseconds(lifetimeField)
	return token
}

// decodeUntil returns a token without a lifetime.
func decodeUntil(doc *document) domain.BlacklistedToken {
	token := decodeOldToken(doc)
	doc.milliseconds("until")
	return token
}

func decodeOldToken(doc *document) domain.BlacklistedToken {
	return domain.BlacklistedToken{ID: doc.uuid("_id"), ExpiresAt: doc.time("expires_at")}
}
