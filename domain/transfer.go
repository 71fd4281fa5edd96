package domain

// ImportReport counts the lines of an import.
type ImportReport struct {
	Lines   int // read so far
	Added   int
	Found   int // the store had the record already
	Refused int // wrong, or in conflict with another record
}
