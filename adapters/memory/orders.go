package memory

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/widgetd/widgetd/domain"
)

// orders has widgets in each order in which they are listed. A nil *orders is empty.
type orders struct {
	created []*widget // by place
	due     []*widget // by deadline, then by place
}

func (o *orders) add(w *widget) {
	o.created = insert(o.created, w, domain.ByCreation)
	o.due = insert(o.due, w, domain.ByDeadline)
}

func (o *orders) remove(w *widget) {
	o.created = remove(o.created, w, domain.ByCreation)
	o.due = remove(o.due, w, domain.ByDeadline)
}

// slice returns a part of the list of a query.
func (o *orders) slice(query domain.WidgetQuery, from *position, limit int) (slice domain.Slice[domain.Widget]) {
	if o == nil {
		return slice
	}
	list := o.created
	if query.Sort == domain.ByDeadline {
		list = o.due
	}
	begin, step := 0, 1
	if query.Reverse {
		begin, step = len(list)-1, -1
	}
	switch {
	case from != nil && query.Reverse:
		begin, _ = search(list, *from, query.Sort)
		begin--
	case from != nil:
		begin, _ = search(list, *from, query.Sort)
		if begin < len(list) && placeOf(list[begin], query.Sort) == *from {
			begin++
		}
	case query.From != nil && !query.Reverse:
		begin, _ = search(list, position{deadline: query.From.Time().UnixMilli()}, query.Sort)
	case query.To != nil && query.Reverse:
		begin, _ = search(list, position{deadline: query.To.Time().UnixMilli() + 1}, query.Sort)
		begin--
	}
	for i := begin; i >= 0 && i < len(list) && query.Includes(list[i].Widget); i += step {
		if len(slice.Items) == limit {
			slice.Next = placeOf(list[i-step], query.Sort).text(query.Sort)
			return slice
		}
		slice.Items = append(slice.Items, list[i].Widget)
	}
	return slice
}

// position is the place of a widget in an order.
type position struct {
	deadline int64 // in milliseconds since 1970; 0 in the order of creation
	place    int
}

func placeOf(w *widget, sort domain.WidgetSort) position {
	if sort == domain.ByDeadline {
		return position{w.Deadline.Time().UnixMilli(), w.place}
	}
	return position{place: w.place}
}

// positionOf parses a position of a query. It returns nil for the beginning.
func positionOf(query domain.WidgetQuery, text string) (*position, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // documented
	}
	var p position
	var err error
	if query.Sort == domain.ByDeadline {
		_, err = fmt.Sscanf(text, "%d/%d", &p.deadline, &p.place)
	} else {
		_, err = fmt.Sscanf(text, "%d", &p.place)
	}
	if err != nil || p.text(query.Sort) != text {
		return nil, errNoPosition
	}
	return &p, nil
}

// text returns the position in the form that positionOf parses.
func (p position) text(sort domain.WidgetSort) string {
	if sort == domain.ByDeadline {
		return fmt.Sprintf("%d/%d", p.deadline, p.place)
	}
	return strconv.Itoa(p.place)
}

func (p position) compare(other position) int {
	return cmp.Or(cmp.Compare(p.deadline, other.deadline), cmp.Compare(p.place, other.place))
}

// search returns the index of the first widget that is not before the position.
func search(list []*widget, at position, sort domain.WidgetSort) (i int, found bool) {
	return slices.BinarySearchFunc(list, at, func(w *widget, at position) int { return placeOf(w, sort).compare(at) })
}

func insert(list []*widget, w *widget, sort domain.WidgetSort) []*widget {
	i, _ := search(list, placeOf(w, sort), sort)
	return slices.Insert(list, i, w)
}

func remove(list []*widget, w *widget, sort domain.WidgetSort) []*widget {
	i, _ := search(list, placeOf(w, sort), sort)
	return slices.Delete(list, i, i+1)
}
