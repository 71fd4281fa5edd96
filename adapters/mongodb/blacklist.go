package mongodb

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// purgeBatch is the maximum number of documents that Purge deletes in one round
// trip. It limits the duration of a round trip.
const purgeBatch = 1000

// unknownLifetime is the lifetime of tokens that an earlier release logged out and
// did not store the lifetime of. It is longer than any reasonable lifetime.
const unknownLifetime = 365 * 24 * time.Hour

// tokenBlacklist implements [ports.TokenBlacklist]. The collection holds a document
// for each token and for each cut-off, the one with the running time, and the watermark
// of an earlier release, if there was one.
type tokenBlacklist struct {
	collection
	running    *runningTime
	tokens     schema[domain.BlacklistedToken]
	cutOffs    schema[domain.CutOff]
	watermarks schema[time.Time]
	singly     bool // see proven
}

func newTokenBlacklist(c collection, clock ports.Clock, server serverVersions, singly bool) *tokenBlacklist {
	return &tokenBlacklist{c, newRunningTime(c, clock, server), tokenSchema(), cutOffSchema(), watermarkSchema(), singly}
}

func tokenSchema() schema[domain.BlacklistedToken] {
	return schema[domain.BlacklistedToken]{blacklist, []func(*document) domain.BlacklistedToken{
		decodeOldToken,
		decodeOldToken, // version 2 only added the version
		decodeUntil,
		decodeToken,
	}}
}

// open prepares the collection after [runningTime.open]. The watermark gets the latest
// version, so that the releases that wrote it refuse every token. Tokens of earlier
// versions get the end of a lifetime.
func (b *tokenBlacklist) open(ctx context.Context) error {
	running, err := b.running.logOutTime(ctx)
	if err != nil {
		return err
	}
	_, err = b.update(ctx, bson.D{byID(watermarkID), b.watermarks.known()},
		bson.D{{Key: "$set", Value: bson.D{b.watermarks.version()}}})
	if err != nil {
		return err
	}
	_, err = b.updateAll(ctx, bson.D{
		{Key: "expires_at", Value: ofType("date")},
		{Key: "until", Value: exists(false)},
		b.tokens.known(),
	}, bson.D{{Key: "$set", Value: bson.D{
		{Key: versionField, Value: untilVersion},
		{Key: "until", Value: milliseconds(running + unknownLifetime)},
	}}})
	return err
}

// Add implements [ports.TokenBlacklist]. It makes two round trips: it writes the token,
// and then reads the proof that the collection is the one that the server opened. A
// token that went into another collection is not acknowledged. Add makes a third round
// trip if the blacklist has the token already.
func (b *tokenBlacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	running, err := b.running.logOutTime(ctx)
	if err != nil {
		return err
	}
	if err := b.remember(ctx, token, token.RetentionFrom(running)); err != nil {
		return err
	}
	return b.running.check(ctx)
}

// remember inserts a token, or moves the ends of its retention to later ones.
func (b *tokenBlacklist) remember(ctx context.Context, token domain.BlacklistedToken, r domain.Retention) error {
	id := binary(token.ID)
	for range 2 { // a Purge may delete the document between insert and extend
		err := b.insert(ctx, append(bson.D{byID(id), b.tokens.version()}, ends(r, token.Lifetime)...))
		if !errors.Is(err, domain.AlreadyExists) {
			return err
		}
		extended, err := b.extend(ctx, id, b.tokens.version(), nil, ends(r, token.Lifetime), bson.D{
			{Key: "until", Value: ofType("long")},
			{Key: lifetimeField, Value: ofType("long")},
			versions(tokenLifetimeVersion, b.tokens.latest()),
		})
		if err == nil && !extended { // a document of an earlier version: the lifetime stays unknown
			extended, err = b.extend(ctx, id, bson.E{Key: versionField, Value: untilVersion}, nil, ends(r, 0)[:2], bson.D{
				anyOf(unversioned(), bson.D{versions(1, untilVersion)}),
			})
		}
		if err != nil || extended {
			return err
		}
	}
	return conflict(ctx, b.collection, b.tokens, id)
}

// extend sets the values in a document that can be read, and moves the ends of its
// retention to later ones, never to earlier ones. It reports whether there is such a
// document.
func (b *tokenBlacklist) extend(ctx context.Context, id any, version bson.E, values, ends, conditions bson.D) (bool, error) {
	filter := bson.D{byID(id), {Key: "expires_at", Value: ofType("date")}}
	return b.update(ctx, append(filter, conditions...), bson.D{
		{Key: "$set", Value: append(bson.D{version}, values...)},
		{Key: "$max", Value: ends},
	})
}

// Check implements [ports.TokenBlacklist]. One read (see proven) finds the token, the
// cut-off of its account, the proof that the collection is the one that the server opened,
// and the watermark of an earlier release. A document with the token's id means that the token
// was logged out, whatever else it holds. A cut-off or a watermark that cannot be read
// is an error.
func (b *tokenBlacklist) Check(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
	docs, err := b.proven(ctx, binary(claims.ID), cutOffID(claims.Subject), watermarkID)
	if err != nil {
		return domain.Revocation{}, err
	}
	var watermark bson.Raw
	var found domain.Revocation
	for _, doc := range docs {
		switch id, isText := doc.Lookup("_id").StringValueOK(); {
		case !isText:
			found.LoggedOut = true
		case id == watermarkID:
			watermark = doc
		default:
			cutOff, err := b.cutOffs.decode(doc)
			if err != nil {
				return domain.Revocation{}, err
			}
			found.CutOff = cutOff.Value
		}
	}
	if found.LoggedOut || watermark == nil {
		return found, nil
	}
	through, err := b.watermarks.decode(watermark)
	if err != nil {
		return domain.Revocation{}, err
	}
	found.LoggedOut = domain.NewBlacklistedToken(claims).ForgottenThrough(through)
	return found, nil
}

// proven returns the documents with the ids. The same read proves that the collection is
// the one that the server opened; without the proof proven returns Unavailable.
//
// MongoDB guarantees a linearizable read only for a filter that identifies one document.
// So with singly each document is read by a command of its own. All are sent at the same
// time, and after their answers the one for the proof: proven makes two round trips.
func (b *tokenBlacklist) proven(ctx context.Context, ids ...any) ([]bson.Raw, error) {
	if b.singly {
		docs, err := b.each(ctx, ids)
		if err != nil {
			return nil, err
		}
		return docs, b.running.check(ctx)
	}
	docs, err := b.many(ctx, bson.D{byID(bson.D{{Key: "$in", Value: append(ids, runningID)}})}, options.Find())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(docs, isRunningDocument)
	if i < 0 {
		return nil, unavailable(errLost)
	}
	if err := b.running.prove(docs[i]); err != nil {
		return nil, err
	}
	return slices.Delete(docs, i, i+1), nil
}

// each returns the documents with the ids that exist. It makes a round trip for each id, all
// at the same time.
func (b *tokenBlacklist) each(ctx context.Context, ids []any) (docs []bson.Raw, err error) {
	found := make([]bson.Raw, len(ids))
	reads := make([]func(context.Context) error, len(ids))
	for i, id := range ids {
		reads[i] = func(ctx context.Context) (err error) {
			found[i], err = b.one(ctx, byID(id))
			if errors.Is(err, domain.NotFound) {
				return nil
			}
			return err
		}
	}
	if err := checkTogether(ctx, reads...); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(doc bson.Raw) bool { return doc == nil }), nil
}

// Purge implements [ports.TokenBlacklist]. It leaves documents of a later version
// alone. It makes one round trip to move the running time on, one to find tokens and
// cut-offs, and two for each batch of purgeBatch of them.
//
// A TTL index would delete documents by the wall clock of the database alone, so the
// collection has none.
func (b *tokenBlacklist) Purge(ctx context.Context, now time.Time) (purged int, err error) {
	running, err := b.running.sync(ctx)
	if err != nil {
		return 0, err
	}
	for {
		found, removed, err := b.deleteBatch(ctx, b.ended(now, running), nil, purgeBatch)
		purged += removed
		if err != nil || found < purgeBatch {
			return purged, err
		}
	}
}

// Count implements [ports.TokenBlacklist] with the collection's metadata. It makes
// two round trips.
func (b *tokenBlacklist) Count(ctx context.Context) (int, error) {
	n, err := b.count(ctx)
	if err != nil {
		return 0, err
	}
	others, err := b.many(ctx, bson.D{byID(bson.D{{Key: "$in", Value: bson.A{runningID, watermarkID}}})}, options.Find())
	return max(n-len(others), 0), err
}

// ended returns a filter that matches the tokens and cut-offs that may be forgotten. It
// does not match the other documents, which have no field expires_at.
func (b *tokenBlacklist) ended(now time.Time, running time.Duration) bson.D {
	return bson.D{
		{Key: "expires_at", Value: bson.D{{Key: "$lte", Value: now}}},
		{Key: "until", Value: bson.D{{Key: "$lte", Value: running.Milliseconds()}}},
		anyOf(
			bson.D{{Key: "value", Value: exists(false)}, b.tokens.known()},
			bson.D{{Key: "value", Value: exists(true)}, b.cutOffs.known()},
		),
	}
}

// milliseconds returns the running time in milliseconds, rounded up.
func milliseconds(d time.Duration) int64 {
	if rounded := d + time.Millisecond - 1; rounded > d {
		d = rounded
	}
	return d.Milliseconds()
}

// conflict returns the reason why the document with the id can be neither inserted
// nor updated: it cannot be read, or other servers wrote it at the same time.
func conflict[T any](ctx context.Context, c collection, s schema[T], id any) error {
	raw, err := c.one(ctx, byID(id))
	if err == nil {
		_, err = s.decode(raw)
	}
	if err == nil || errors.Is(err, domain.NotFound) {
		return contention(s.collection)
	}
	return err
}

// contention returns the error for a write that other servers have interfered with too
// often.
func contention(collection string) error {
	return unavailable(errors.New("mongodb: other servers wrote the same document at the same time, in the collection " + collection))
}
