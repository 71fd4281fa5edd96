package mongodb

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// revisionField holds the version of a widget. Documents of the versions 1 and 2 do not
// have it. Their widgets have the version that [domain.FirstVersion] returns for the time
// of creation.
const revisionField = "version"

// maxAttempts is how often a write is tried. It is tried again if another write has changed
// the document between the write and the read after it.
const maxAttempts = 10

// Update implements [ports.WidgetRepository]. It is one round trip if the widget meets the
// condition: the filter contains the condition. Otherwise a second one finds out the
// reason. The first change of a document without a version takes three.
func (w *widgetRepository) Update(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
	return w.write(ctx, name, condition, widgetWrite{
		revised: func(filter bson.D) (bson.Raw, error) {
			filter = append(filter, bson.E{Key: "owner.email", Value: bson.D{{Key: "$type", Value: bson.A{"string", "null"}}}})
			return w.replaced(ctx, append(filter, fieldTypes()...), bson.D{
				{Key: "$set", Value: w.values(change)},
				{Key: "$inc", Value: bson.D{{Key: revisionField, Value: int64(1)}}},
			})
		},
		unrevised: func(filter bson.D, before domain.Widget) (bson.Raw, error) {
			filter = append(filter, bson.E{Key: "owner.email", Value: ofType("string")})
			next := before.Changed(change).Version
			return w.replaced(ctx, append(filter, fieldTypes()...), bson.D{
				{Key: "$set", Value: append(w.values(change), bson.E{Key: revisionField, Value: int64(next)})},
			})
		},
	})
}

// Delete implements [ports.WidgetRepository] with the round trips of Update. Without a
// condition it is one round trip, and also deletes a widget that cannot be read. It then
// returns a widget with the name only.
func (w *widgetRepository) Delete(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
	if condition.IsNone() {
		return w.deleteAny(ctx, name)
	}
	return w.write(ctx, name, condition, widgetWrite{
		revised:   func(filter bson.D) (bson.Raw, error) { return w.removed(ctx, filter) },
		unrevised: func(filter bson.D, _ domain.Widget) (bson.Raw, error) { return w.removed(ctx, filter) },
	})
}

func (w *widgetRepository) deleteAny(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
	if err := w.allow(); err != nil {
		return domain.Widget{}, err
	}
	doc, err := w.removed(ctx, bson.D{byName(name)})
	if err != nil {
		return domain.Widget{}, err
	}
	if deleted, err := w.schema.decode(doc); err == nil {
		return deleted, nil
	}
	return domain.Widget{Name: name}, nil
}

// widgetWrite writes the document that matches a filter and returns it as it was before, or
// NotFound. One function is for documents with a version, the other for those without.
type widgetWrite struct {
	revised   func(filter bson.D) (bson.Raw, error)
	unrevised func(filter bson.D, before domain.Widget) (bson.Raw, error)
}

// write writes the document of the widget with the name, if it meets the condition, and
// returns the widget as it was before.
func (w *widgetRepository) write(ctx context.Context, name domain.WidgetName, condition domain.Condition, write widgetWrite) (domain.Widget, error) {
	if err := w.allow(); err != nil {
		return domain.Widget{}, err
	}
	for range maxAttempts {
		doc, err := bson.Raw(nil), error(domain.NotFound)
		if condition.AllowsExisting() {
			doc, err = write.revised(w.revised(name, condition))
		}
		if errors.Is(err, domain.NotFound) {
			doc, err = w.writeUnrevised(ctx, name, condition, write)
		}
		switch {
		case err == nil:
			return w.schema.decode(doc)
		case !errors.Is(err, errOvertaken):
			return domain.Widget{}, err
		}
	}
	return domain.Widget{}, contention(widgets)
}

// errOvertaken is the error of an attempt that another write has interfered with.
var errOvertaken = errors.New("mongodb: another write changed the document at the same time")

// writeUnrevised writes a document that has no version. Otherwise it returns the reason why
// no document matches the filter of revised.
func (w *widgetRepository) writeUnrevised(ctx context.Context, name domain.WidgetName, condition domain.Condition, write widgetWrite) (bson.Raw, error) {
	raw, err := w.one(ctx, byName(name))
	if err != nil {
		return nil, err
	}
	before, err := w.schema.decode(raw)
	if err != nil {
		return nil, err
	}
	if err := condition.Check(before.Version); err != nil {
		return nil, err
	}
	if !raw.Lookup(revisionField).IsZero() {
		return nil, errOvertaken
	}
	doc, err := write.unrevised(unrevised(before), before)
	if errors.Is(err, domain.NotFound) {
		return nil, errOvertaken
	}
	return doc, err
}

// revised returns a filter that matches the document of the widget with the name if it has
// a version, and the version meets the condition. The condition allows some version.
func (w *widgetRepository) revised(name domain.WidgetName, condition domain.Condition) bson.D {
	version := ofType("long")
	if condition.Match != nil && !condition.Match.Every {
		version = append(version, bson.E{Key: "$in", Value: versionList(condition.Match)})
	}
	if condition.NoneMatch != nil {
		version = append(version, bson.E{Key: "$nin", Value: versionList(condition.NoneMatch)})
	}
	return bson.D{
		byName(name),
		{Key: revisionField, Value: version},
		w.revisedVersions(),
	}
}

// revisedVersions returns the condition that a document is of a version with the field
// version.
func (w *widgetRepository) revisedVersions() bson.E {
	return versions(revisedVersion, w.schema.latest())
}

func versionList(set *domain.Versions) bson.A {
	list := make(bson.A, len(set.List))
	for i, version := range set.List {
		list[i] = int64(version)
	}
	return list
}

// unrevised returns a filter that matches the document of the widget while it has no
// version. The version of the widget then depends on the time of creation alone.
func unrevised(widget domain.Widget) bson.D {
	return bson.D{
		byName(widget.Name),
		{Key: "created_at", Value: widget.CreatedAt},
		anyOf(unversioned(), bson.D{versions(1, revisedVersion-1)}),
	}
}
