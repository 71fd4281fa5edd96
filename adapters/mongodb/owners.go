package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/widgetd/widgetd/domain"
)

// ownedBatch is the number of widgets that RemoveOwnerEmail reads and changes at once. It
// limits the duration of a round trip.
const ownedBatch = 50

// RemoveOwnerEmail implements [ports.WidgetRepository]. It reads the widgets of the owner by
// position, in the order of creation, and changes those that have the email. For each batch
// it makes one round trip, and another one if a widget has the email, or two if widgets
// without a version do. It leaves documents that cannot be read as they are.
func (w *widgetRepository) RemoveOwnerEmail(ctx context.Context, owner domain.UUID) error {
	if err := w.allow(); err != nil {
		return err
	}
	order := widgetOrder(domain.WidgetQuery{Sort: domain.ByCreation, Owner: &owner})
	for position := ""; ; {
		docs, next, err := w.sliceOf(ctx, order, false, position, ownedBatch)
		if err != nil {
			return err
		}
		complete, err := w.removeEmail(ctx, docs, owner)
		switch {
		case err != nil:
			return err
		case !complete: // other writes interfered: read the batch again
		case next == "":
			return nil
		default:
			position = next
		}
	}
}

// removeEmail removes the email of the owner from documents. It reports whether none of
// them was changed or deleted meanwhile.
func (w *widgetRepository) removeEmail(ctx context.Context, docs []bson.Raw, owner domain.UUID) (complete bool, err error) {
	ids, first := w.withEmail(docs, owner)
	changed, err := w.updateEach(ctx, first)
	if err != nil || len(ids) == 0 {
		return changed == len(first), err
	}
	filter := append(bson.D{byID(bson.D{{Key: "$in", Value: ids}}), {Key: revisionField, Value: ofType("long")}, w.revisedVersions()},
		ownedWithEmail(owner)...)
	n, err := w.updateAll(ctx, filter, bson.D{
		{Key: "$set", Value: w.withoutEmail()},
		{Key: "$inc", Value: bson.D{{Key: revisionField, Value: int64(1)}}},
	})
	return changed+n == len(first)+len(ids), err
}

// withEmail finds the documents that have the email of the owner. It returns the ids of
// those with a version, and an update for each of the others: their first change.
func (w *widgetRepository) withEmail(docs []bson.Raw, owner domain.UUID) (ids bson.A, first []mongo.WriteModel) {
	for _, doc := range docs {
		widget, err := w.schema.decode(doc)
		switch {
		case err != nil || widget.Owner.Email == (domain.Email{}):
		case doc.Lookup(revisionField).IsZero():
			set := append(w.withoutEmail(), bson.E{Key: revisionField, Value: int64(widget.Version + 1)})
			first = append(first, mongo.NewUpdateOneModel().
				SetFilter(append(unrevised(widget), ownedWithEmail(owner)...)).
				SetUpdate(bson.D{{Key: "$set", Value: set}}))
		default:
			ids = append(ids, doc.Lookup("_id"))
		}
	}
	return ids, first
}

// ownedWithEmail returns a filter that matches the widgets of the owner that have the email.
func ownedWithEmail(owner domain.UUID) bson.D {
	return bson.D{{Key: ownerField, Value: binary(owner)}, {Key: "owner.email", Value: ofType("string")}}
}

// withoutEmail returns the values that remove the email.
func (w *widgetRepository) withoutEmail() bson.D {
	return bson.D{w.schema.version(), {Key: "owner.email", Value: nil}}
}
