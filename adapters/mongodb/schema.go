package mongodb

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// versionField holds the version of a document. A document of version 1 does not
// have this field.
const versionField = "schema_version"

// schema describes the versions of a kind of document.
//
// To add a field to a document, append a decoder for the new version. Documents of
// the earlier versions keep their decoders, which choose the value of the new
// field. Documents are not migrated: an update that writes the new field must
// write the new version too.
type schema[T any] struct {
	collection string
	decoders   []func(*document) T // of the versions 1, 2 and so on
}

// latest returns the version of new documents.
func (s schema[T]) latest() int32 { return int32(len(s.decoders)) } //nolint:gosec // a few versions

// version returns the field that marks a new document.
func (s schema[T]) version() bson.E { return bson.E{Key: versionField, Value: s.latest()} }

// known returns a condition that matches the documents with a version that this
// program knows. Every update has it, so that no document of a later version is
// changed.
func (s schema[T]) known() bson.E {
	return anyOf(unversioned(), bson.D{versions(1, s.latest())})
}

// unversioned returns a filter that matches the documents of version 1 without a version.
func unversioned() bson.D {
	return bson.D{{Key: versionField, Value: exists(false)}}
}

// versions returns a condition that matches the documents with the versions from first to
// last.
func versions(first, last int32) bson.E {
	return bson.E{Key: versionField, Value: bson.D{
		{Key: "$type", Value: "int"}, {Key: "$gte", Value: first}, {Key: "$lte", Value: last},
	}}
}

// anyOf returns a condition that matches the documents that match one of the filters.
func anyOf(filters ...bson.D) bson.E { return bson.E{Key: "$or", Value: filters} }

// isLater reports whether a later widgetd wrote the document.
func (s schema[T]) isLater(raw bson.Raw) bool {
	version, ok := versionOK(raw.Lookup(versionField))
	return ok && version > s.latest()
}

// decode returns the value in a document, or an error that names the document and
// the problem.
func (s schema[T]) decode(raw bson.Raw) (T, error) {
	var zero T
	doc := &document{collection: s.collection, raw: raw}
	version := doc.version(s.latest())
	if doc.err != nil {
		return zero, doc.err
	}
	value := s.decoders[version-1](doc)
	if doc.err != nil {
		return zero, doc.err
	}
	return value, nil
}

// version returns the document's version, a number from 1 to latest.
func (d *document) version(latest int32) int32 {
	if d.raw.Lookup(versionField).IsZero() {
		return 1
	}
	version := field(d, "a version number (int32 of 1 or more)", versionOK, versionField)
	if version > latest {
		d.fail(fmt.Sprintf("%s %d was written by a later widgetd; this one knows up to %d", versionField, version, latest))
	}
	return version
}

func versionOK(value bson.RawValue) (int32, bool) {
	version, ok := value.Int32OK()
	return version, ok && version >= 1
}
