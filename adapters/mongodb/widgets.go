package mongodb

import (
	"context"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// widgetRepository implements [ports.WidgetRepository].
type widgetRepository struct {
	*uniqueness
	schema schema[domain.Widget]
	list   list[domain.Widget]
}

// revisedVersion is the version of documents that have the field version.
const revisedVersion = 3

func newWidgetRepository(docs *uniqueness, unreadable func(string, error)) *widgetRepository {
	schema := widgetSchema()
	return &widgetRepository{docs, schema, list[domain.Widget]{
		docs.collection, schema, ascending(creationFields()...), newDeepPages(), unreadable,
	}}
}

func widgetSchema() schema[domain.Widget] {
	return schema[domain.Widget]{widgets, []func(*document) domain.Widget{
		decodeOldWidget,
		decodeOldWidget, // version 2 only added the version
		decodeWidget,
	}}
}

// Add implements [ports.WidgetRepository]. It makes two round trips.
func (w *widgetRepository) Add(ctx context.Context, widget domain.Widget) error {
	doc, err := w.document(widget)
	if err != nil {
		return err
	}
	return w.insertUnique(ctx, doc[0].Value, doc)
}

// AddAll implements [ports.WidgetRepository] with the round trips of
// insertAll.
func (w *widgetRepository) AddAll(ctx context.Context, widgets []domain.Widget) ([]error, error) {
	return insertAll(ctx, w.uniqueness, widgets, w.document)
}

// document returns a new document. Its _id is greater than that of the previous one.
func (w *widgetRepository) document(widget domain.Widget) (bson.D, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	return bson.D{
		byID(binary(domain.UUID(id))),
		{Key: "seq", Value: bson.Timestamp{}}, // MongoDB replaces a zero timestamp
		w.schema.version(),
		{Key: "name", Value: widget.Name.String()},
		{Key: "info_url", Value: widget.InfoURL.String()},
		{Key: "deadline", Value: widget.Deadline.Time()},
		{Key: "created_at", Value: widget.CreatedAt},
		{Key: "owner", Value: ownerDocument(widget.Owner)},
		{Key: revisionField, Value: int64(widget.Version)},
	}, nil
}

func ownerDocument(owner domain.Owner) bson.D {
	return bson.D{
		{Key: "public_id", Value: binary(owner.PublicID)},
		{Key: "email", Value: textOrNull(owner.Email.String())},
	}
}

// ByName implements [ports.WidgetRepository].
func (w *widgetRepository) ByName(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
	raw, err := w.one(ctx, byName(name))
	if err != nil {
		return domain.Widget{}, err
	}
	return w.schema.decode(raw)
}

// byName returns the condition that matches the document of the widget with the name.
func byName(name domain.WidgetName) bson.E { return bson.E{Key: "name", Value: name.String()} }

// List implements [ports.WidgetRepository] with the round trips of [list.read].
func (w *widgetRepository) List(ctx context.Context, request domain.PageRequest) (domain.Page[domain.Widget], error) {
	return w.list.read(ctx, request)
}

// Slice implements [ports.WidgetRepository].
func (w *widgetRepository) Slice(ctx context.Context, query domain.WidgetQuery, position string, limit int) (domain.Slice[domain.Widget], error) {
	return w.list.slice(ctx, widgetOrder(query), query.Reverse, position, limit)
}

func decodeWidget(doc *document) domain.Widget {
	widget := decodeFields(doc)
	widget.Owner.Email = domain.RestoreEmail(doc.textOrNull("owner", "email"))
	widget.Version = domain.Version(doc.int64(revisionField))
	return widget
}

// decodeOldWidget returns a widget that was not changed since it had no version.
func decodeOldWidget(doc *document) domain.Widget {
	widget := decodeFields(doc)
	widget.Owner.Email = domain.RestoreEmail(doc.text("owner", "email"))
	widget.Version = domain.FirstVersion(widget.CreatedAt)
	return widget
}

// decodeFields decodes the fields that are the same in all versions.
func decodeFields(doc *document) domain.Widget {
	return domain.Widget{
		Name: domain.RestoreWidgetName(doc.text("name")),
		WidgetFields: domain.WidgetFields{
			InfoURL:  domain.RestoreInfoURL(doc.text("info_url")),
			Deadline: domain.RestoreDeadline(doc.time("deadline")),
		},
		CreatedAt: doc.time("created_at"),
		Owner:     domain.Owner{PublicID: doc.uuid("owner", "public_id")},
	}
}

// fieldTypes returns the conditions that the fields can be read which are the same in all
// versions.
func fieldTypes() bson.D {
	return bson.D{
		{Key: "info_url", Value: ofType("string")},
		{Key: "deadline", Value: ofType("date")},
		{Key: "created_at", Value: ofType("date")},
		{Key: ownerField, Value: ofType("binData")},
	}
}

// values returns the new values of the fields, with the latest version of a document.
func (w *widgetRepository) values(change domain.WidgetChange) bson.D {
	values := bson.D{w.schema.version()}
	if change.InfoURL != nil {
		values = append(values, bson.E{Key: "info_url", Value: change.InfoURL.String()})
	}
	if change.Deadline != nil {
		values = append(values, bson.E{Key: "deadline", Value: change.Deadline.Time()})
	}
	if change.Owner != nil {
		values = append(values, bson.E{Key: "owner", Value: ownerDocument(*change.Owner)})
	}
	return values
}
