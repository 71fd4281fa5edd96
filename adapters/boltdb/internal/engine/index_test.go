package engine

import "testing"

func TestIndexRefusesOtherRows(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	index := Index{Table: nameTable, Size: 16}
	for name, run := range map[string]func(*Tx) error{
		"a short key":   func(tx *Tx) error { return index.Add(tx, make([]byte, 15)) },
		"a missing key": func(tx *Tx) error { return index.Remove(tx, make([]byte, 16)) },
	} {
		if err := db.Update(t.Context(), run, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, row := range map[string]Row{
		"length":  {make([]byte, 15), emptyRecord()},
		"version": {make([]byte, 16), Record{Version: 2}},
		"payload": {make([]byte, 16), Record{1, []byte{1}}},
	} {
		if err := index.Decode(row.Key, row.Record); err == nil {
			t.Errorf("another %s: no error", name)
		}
	}
}
