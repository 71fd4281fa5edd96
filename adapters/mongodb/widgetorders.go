package mongodb

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// ownerField is the field with the public id of the owner of a widget.
const ownerField = "owner.public_id"

// creationFields returns the fields of the order of creation.
func creationFields() []string { return []string{"seq", "_id"} }

// deadlineFields returns the fields of the order of deadlines.
func deadlineFields() []string { return append([]string{"deadline"}, creationFields()...) }

// owned returns the fields of the index for an order within one owner.
func owned(fields []string) []string { return slices.Insert(fields, 0, ownerField) }

// The tags of positions in lists of widgets.
const (
	creationTag = 'c'
	deadlineTag = 'd'
)

// widgetOrder returns the order of a query.
func widgetOrder(query domain.WidgetQuery) order {
	fields := creationFields()
	p := part{tag: creationTag}
	if query.Sort == domain.ByDeadline {
		fields = deadlineFields()
		p = part{tag: deadlineTag, fields: []orderField{deadlineBetween(query.From, query.To)}}
	}
	p.fields = append(p.fields, orderField{name: "seq", kind: "timestamp"}, orderField{name: "_id", kind: "binData"})
	o := order{index: ascending(fields...), sort: ascending(fields...)}
	if query.Owner != nil {
		p.equal = bson.D{{Key: ownerField, Value: binary(*query.Owner)}}
		o.index = ascending(owned(fields)...)
	}
	o.parts = []part{p}
	return o
}

func deadlineBetween(from, to *domain.Deadline) orderField {
	field := orderField{name: "deadline", kind: "date"}
	if from != nil {
		field.from = from.Time()
	}
	if to != nil {
		field.to = to.Time()
	}
	return field
}
