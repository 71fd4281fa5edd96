package memory

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/widgetd/widgetd/domain"
)

var errNoPosition = &domain.Error{Kind: domain.Invalid, Message: "memory: the text is no position in the list"}

// pageOf returns a page of the values of the records.
func pageOf[R, T any](records []R, request domain.PageRequest, value func(R) T) domain.Page[T] {
	rest := records[min(request.Offset(), len(records)):]
	items := make([]T, min(request.Size(), len(rest)))
	for i := range items {
		items[i] = value(rest[i])
	}
	return domain.Page[T]{Request: request, Items: items, TotalItems: len(records)}
}

// sliceOf returns at most limit of the values of the records after a position. The records
// are sorted by key, which is also the position of a record: size bytes as hexadecimal
// digits.
func sliceOf[R, T any](records []R, size int, key func(R) string, value func(R) T, position string, limit int) (domain.Slice[T], error) {
	begin := 0
	if position != "" {
		if decoded, err := hex.DecodeString(position); err != nil || len(decoded) != size || hex.EncodeToString(decoded) != position {
			return domain.Slice[T]{}, errNoPosition
		}
		i, found := slices.BinarySearchFunc(records, position, func(r R, p string) int { return strings.Compare(key(r), p) })
		begin = i
		if found {
			begin++
		}
	}
	rest := records[begin:]
	var slice domain.Slice[T]
	for _, r := range rest[:min(limit, len(rest))] {
		slice.Items = append(slice.Items, value(r))
	}
	if len(rest) > limit {
		slice.Next = key(rest[limit-1])
	}
	return slice, nil
}

// eachOf returns the error of f for each value.
func eachOf[T any](values []T, f func(T) error) []error {
	errs := make([]error, len(values))
	for i, value := range values {
		errs[i] = f(value)
	}
	return errs
}
