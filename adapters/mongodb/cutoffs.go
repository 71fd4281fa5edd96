package mongodb

import (
	"context"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// cutOffPrefix begins the _id of a cut-off. The public id of the account follows.
const cutOffPrefix = "cut-off "

func cutOffID(subject domain.UUID) string { return cutOffPrefix + subject.String() }

// cutOffSubject returns the account in the _id of a cut-off.
func cutOffSubject(id string) (subject domain.UUID, ok bool) {
	text, found := strings.CutPrefix(id, cutOffPrefix)
	subject, err := domain.ParseUUID(text)
	return subject, found && err == nil
}

func isCutOffID(id string) bool {
	_, ok := cutOffSubject(id)
	return ok
}

// cutOffSchema describes the documents of cut-offs. The fields expires_at, until and
// lifetime are those of tokens. The value of a cut-off is in the field "value".
func cutOffSchema() schema[domain.CutOff] {
	return schema[domain.CutOff]{blacklist, []func(*document) domain.CutOff{decodeOldCutOff, decodeCutOff}}
}

func decodeCutOff(doc *document) domain.CutOff {
	cutOff := decodeOldCutOff(doc)
	cutOff.Lifetime = doc.milliseconds(lifetimeField)
	return cutOff
}

// decodeOldCutOff returns a cut-off without a lifetime. The zero UUID as the value is an
// error, because it would mean that the account has no cut-off.
func decodeOldCutOff(doc *document) domain.CutOff {
	cutOff := domain.CutOff{Value: doc.uuid("value"), ExpiresAt: doc.time("expires_at")}
	if cutOff.Value == (domain.UUID{}) {
		doc.failField([]string{"value"}, "is the zero UUID")
	}
	doc.milliseconds("until")
	text, _ := doc.raw.Lookup("_id").StringValueOK()
	cutOff.Subject, _ = cutOffSubject(text)
	return cutOff
}

// EndTokens implements [ports.TokenBlacklist]. It makes two round trips, as Add does, and
// a third one if the account has a cut-off already.
func (b *tokenBlacklist) EndTokens(ctx context.Context, cutOff domain.CutOff) error {
	running, err := b.running.logOutTime(ctx)
	if err != nil {
		return err
	}
	if err := b.setCutOff(ctx, cutOff, cutOff.RetentionFrom(running)); err != nil {
		return err
	}
	return b.running.check(ctx)
}

// setCutOff inserts a cut-off, or replaces the value of an earlier one and moves the ends
// of its retention to later ones.
func (b *tokenBlacklist) setCutOff(ctx context.Context, cutOff domain.CutOff, r domain.Retention) error {
	id := cutOffID(cutOff.Subject)
	value := bson.D{{Key: "value", Value: binary(cutOff.Value)}}
	readable := bson.D{{Key: "value", Value: ofType("binData")}, {Key: "until", Value: ofType("long")}}
	for range 2 { // a Purge may delete the document between insert and extend
		doc := append(bson.D{byID(id), b.cutOffs.version()}, value...)
		err := b.insert(ctx, append(doc, ends(r, cutOff.Lifetime)...))
		if !errors.Is(err, domain.AlreadyExists) {
			return err
		}
		updated, err := b.extend(ctx, id, b.cutOffs.version(), value, ends(r, cutOff.Lifetime), append(bson.D{
			{Key: lifetimeField, Value: ofType("long")},
			versions(cutOffLifetimeVersion, b.cutOffs.latest()),
		}, readable...))
		if err == nil && !updated { // a document of an earlier version: the lifetime stays unknown
			updated, err = b.extend(ctx, id, bson.E{Key: versionField, Value: int32(1)}, value, ends(r, 0)[:2], append(bson.D{
				anyOf(unversioned(), bson.D{versions(1, cutOffLifetimeVersion-1)}),
			}, readable...))
		}
		if err != nil || updated {
			return err
		}
	}
	return conflict(ctx, b.collection, b.cutOffs, id)
}

// CutOff implements [ports.TokenBlacklist]. The same read (see proven) proves that the
// collection is the one that the server opened.
func (b *tokenBlacklist) CutOff(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
	docs, err := b.proven(ctx, cutOffID(subject))
	if err != nil || len(docs) == 0 {
		return domain.UUID{}, err
	}
	cutOff, err := b.cutOffs.decode(docs[0])
	return cutOff.Value, err
}
