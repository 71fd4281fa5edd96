package engine

import (
	"fmt"
	"strconv"
)

// Schema describes the files of a program, in every format that the program can
// read.
type Schema struct {
	// Program is the name of the program. It appears in error messages, and it is
	// the name of the table with the format number.
	Program string

	// Format is the format of the files that the program writes.
	Format int

	// Unversioned is the number of the oldest format if its records have no version,
	// and 0 otherwise. The engine reads these records as records of version 1.
	Unversioned int

	// Tables are the tables of all formats.
	Tables []TableSchema

	// Orders are the order indexes of Format.
	Orders []OrderIndex

	// Create emits the first rows of a new file. It may be nil.
	Create func(emit func(TableRow) error) error

	// Migrations are the steps from the oldest known format to Format: the first
	// step reads the oldest format, and each step writes the format that the next
	// step reads.
	Migrations []Migration
}

// TableSchema describes one table.
type TableSchema struct {
	Table Table
	Since int // the first format that has the table

	// RowOf is a table that has as many rows as this one in files of Schema.Format. Open
	// compares the numbers. RowOf is empty if there is no such table.
	RowOf Table

	// Decode returns an error if it cannot decode the record. Open calls it for
	// every record of the file. Payload and key are valid during the call only.
	Decode func(key []byte, record Record) error
}

// Migration is the step from the format From to the format From+1.
type Migration struct {
	From int

	// Prepare returns the function that converts the rows. It may read the old file, and is
	// called before any row is converted. If Prepare is nil, the new file gets the same rows
	// as the old one.
	//
	// A migration without Prepare is enough for a new optional field, whose
	// record version tells old records from new ones, and for a new table that
	// is empty at first or that Extend fills.
	Prepare func(old *Tx) (Convert, error)

	// Extend emits rows for new tables. It is called once, when every row of the
	// old file was converted. It may be nil.
	Extend func(old *Tx, emit func(TableRow) error) error

	// Added returns the number of rows that Extend emits, for the progress. If it is
	// nil, the progress does not count these rows.
	Added func(old *Tx) (int, error)
}

// Convert is called for each row of the old file. It emits the rows of the new file that
// replace this row. The calls are in the order of Schema.Tables, and in the order of the keys
// within a table. No key of a table may be emitted twice. An emitted row may share memory with
// the old one.
type Convert func(old TableRow, emit func(TableRow) error) error

// TableRow is a row together with the table that it belongs to.
type TableRow struct {
	Table Table
	Row
}

// formatKey is the key of the format number in the table named after the program.
// The value is decimal digits without a checksum: every later version of the
// program must be able to read it.
const formatKey = "format"

func (s *Schema) formatTable() Table { return Table(s.Program) }

// tables returns the tables of a format.
func (s *Schema) tables(format int) []TableSchema {
	var tables []TableSchema
	for _, t := range s.Tables {
		if t.Since <= format {
			tables = append(tables, t)
		}
	}
	return tables
}

// since returns the first format that has the table.
func (s *Schema) since(table Table) int {
	for _, t := range s.Tables {
		if t.Table == table {
			return t.Since
		}
	}
	return 0
}

// unsealer returns the function that reads the records of a format.
func (s *Schema) unsealer(format int) func(t Table, key, value []byte) (Record, error) {
	if format == s.Unversioned {
		return Table.unsealUnversioned
	}
	return Table.unseal
}

// parseFormat returns the number of a format that the program knows.
func (s *Schema) parseFormat(text []byte) (int, error) {
	format, err := strconv.Atoi(string(text))
	oldest := s.Format - len(s.Migrations)
	switch {
	case err != nil || format < 1 || strconv.Itoa(format) != string(text):
		return 0, fmt.Errorf("damaged: its format is %q, not a number", text)
	case format > s.Format:
		return 0, fmt.Errorf("has format %d, which a later %s wrote; this one knows up to %d", format, s.Program, s.Format)
	case format < oldest:
		return 0, fmt.Errorf("has format %d, which is too old; this %s knows formats from %d to %d", format, s.Program, oldest, s.Format)
	}
	return format, nil
}

func (s *Schema) formatText(format int) []byte { return []byte(strconv.Itoa(format)) }

// migrationFrom returns the step that reads a format older than s.Format.
func (s *Schema) migrationFrom(format int) Migration {
	return s.Migrations[len(s.Migrations)-(s.Format-format)]
}
