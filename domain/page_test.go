package domain_test

import (
	"errors"
	"maps"
	"math"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestNewPageRequestAccepts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ number, size, offset int }{
		{1, domain.DefaultPageSize, 0},
		{1, 5, 0},
		{2, 5, 5},
		{3, 10, 20},
		{4, 25, 75},
		{5, 50, 200},
		{6, 100, 500},
		{7, 10, 60},
		{math.MaxInt, 5, math.MaxInt},
		{math.MaxInt, 100, math.MaxInt},
		{math.MaxInt/100 + 1, 100, math.MaxInt / 100 * 100},
		{math.MaxInt/100 + 2, 100, math.MaxInt},
	} {
		r, err := domain.NewPageRequest(test.number, test.size)
		if err != nil {
			t.Errorf("page %d of %d: %v", test.number, test.size, err)
			continue
		}
		if r.Number() != test.number || r.Size() != test.size || r.Offset() != test.offset {
			t.Errorf("page %d of %d has number %d, size %d, offset %d; want offset %d",
				test.number, test.size, r.Number(), r.Size(), r.Offset(), test.offset)
		}
	}
}

func TestNewPageRequestRefuses(t *testing.T) {
	t.Parallel()
	const badNumber, badSize = "must be 1 or more", "must be 5, 10, 25, 50 or 100"
	wantFields := func(number, size int, want domain.Fields) {
		t.Helper()
		request, err := domain.NewPageRequest(number, size)
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.Invalid || !maps.Equal(e.Fields, want) {
			t.Errorf("page %d of %d: error %v, want fields %v", number, size, err, want)
		}
		if request != (domain.PageRequest{}) {
			t.Errorf("page %d of %d: error, and the request %+v", number, size, request)
		}
	}
	for _, number := range []int{0, -1, math.MinInt} {
		wantFields(number, 10, domain.Fields{"number": badNumber})
	}
	for _, size := range []int{0, -5, 1, 7, 101, 261, 1000, math.MaxInt} {
		wantFields(1, size, domain.Fields{"size": badSize})
	}
	wantFields(0, 7, domain.Fields{"number": badNumber, "size": badSize})
}

func TestPageArithmetic(t *testing.T) {
	t.Parallel()
	const none = 0 // no page
	for name, test := range map[string]struct {
		page, size          int
		items               int
		totalPages, last    int
		prev, next          int
		offsetWithinTheList bool
	}{
		"empty list":               {1, 10, 0, 0, 1, none, none, false},
		"past the end, empty list": {2, 10, 0, 0, 1, 1, none, false},
		"far past nothing":         {9, 10, 0, 0, 1, 1, none, false},
		"one item":                 {1, 10, 1, 1, 1, none, none, true},
		"one item short":           {1, 10, 9, 1, 1, none, none, true},
		"exactly one page":         {1, 10, 10, 1, 1, none, none, true},
		"one item over":            {1, 10, 11, 2, 2, none, 2, true},
		"last page of one item":    {2, 10, 11, 2, 2, 1, none, true},
		"first of exact multiple":  {1, 5, 15, 3, 3, none, 2, true},
		"middle of exact multiple": {2, 5, 15, 3, 3, 1, 3, true},
		"last of exact multiple":   {3, 5, 15, 3, 3, 2, none, true},
		"just past the end":        {4, 5, 15, 3, 3, 3, none, false},
		"far past the end":         {99, 5, 15, 3, 3, 3, none, false},
		"largest number":           {math.MaxInt, 100, 15, 1, 1, 1, none, false},
		"large pages":              {2, 100, 250, 3, 3, 1, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := domain.Page[string]{Request: sample.Page(test.page, test.size), TotalItems: test.items}
			if p.TotalPages() != test.totalPages || p.LastPage() != test.last {
				t.Errorf("%d pages, last is %d; want %d, %d", p.TotalPages(), p.LastPage(), test.totalPages, test.last)
			}
			if p.HasPrev() != (test.prev != none) || p.HasPrev() && p.PrevPage() != test.prev {
				t.Errorf("HasPrev is %v, PrevPage %d; want %d", p.HasPrev(), p.PrevPage(), test.prev)
			}
			if p.HasNext() != (test.next != none) || p.HasNext() && p.NextPage() != test.next {
				t.Errorf("HasNext is %v, NextPage %d; want %d", p.HasNext(), p.NextPage(), test.next)
			}
			if within := p.Request.Offset() < test.items; within != test.offsetWithinTheList {
				t.Errorf("offset %d of %d items", p.Request.Offset(), test.items)
			}
		})
	}
}

func FuzzNewPageRequest(f *testing.F) {
	for _, seed := range [][2]int{{1, 10}, {0, 0}, {-1, 7}, {math.MaxInt, 100}, {math.MaxInt / 100, 100}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, number, size int) {
		r, err := domain.NewPageRequest(number, size)
		if err != nil {
			if !errors.Is(err, domain.Invalid) {
				t.Errorf("error %v is not Invalid", err)
			}
			return
		}
		if r.Number() < 1 || r.Size() < 5 || r.Size() > 100 || r.Offset() < 0 {
			t.Errorf("number %d, size %d, offset %d", r.Number(), r.Size(), r.Offset())
		}
		p := domain.Page[string]{Request: r, TotalItems: 42}
		if p.HasPrev() && (p.PrevPage() < 1 || p.PrevPage() > p.LastPage()) {
			t.Errorf("page %d has previous page %d of %d", r.Number(), p.PrevPage(), p.LastPage())
		}
		if p.HasNext() && p.NextPage() > p.LastPage() {
			t.Errorf("page %d has next page %d of %d", r.Number(), p.NextPage(), p.LastPage())
		}
	})
}
