package mongodb

import (
	"fmt"
	"math"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// document reads the fields of a BSON document. It keeps the first problem as an
// error, which names the collection, the _id and the field. The error never
// contains a field's value, because that may be an email or a password hash.
//
// A method checks that a field exists and has the right BSON type. It does not
// apply the rules for new values: see "Values from a store" in package domain.
type document struct {
	collection string
	raw        bson.Raw
	err        error
}

func (d *document) text(path ...string) string {
	return field(d, "a string", bson.RawValue.StringValueOK, path...)
}

func (d *document) boolean(path ...string) bool {
	return field(d, "a boolean", bson.RawValue.BooleanOK, path...)
}

func (d *document) time(path ...string) time.Time {
	return field(d, "a date of the years 1 to 9999", timeOK, path...)
}

func (d *document) milliseconds(path ...string) time.Duration {
	return field(d, "a number of milliseconds (int64)", millisecondsOK, path...)
}

func (d *document) int32(path ...string) int32 {
	return field(d, "a 32-bit integer", bson.RawValue.Int32OK, path...)
}

func (d *document) int64(path ...string) int64 {
	return field(d, "a 64-bit integer", bson.RawValue.Int64OK, path...)
}

// textOrNull returns an empty text for null.
func (d *document) textOrNull(path ...string) string {
	return field(d, "a string or null", textOrNullOK, path...)
}

// has reports whether the document has the field.
func (d *document) has(name string) bool { return !d.raw.Lookup(name).IsZero() }

func (d *document) uuid(path ...string) domain.UUID {
	return field(d, "a UUID (subtype 4)", uuidOK, path...)
}

// field returns the value of the field at the end of the path. The function get
// converts the BSON value and reports whether it has the right type.
func field[T any](d *document, want string, get func(bson.RawValue) (T, bool), path ...string) (value T) {
	raw, err := d.raw.LookupErr(path...)
	if err != nil {
		d.failField(path, "is missing")
		return value
	}
	value, ok := get(raw)
	if !ok {
		d.failField(path, fmt.Sprintf("is not %s but of type %s", want, raw.Type))
	}
	return value
}

func (d *document) failField(path []string, problem string) {
	d.fail(fmt.Sprintf("the field %s %s", strings.Join(path, "."), problem))
}

// fail records a problem, unless there is an earlier one.
func (d *document) fail(problem string) {
	if d.err == nil {
		d.err = fmt.Errorf("mongodb: collection %s, _id %s: %s", d.collection, idText(d.raw.Lookup("_id")), problem)
	}
}

// idText returns the text of an _id for an error. For an _id that this package
// never writes, it returns the BSON type.
func idText(id bson.RawValue) string {
	if uuid, ok := uuidOK(id); ok {
		return uuid.String()
	}
	if objectID, ok := id.ObjectIDOK(); ok {
		return objectID.Hex()
	}
	if text, ok := id.StringValueOK(); ok && (text == watermarkID || text == runningID || text == cursorKeyID || isCutOffID(text)) {
		return text
	}
	return "of type " + id.Type.String()
}

func textOrNullOK(value bson.RawValue) (string, bool) {
	if value.Type == bson.TypeNull {
		return "", true
	}
	return value.StringValueOK()
}

func timeOK(value bson.RawValue) (time.Time, bool) {
	millis, ok := value.DateTimeOK()
	at := time.UnixMilli(millis).UTC()
	return at, ok && at.Year() >= 1 && at.Year() <= 9999
}

// millisecondsOK converts a number to a duration. Larger numbers than a duration can
// hold become the longest one.
func millisecondsOK(value bson.RawValue) (time.Duration, bool) {
	n, ok := value.Int64OK()
	return time.Duration(min(n, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond, ok && n >= 0
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

// textOrNull returns the value of a field for a text: null for an empty one.
func textOrNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// byID returns the condition that matches the document with the _id.
func byID(id any) bson.E { return bson.E{Key: "_id", Value: id} }

// ofType returns the condition that a field has the BSON type. The filter of an
// update has this condition for each field that a decoder reads, so that the update
// does not change a document that cannot be read.
func ofType(alias string) bson.D { return bson.D{{Key: "$type", Value: alias}} }

// exists returns the condition that a document has a field or not.
func exists(has bool) bson.D { return bson.D{{Key: "$exists", Value: has}} }
