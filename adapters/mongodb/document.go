package mongodb

import (
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// document reads the fields of a document. It remembers the first that is not
// what this package writes, as an error that names it and never quotes it: it
// may be an email or a hash.
type document struct {
	collection string
	raw        bson.Raw
	err        error
}

func (d *document) text(path ...string) string {
	return field(d, "a string", bson.RawValue.StringValueOK, path...)
}

func (d *document) flag(path ...string) bool {
	return field(d, "a boolean", bson.RawValue.BooleanOK, path...)
}

func (d *document) moment(path ...string) time.Time {
	return field(d, "a date of the years 1 to 9999", momentOK, path...)
}

func (d *document) uuid(path ...string) domain.UUID {
	return field(d, "a UUID (subtype 4)", uuidOK, path...)
}

func (d *document) email(path ...string) domain.Email {
	return field(d, "an email", parsed(domain.ParseEmail), path...)
}

// field returns what get makes of the field at the end of the path.
func field[T any](d *document, want string, get func(bson.RawValue) (T, bool), path ...string) (got T) {
	value, err := d.raw.LookupErr(path...)
	if err != nil {
		d.odd(path, "is missing")
		return got
	}
	got, ok := get(value)
	if !ok {
		d.odd(path, fmt.Sprintf("is not %s but of type %s", want, value.Type))
	}
	return got
}

// odd notes what is wrong with the field at the end of the path.
func (d *document) odd(path []string, what string) {
	if d.err == nil {
		d.err = fmt.Errorf("mongodb: collection %s, _id %s: the field %s %s",
			d.collection, idText(d.raw.Lookup("_id")), strings.Join(path, "."), what)
	}
}

// idText returns an _id for an error, or its type if it could be anything.
func idText(id bson.RawValue) string {
	if uuid, ok := uuidOK(id); ok {
		return uuid.String()
	}
	if objectID, ok := id.ObjectIDOK(); ok {
		return objectID.Hex()
	}
	return "of type " + id.Type.String()
}

// parsed returns a getter of a text that parse takes.
func parsed[T any](parse func(string) (T, error)) func(bson.RawValue) (T, bool) {
	return func(value bson.RawValue) (T, bool) {
		text, _ := value.StringValueOK() // else empty, which nothing here may be
		made, err := parse(text)
		return made, err == nil
	}
}

func momentOK(value bson.RawValue) (time.Time, bool) {
	millis, ok := value.DateTimeOK()
	moment := time.UnixMilli(millis).UTC()
	return moment, ok && moment.Year() >= 1 && moment.Year() <= 9999
}

func uuidOK(value bson.RawValue) (domain.UUID, bool) {
	subtype, data, ok := value.BinaryOK()
	if !ok || subtype != bson.TypeBinaryUUID || len(data) != len(domain.UUID{}) {
		return domain.UUID{}, false
	}
	return domain.UUID(data), true
}

func binary(id domain.UUID) bson.Binary {
	return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id[:]}
}

// ofType matches the fields that hold values of the BSON type, so that a write
// leaves alone what a read would take for odd.
func ofType(alias string) bson.D { return bson.D{{Key: "$type", Value: alias}} }
