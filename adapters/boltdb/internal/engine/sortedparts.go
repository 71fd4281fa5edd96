package engine

import (
	"iter"
	"slices"
)

// SortedParts returns a value of each row of a table, sorted by compare, in parts of at most
// limit values. No two values may be equal. A part is valid until the next one; the caller
// may change it.
//
// SortedParts reads the table once for each part and keeps at most twice limit values. So the
// memory of a migration that sorts does not depend on the number of rows.
func SortedParts[V any](tx *Tx, table Table, limit int, valueOf func(Row) (V, error), compare func(a, b V) int) iter.Seq2[[]V, error] {
	return func(yield func([]V, error) bool) {
		s := partSorter[V]{tx, table, limit, valueOf, compare}
		var last *V
		var part []V
		for {
			var err error
			part, err = s.next(last, part[:0])
			if err != nil {
				yield(nil, err)
				return
			}
			if len(part) == 0 {
				return
			}
			last = new(part[len(part)-1])
			isLastPart := len(part) < limit
			if !yield(part, nil) || isLastPart {
				return
			}
		}
	}
}

// partSorter has the arguments of SortedParts.
type partSorter[V any] struct {
	tx      *Tx
	table   Table
	limit   int
	valueOf func(Row) (V, error)
	compare func(a, b V) int
}

// next returns the next values after the given one. If after is nil, it returns the first
// values. It uses the memory of part, which is empty.
func (s partSorter[V]) next(after *V, part []V) ([]V, error) {
	var bound *V // a value after bound is not in the result
	for row, err := range s.table.Rows(s.tx, nil) {
		if err != nil {
			return nil, err
		}
		value, err := s.valueOf(row)
		if err != nil {
			return nil, err
		}
		if after != nil && s.compare(value, *after) <= 0 || bound != nil && s.compare(value, *bound) > 0 {
			continue
		}
		if part = append(part, value); len(part) == 2*s.limit {
			part = s.first(part)
			bound = new(part[s.limit-1])
		}
	}
	return s.first(part), nil
}

// first sorts the values and returns the first ones, at most limit.
func (s partSorter[V]) first(part []V) []V {
	slices.SortFunc(part, s.compare)
	return part[:min(len(part), s.limit)]
}
