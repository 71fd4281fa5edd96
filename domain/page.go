package domain

import (
	"math"
	"slices"
)

// DefaultPageSize is the number of items on a page when a request names none.
const DefaultPageSize = 10

// PageSizes returns the valid sizes of a page.
func PageSizes() []int { return []int{5, 10, 25, 50, 100} }

// PageRequest asks for one page of a list. Make it with [NewPageRequest].
type PageRequest struct {
	number int
	size   int
}

// NewPageRequest returns a request for the page with the given number, counted
// from 1, of a list with size items on each page. It returns an [Invalid] error
// with the field "number" if number is less than 1, and with the field "size" if
// size is not one of [PageSizes].
func NewPageRequest(number, size int) (PageRequest, error) {
	fields := Fields{}
	if number < 1 {
		fields.Add("number", invalid("must be 1 or more"))
	}
	if !slices.Contains(PageSizes(), size) {
		fields.Add("size", invalid("must be 5, 10, 25, 50 or 100"))
	}
	if err := fields.Err(); err != nil {
		return PageRequest{}, err
	}
	return PageRequest{number: number, size: size}, nil
}

// Number returns the page's number, counted from 1.
func (r PageRequest) Number() int { return r.number }

// Size returns the number of items on a page.
func (r PageRequest) Size() int { return r.size }

// Offset returns the number of items before the page, at most [math.MaxInt].
func (r PageRequest) Offset() int {
	if r.number-1 > math.MaxInt/r.size {
		return math.MaxInt
	}
	return (r.number - 1) * r.size
}

// Page is one page of a list of T. A page past the end has no items.
type Page[T any] struct {
	Request    PageRequest
	Items      []T
	TotalItems int // number of items on all pages when the page was read
}

// TotalPages returns the number of pages, 0 for an empty list.
func (p Page[T]) TotalPages() int {
	return (p.TotalItems + p.Request.size - 1) / p.Request.size
}

// LastPage returns the number of the last page, 1 for an empty list.
func (p Page[T]) LastPage() int { return max(p.TotalPages(), 1) }

// HasPrev reports whether a page comes before this one.
func (p Page[T]) HasPrev() bool { return p.Request.number > 1 }

// HasNext reports whether a page comes after this one.
func (p Page[T]) HasNext() bool { return p.Request.number < p.TotalPages() }

// PrevPage returns the number of the page before this one. For a page past the
// end it is the last page.
func (p Page[T]) PrevPage() int { return min(p.Request.number-1, p.LastPage()) }

// NextPage returns the number of the page after this one.
func (p Page[T]) NextPage() int { return p.Request.number + 1 }
