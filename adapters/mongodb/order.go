package mongodb

import (
	encoding "encoding/binary"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// order describes a list that is read by position. Its parts follow each other, in the
// order of one index.
type order struct {
	index bson.D // the fields of the index
	sort  bson.D // the fields of the index that differ between documents of the list
	parts []part
}

// part describes the documents of an order that have the values in equal, that do not have
// the fields in absent, and in which each of fields has its type. The documents are sorted by
// fields. The values of the last field are unique.
type part struct {
	tag    byte // the first byte of each position; no other list has a part with it
	equal  bson.D
	absent []string
	fields []orderField
}

// orderField is a field of an order. The kind is a key of kinds.
type orderField struct {
	name, kind string
	from, to   any // the least and the greatest value, or nil; for the first field only
}

// A position has the tag of the part and the values of its fields in the last document that
// was read. So it depends on this document alone. The documents behind the position match
// one of several filters, for the fields a, b and c:
//
//	a = A, b = B, c > C
//	a = A, b > B
//	a > A
//
// and those of later parts. Each filter is one interval of the index, in the order of the
// index. MongoDB merges the intervals, so that it examines about as many keys as it returns
// documents, at every position.

// after returns a filter for the documents behind a position, or before it if reverse is
// true. The empty position is the beginning. after returns a [domain.Invalid] error for a
// text that is not a position of the order.
func (o order) after(position string, reverse bool) (bson.D, error) {
	parts := slices.Clone(o.parts)
	comparison := "$gt"
	if reverse {
		slices.Reverse(parts)
		comparison = "$lt"
	}
	var filters []bson.D
	if position != "" {
		i := slices.IndexFunc(parts, func(p part) bool { return p.tag == position[0] })
		if i < 0 {
			return nil, errNoPosition
		}
		values, ok := parts[i].values(position[1:])
		if !ok {
			return nil, errNoPosition
		}
		filters = parts[i].after(values, comparison)
		parts = parts[i+1:]
	}
	for _, p := range parts {
		filters = append(filters, p.filter(nil, 0))
	}
	if len(filters) == 1 {
		return filters[0], nil
	}
	return bson.D{anyOf(filters...)}, nil
}

// sorted returns the order for the command find.
func (o order) sorted(reverse bool) bson.D {
	sort := slices.Clone(o.sort)
	if reverse {
		for i := range sort {
			sort[i].Value = -1
		}
	}
	return sort
}

// position returns the position of a document that a filter of the order has matched.
func (o order) position(doc bson.Raw) string {
	for _, p := range o.parts {
		if position, ok := p.position(doc); ok {
			return position
		}
	}
	return ""
}

// after returns filters for the documents of the part behind the values.
func (p part) after(values []any, comparison string) (filters []bson.D) {
	for i := len(p.fields) - 1; i >= 0; i-- {
		filters = append(filters, p.filter(values[:i], i, bson.E{Key: comparison, Value: values[i]}))
	}
	return filters
}

// filter returns a filter for the documents whose first fields are equal to the values, and
// whose field with the index i matches the comparison too.
func (p part) filter(equal []any, i int, comparison ...bson.E) bson.D {
	filter := slices.Clone(p.equal)
	for _, name := range p.absent {
		filter = append(filter, bson.E{Key: name, Value: exists(false)})
	}
	for j, field := range p.fields {
		switch {
		case j < len(equal):
			filter = append(filter, bson.E{Key: field.name, Value: append(field.bounds(), bson.E{Key: "$eq", Value: equal[j]})})
		case j == i:
			filter = append(filter, bson.E{Key: field.name, Value: append(field.interval(), comparison...)})
		default:
			filter = append(filter, bson.E{Key: field.name, Value: field.interval()})
		}
	}
	return filter
}

// interval returns the condition that the field has its type and is within its bounds.
func (f orderField) interval() bson.D {
	return append(ofType(f.kind), f.bounds()...)
}

func (f orderField) bounds() (bounds bson.D) {
	if f.from != nil {
		bounds = append(bounds, bson.E{Key: "$gte", Value: f.from})
	}
	if f.to != nil {
		bounds = append(bounds, bson.E{Key: "$lte", Value: f.to})
	}
	return bounds
}

// position returns the position of a document, if the document is in the part.
func (p part) position(doc bson.Raw) (string, bool) {
	for _, name := range p.absent {
		if !doc.Lookup(name).IsZero() {
			return "", false
		}
	}
	position := []byte{p.tag}
	for _, field := range p.fields {
		value, ok := kinds()[field.kind].encode(doc.Lookup(field.name))
		if !ok {
			return "", false
		}
		position = append(position, value...)
	}
	return string(position), true
}

// values returns the values of the fields in a position without its tag.
func (p part) values(position string) (values []any, ok bool) {
	rest := []byte(position)
	for _, field := range p.fields {
		var value any
		if value, rest, ok = kinds()[field.kind].decode(rest); !ok {
			return nil, false
		}
		values = append(values, value)
	}
	return values, len(rest) == 0
}

// kind is a BSON type in a position.
type kind struct {
	encode func(bson.RawValue) ([]byte, bool)
	decode func([]byte) (value any, rest []byte, ok bool)
}

// kinds returns the types of the fields of orders, by MongoDB's names for them.
func kinds() map[string]kind {
	return map[string]kind{
		"date":      {encodeDate, decodeDate},
		"timestamp": {encodeTimestamp, decodeTimestamp},
		"binData":   {encodeBinary, decodeBinary},
		"string":    {encodeText, decodeText},
	}
}

const numberBytes = 8

func encodeDate(value bson.RawValue) ([]byte, bool) {
	millis, ok := value.DateTimeOK()
	return encoding.BigEndian.AppendUint64(nil, uint64(millis)), ok //nolint:gosec // keeps the bits
}

func decodeDate(b []byte) (any, []byte, bool) {
	if len(b) < numberBytes {
		return nil, nil, false
	}
	return bson.DateTime(encoding.BigEndian.Uint64(b)), b[numberBytes:], true //nolint:gosec // keeps the bits
}

func encodeTimestamp(value bson.RawValue) ([]byte, bool) {
	t, i, ok := value.TimestampOK()
	return encoding.BigEndian.AppendUint64(nil, uint64(t)<<32|uint64(i)), ok
}

func decodeTimestamp(b []byte) (any, []byte, bool) {
	if len(b) < numberBytes {
		return nil, nil, false
	}
	return bson.Timestamp{T: encoding.BigEndian.Uint32(b), I: encoding.BigEndian.Uint32(b[4:])}, b[numberBytes:], true
}

// encodeBinary writes the length, the subtype and the data.
func encodeBinary(value bson.RawValue) ([]byte, bool) {
	subtype, data, ok := value.BinaryOK()
	return append(append(encoding.AppendUvarint(nil, uint64(len(data))), subtype), data...), ok
}

func decodeBinary(b []byte) (any, []byte, bool) {
	size, n := encoding.Uvarint(b)
	if n <= 0 || uint64(len(b)-n) <= size { //nolint:gosec // not negative
		return nil, nil, false
	}
	subtype, data := b[n], b[n+1:]
	return bson.Binary{Subtype: subtype, Data: data[:size]}, data[size:], true
}

func encodeText(value bson.RawValue) ([]byte, bool) {
	text, ok := value.StringValueOK()
	return append(encoding.AppendUvarint(nil, uint64(len(text))), text...), ok
}

func decodeText(b []byte) (any, []byte, bool) {
	size, n := encoding.Uvarint(b)
	if n <= 0 || uint64(len(b)-n) < size { //nolint:gosec // not negative
		return nil, nil, false
	}
	return string(b[n:][:size]), b[n:][size:], true
}

// errNoPosition is the error for a text that is no position of the list.
var errNoPosition = &domain.Error{Kind: domain.Invalid, Message: "mongodb: the text is no position in the list"}
