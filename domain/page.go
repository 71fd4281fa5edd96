package domain

import (
	"math"
	"slices"
	"strconv"
)

// What a list request means that names no page or no size.
const (
	DefaultPage    = "1"
	DefaultPerPage = "10"
)

// PageRequest asks for one page of a list.
type PageRequest struct {
	number int // from 1
	size   int // 5, 10, 25, 50 or 100
}

// ParsePageRequest reads the number of a page (from 1) and how many items a page
// has (5, 10, 25, 50 or 100). The error is [Invalid], with the fields "page" and
// "per_page".
func ParsePageRequest(page, perPage string) (PageRequest, error) {
	number, err := strconv.ParseUint(page, 10, strconv.IntSize-1)
	fields := Fields{}
	if err != nil || number < 1 {
		fields.Note("page", message("page must be a whole number, 1 or more"))
	}
	size, err := strconv.ParseUint(perPage, 10, 8)
	if err != nil || !slices.Contains([]uint64{5, 10, 25, 50, 100}, size) {
		fields.Note("per_page", message("per_page must be 5, 10, 25, 50 or 100"))
	}
	if err := fields.Err(); err != nil {
		return PageRequest{}, err
	}
	return PageRequest{number: int(number), size: int(size)}, nil
}

// Number returns the page's number, from 1.
func (r PageRequest) Number() int { return r.number }

// Size returns how many items a page has.
func (r PageRequest) Size() int { return r.size }

// Offset returns how many items come before the page, at most [math.MaxInt].
func (r PageRequest) Offset() int {
	if r.number-1 > math.MaxInt/r.size {
		return math.MaxInt
	}
	return (r.number - 1) * r.size
}

// Page is one page of the widgets in creation order. A page past the end has no
// items.
type Page struct {
	Request    PageRequest
	Items      []Widget
	TotalItems int // of all pages, when the items were read
}

// TotalPages returns how many pages there are, 0 for an empty list.
func (p Page) TotalPages() int {
	return (p.TotalItems + p.Request.size - 1) / p.Request.size
}

// LastPage returns the number of the last page, 1 for an empty list.
func (p Page) LastPage() int { return max(p.TotalPages(), 1) }

// HasPrev reports whether a page comes before this one.
func (p Page) HasPrev() bool { return p.Request.number > 1 }

// HasNext reports whether a page comes after this one.
func (p Page) HasNext() bool { return p.Request.number < p.TotalPages() }

// PrevPage returns the number of the page before this one; before a page past
// the end comes the last page.
func (p Page) PrevPage() int { return min(p.Request.number-1, p.LastPage()) }

// NextPage returns the number of the page after this one.
func (p Page) NextPage() int { return p.Request.number + 1 }
