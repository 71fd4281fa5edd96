package boltdb

import (
	"bytes"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// The parts of the keys of the indexes.
const (
	sequenceSize = 8 // the key of a widget
	deadlineSize = 8 // Unix milliseconds, see engine.AppendSigned
	ownerSize    = len(domain.UUID{})
)

// deadlineIndex lists all widgets by deadline. Its keys are the deadline and the sequence
// number.
func deadlineIndex() engine.Index {
	return engine.Index{Table: deadlineTable, Size: deadlineSize + sequenceSize}
}

// ownerIndex lists the widgets of each owner in order of creation. Its keys are the owner's
// public id and the sequence number.
func ownerIndex() engine.Index {
	return engine.Index{Table: ownerTable, Size: ownerSize + sequenceSize}
}

// ownerDeadlineIndex lists the widgets of each owner by deadline. Its keys are the owner's
// public id, the deadline and the sequence number.
func ownerDeadlineIndex() engine.Index {
	return engine.Index{Table: ownerDeadlineTable, Size: ownerSize + deadlineSize + sequenceSize}
}

// indexedWidget has the values of a widget by which it is found.
type indexedWidget struct {
	sequence []byte // its key
	owner    domain.UUID
	deadline int64 // Unix milliseconds
}

func indexed(sequence []byte, w domain.Widget) indexedWidget {
	return indexedWidget{sequence, w.Owner.PublicID, w.Deadline.Time().UnixMilli()}
}

// widgetIndex is an index of widgets.
type widgetIndex struct {
	engine.Index
	key func(indexedWidget) []byte
}

const widgetIndexCount = 3

// widgetIndexes returns every index of widgets. Each widget has one row in each of them.
func widgetIndexes() [widgetIndexCount]widgetIndex {
	return [...]widgetIndex{
		{deadlineIndex(), func(w indexedWidget) []byte {
			key := make([]byte, 0, deadlineSize+sequenceSize)
			return append(engine.AppendSigned(key, w.deadline), w.sequence...)
		}},
		{ownerIndex(), func(w indexedWidget) []byte {
			key := make([]byte, 0, ownerSize+sequenceSize)
			return append(append(key, w.owner[:]...), w.sequence...)
		}},
		{ownerDeadlineIndex(), func(w indexedWidget) []byte {
			key := make([]byte, 0, ownerSize+deadlineSize+sequenceSize)
			key = engine.AppendSigned(append(key, w.owner[:]...), w.deadline)
			return append(key, w.sequence...)
		}},
	}
}

// addToIndexes adds a new widget to every index.
func addToIndexes(tx *engine.Tx, sequence []byte, w domain.Widget) error {
	for _, index := range widgetIndexes() {
		if err := index.Add(tx, index.key(indexed(sequence, w))); err != nil {
			return err
		}
	}
	return nil
}

// removeFromIndexes removes a widget from every index.
func removeFromIndexes(tx *engine.Tx, sequence []byte, w domain.Widget) error {
	for _, index := range widgetIndexes() {
		if err := index.Remove(tx, index.key(indexed(sequence, w))); err != nil {
			return err
		}
	}
	return nil
}

// updateIndexes moves a widget in the indexes in which its place changes.
func updateIndexes(tx *engine.Tx, sequence []byte, before, after domain.Widget) error {
	for _, index := range widgetIndexes() {
		from, to := index.key(indexed(sequence, before)), index.key(indexed(sequence, after))
		if bytes.Equal(from, to) {
			continue
		}
		if err := index.Remove(tx, from); err != nil {
			return err
		}
		if err := index.Add(tx, to); err != nil {
			return err
		}
	}
	return nil
}

// scanOf returns the rows of the table that lists the widgets of a query in their order.
func scanOf(query domain.WidgetQuery) engine.Scan {
	scan := engine.Scan{
		Table:   widgetTable,
		Rest:    sequenceSize,
		From:    deadlineBound(query.From),
		To:      deadlineBound(query.To),
		Reverse: query.Reverse,
	}
	isOwned := query.Owner != nil
	if isOwned {
		scan.Table, scan.Prefix = ownerTable, query.Owner[:]
	}
	if query.Sort == domain.ByDeadline {
		scan.Table, scan.Rest = deadlineTable, deadlineSize+sequenceSize
		if isOwned {
			scan.Table = ownerDeadlineTable
		}
	}
	return scan
}

func deadlineBound(at *domain.Deadline) []byte {
	if at == nil {
		return nil
	}
	return engine.AppendSigned(nil, at.Time().UnixMilli())
}

// sequenceOf returns the sequence number of the widget of a row that scanOf describes: the
// end of its key.
func sequenceOf(key []byte) []byte { return key[len(key)-sequenceSize:] }
