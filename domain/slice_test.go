package domain_test

import (
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// queries returns queries that differ in one part each.
func queries() []domain.WidgetQuery {
	at := func(ms int) *domain.Deadline {
		deadline := domain.RestoreDeadline(sample.Time().Add(time.Duration(ms) * time.Millisecond))
		return &deadline
	}
	old := domain.RestoreDeadline(time.UnixMilli(-1))
	byDeadline := func(from, to *domain.Deadline) domain.WidgetQuery {
		return domain.WidgetQuery{Sort: domain.ByDeadline, From: from, To: to}
	}
	return []domain.WidgetQuery{
		{Sort: domain.ByCreation},
		{Sort: domain.ByCreation, Reverse: true},
		{Sort: domain.ByDeadline},
		{Sort: domain.ByDeadline, Reverse: true},
		{Sort: domain.ByCreation, Owner: new(sample.ID(1))},
		{Sort: domain.ByCreation, Owner: new(sample.ID(2))},
		byDeadline(at(0), nil),
		byDeadline(nil, at(0)),
		byDeadline(at(0), at(0)),
		byDeadline(at(0), at(1)),
		byDeadline(at(1), at(0)),
		byDeadline(&old, nil),
		{Sort: domain.ByDeadline, Reverse: true, Owner: new(sample.ID(1)), From: at(0), To: at(1)},
	}
}

func TestQueriesHaveDifferentTexts(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for i, query := range queries() {
		text := query.String()
		if other, found := seen[text]; found {
			t.Errorf("queries %d and %d are %q", other, i, text)
		}
		if again := queries()[i].String(); again != text {
			t.Errorf("an equal query is %q, not %q", again, text)
		}
		seen[text] = i
	}
}

func TestQueryIncludesBothBounds(t *testing.T) {
	t.Parallel()
	w := sample.Widget("w")
	bound := func(ms int) *domain.Deadline {
		deadline := domain.RestoreDeadline(w.Deadline.Time().Add(time.Duration(ms) * time.Millisecond))
		return &deadline
	}
	for how, test := range map[string]struct {
		query domain.WidgetQuery
		want  bool
	}{
		"everything":        {domain.WidgetQuery{}, true},
		"from it":           {domain.WidgetQuery{From: bound(0)}, true},
		"from after it":     {domain.WidgetQuery{From: bound(1)}, false},
		"from before it":    {domain.WidgetQuery{From: bound(-1)}, true},
		"to it":             {domain.WidgetQuery{To: bound(0)}, true},
		"to before it":      {domain.WidgetQuery{To: bound(-1)}, false},
		"to after it":       {domain.WidgetQuery{To: bound(1)}, true},
		"exactly it":        {domain.WidgetQuery{From: bound(0), To: bound(0)}, true},
		"the wrong order":   {domain.WidgetQuery{From: bound(1), To: bound(-1)}, false},
		"its owner":         {domain.WidgetQuery{Owner: new(w.Owner.PublicID)}, true},
		"another owner":     {domain.WidgetQuery{Owner: new(sample.ID(9))}, false},
		"nobody":            {domain.WidgetQuery{Owner: new(domain.UUID{})}, false},
		"its owner, not it": {domain.WidgetQuery{Owner: new(w.Owner.PublicID), To: bound(-1)}, false},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			if got := test.query.Includes(w); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
