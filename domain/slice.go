package domain

import "fmt"

// Slice is a part of a list that is read by position, not by page number. The position of
// an item depends on the item alone, so that writes of other items do not move it.
type Slice[T any] struct {
	Items []T
	Next  string // where the next slice begins; empty if no item follows
}

// WidgetSort is the order of a list of widgets.
type WidgetSort string

// The orders of a list of widgets.
const (
	ByCreation WidgetSort = "created"
	ByDeadline WidgetSort = "deadline" // equal deadlines in order of creation
)

// WidgetQuery describes a list of widgets that is read by position. The zero value is not
// valid: Sort must be set.
type WidgetQuery struct {
	Sort    WidgetSort
	Reverse bool // the last widget of the order first

	// Owner is the public id of the owner of all widgets in the list. Nil means every
	// owner.
	Owner *UUID

	// From and To are the earliest and the latest deadline of the widgets in the list,
	// both inclusive. Nil means that there is no bound. A query with bounds is
	// ByDeadline. If From is after To, the list is empty.
	From, To *Deadline
}

// String returns a text that is different for different queries.
func (q WidgetQuery) String() string {
	text := "widgets sort=" + string(q.Sort)
	if q.Reverse {
		text = "widgets sort=-" + string(q.Sort)
	}
	if q.Owner != nil {
		text += " owner=" + q.Owner.String()
	}
	if q.From != nil {
		text += fmt.Sprintf(" from=%d", q.From.Time().UnixMilli())
	}
	if q.To != nil {
		text += fmt.Sprintf(" to=%d", q.To.Time().UnixMilli())
	}
	return text
}

// Includes reports whether a widget is in the list.
func (q WidgetQuery) Includes(w Widget) bool {
	at := w.Deadline.Time()
	return (q.Owner == nil || w.Owner.PublicID == *q.Owner) &&
		(q.From == nil || !at.Before(q.From.Time())) &&
		(q.To == nil || !at.After(q.To.Time()))
}
