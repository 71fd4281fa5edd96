package boltdb

import (
	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// addIndexes emits the rows that a file of format 5 does not have: the indexes of widgets,
// the deleted accounts, and the key for cursors.
func addIndexes(old *engine.Tx, emit func(engine.TableRow) error) error {
	if err := emitCursorKey(emit); err != nil {
		return err
	}
	if err := emitDeparted(old, emit); err != nil {
		return err
	}
	for _, index := range widgetIndexes() {
		keyOf := func(row engine.Row) ([]byte, error) {
			w, err := decodeIndexed(row)
			if err != nil {
				return nil, widgetTable.Damaged(row.Key, err)
			}
			return index.key(w), nil
		}
		if err := index.Emit(old, widgetTable, keyOf, emit); err != nil {
			return err
		}
	}
	return nil
}

// countIndexes returns the number of rows that addIndexes emits.
func countIndexes(old *engine.Tx) (int, error) {
	widgets, err := widgetOrder().Len(old)
	if err != nil {
		return 0, err
	}
	rows := 1 + widgetIndexCount*widgets
	err = emitDeparted(old, func(engine.TableRow) error {
		rows++
		return nil
	})
	return rows, err
}

// emitDeparted emits the public ids of deleted accounts: those whose cut-off has the value
// AccountDeleted.
func emitDeparted(old *engine.Tx, emit func(engine.TableRow) error) error {
	for row, err := range cutOffTable.Rows(old, nil) {
		if err != nil {
			return err
		}
		c, err := readCutOff(row)
		if err != nil {
			return err
		}
		if c.value != domain.AccountDeleted {
			continue
		}
		departed := engine.Row{Key: row.Key, Record: presence()}
		if err := emit(engine.TableRow{Table: departedTable, Row: departed}); err != nil {
			return err
		}
	}
	return nil
}
