package mongodb

import (
	"cmp"
	"context"
	"math"
	"sync"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Widgets keeps widgets. It implements [ports.WidgetRepository].
type Widgets struct {
	collection
}

var _ ports.WidgetRepository = (*Widgets)(nil)

// Add implements [ports.WidgetRepository].
func (w *Widgets) Add(ctx context.Context, widget domain.Widget) error {
	id, err := uuid.NewV7() // larger than the one before
	if err != nil {
		return err
	}
	return w.insert(ctx, bson.D{
		{Key: "_id", Value: binary(domain.UUID(id))},
		{Key: "seq", Value: bson.Timestamp{}}, // for the store to fill in
		{Key: "name", Value: widget.Name.String()},
		{Key: "info_url", Value: widget.InfoURL.String()},
		{Key: "deadline", Value: widget.Deadline.Time()},
		{Key: "created_at", Value: widget.CreatedAt},
		{Key: "owner", Value: bson.D{
			{Key: "public_id", Value: binary(widget.Owner.PublicID)},
			{Key: "email", Value: widget.Owner.Email.String()},
		}},
	})
}

// ByName implements [ports.WidgetRepository].
func (w *Widgets) ByName(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
	raw, err := w.one(ctx, bson.E{Key: "name", Value: name.String()})
	if err != nil {
		return domain.Widget{}, err
	}
	return readWidget(raw)
}

// List implements [ports.WidgetRepository]. The items and the count are asked
// for at the same time. The count is the collection's own, which costs the same
// however many widgets there are. It is exact, save after a crash of the store,
// until the command validate has counted anew, and it never contradicts the items.
func (w *Widgets) List(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
	var (
		items              []domain.Widget
		count              int
		errItems, errCount error
		both               sync.WaitGroup
	)
	both.Go(func() { items, errItems = w.page(ctx, request) })
	both.Go(func() { count, errCount = w.count(ctx) })
	both.Wait()
	if err := cmp.Or(errItems, errCount); err != nil {
		return domain.Page{}, err
	}
	return domain.Page{Request: request, Items: items, TotalItems: total(request, len(items), count)}, nil
}

// Update implements [ports.WidgetRepository]. It leaves alone a widget with a
// field that is missing or of another type. It is one round trip, or another
// where nothing was updated, to tell whether for that reason.
func (w *Widgets) Update(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
	matched, err := w.update(ctx, bson.D{
		{Key: "name", Value: name.String()},
		{Key: "info_url", Value: ofType("string")},
		{Key: "deadline", Value: ofType("date")},
		{Key: "created_at", Value: ofType("date")},
		{Key: "owner.public_id", Value: ofType("binData")},
		{Key: "owner.email", Value: ofType("string")},
	}, bson.D{{Key: "$set", Value: bson.D{
		{Key: "info_url", Value: infoURL.String()},
		{Key: "deadline", Value: deadline.Time()},
	}}})
	if err != nil || matched {
		return err
	}
	if _, err := w.ByName(ctx, name); err != nil {
		return err
	}
	return domain.NotFound // it was, when Update looked
}

// Delete implements [ports.WidgetRepository].
func (w *Widgets) Delete(ctx context.Context, name domain.WidgetName) error {
	removed, err := w.remove(ctx, bson.E{Key: "name", Value: name.String()})
	if err == nil && !removed {
		return domain.NotFound
	}
	return err
}

// page returns the widgets of a page.
func (w *Widgets) page(ctx context.Context, request domain.PageRequest) ([]domain.Widget, error) {
	skip := min(request.Offset(), math.MaxInt-request.Size()) // the store adds them up
	docs, err := w.many(ctx, bson.D{}, options.Find().
		SetSort(bson.D{{Key: "seq", Value: 1}, {Key: "_id", Value: 1}}).
		SetSkip(int64(skip)).
		SetLimit(int64(request.Size())))
	if err != nil {
		return nil, err
	}
	page := make([]domain.Widget, len(docs))
	for i, doc := range docs {
		if page[i], err = readWidget(doc); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// total returns the count of all widgets as far as the items of a page prove it,
// for the two were not read at the same moment.
func total(request domain.PageRequest, items, count int) int {
	switch items {
	case 0: // a page past the end
		return min(count, request.Offset())
	case request.Size(): // there may be more
		return max(count, request.Offset()+items)
	}
	return request.Offset() + items // the last page
}

func readWidget(raw bson.Raw) (domain.Widget, error) {
	doc := &document{collection: widgets, raw: raw}
	widget := domain.Widget{
		Name:      field(doc, "a widget's name", parsed(domain.ParseWidgetName), "name"),
		InfoURL:   field(doc, "a URL", parsed(domain.ParseInfoURL), "info_url"),
		Deadline:  domain.RestoreDeadline(doc.moment("deadline")),
		CreatedAt: doc.moment("created_at"),
		Owner: domain.Owner{
			PublicID: doc.uuid("owner", "public_id"),
			Email:    doc.email("owner", "email"),
		},
	}
	if doc.err != nil {
		return domain.Widget{}, doc.err
	}
	return widget, nil
}
