package domain_test

import (
	"errors"
	"maps"
	"math"
	"strconv"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

const (
	badPage    = "page must be a whole number, 1 or more"
	badPerPage = "per_page must be 5, 10, 25, 50 or 100"
)

func TestParsePageRequestAccepts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		page, perPage        string
		number, size, offset int
	}{
		{domain.DefaultPage, domain.DefaultPerPage, 1, 10, 0},
		{"1", "5", 1, 5, 0},
		{"2", "5", 2, 5, 5},
		{"3", "10", 3, 10, 20},
		{"4", "25", 4, 25, 75},
		{"5", "50", 5, 50, 200},
		{"6", "100", 6, 100, 500},
		{"007", "10", 7, 10, 60},
		{strconv.Itoa(math.MaxInt), "5", math.MaxInt, 5, math.MaxInt},
		{strconv.Itoa(math.MaxInt), "100", math.MaxInt, 100, math.MaxInt},
		{strconv.Itoa(math.MaxInt/100 + 1), "100", math.MaxInt/100 + 1, 100, math.MaxInt / 100 * 100},
		{strconv.Itoa(math.MaxInt/100 + 2), "100", math.MaxInt/100 + 2, 100, math.MaxInt},
	} {
		r, err := domain.ParsePageRequest(test.page, test.perPage)
		if err != nil {
			t.Errorf("page %q of %q: %v", test.page, test.perPage, err)
			continue
		}
		if r.Number() != test.number || r.Size() != test.size || r.Offset() != test.offset {
			t.Errorf("page %q of %q is number %d, size %d, offset %d; want %d, %d, %d",
				test.page, test.perPage, r.Number(), r.Size(), r.Offset(), test.number, test.size, test.offset)
		}
	}
}

func TestParsePageRequestRefuses(t *testing.T) {
	t.Parallel()
	wantFields := func(page, perPage string, want domain.Fields) {
		t.Helper()
		request, err := domain.ParsePageRequest(page, perPage)
		var e *domain.Error
		if !errors.As(err, &e) || e.Kind != domain.Invalid || !maps.Equal(e.Fields, want) {
			t.Errorf("page %q of %q: error %v, want fields %v", page, perPage, err, want)
		}
		if request != (domain.PageRequest{}) {
			t.Errorf("page %q of %q: refused, yet made %+v", page, perPage, request)
		}
	}
	for _, page := range []string{"", "0", "-1", "+1", " 1", "1 ", "1.5", "1e3", "0x1", "1_000", "one", "١", "\x00", "\xff",
		"9223372036854775808", "99999999999999999999"} {
		wantFields(page, "10", domain.Fields{"page": badPage})
	}
	for _, perPage := range []string{"", "0", "-5", "+5", " 5", "1", "7", "101", "261", "1000", "10.0", "ten", "99999999999999999999"} {
		wantFields("1", perPage, domain.Fields{"per_page": badPerPage})
	}
	wantFields("0", "7", domain.Fields{"page": badPage, "per_page": badPerPage})
}

func TestPageArithmetic(t *testing.T) {
	t.Parallel()
	const none = 0 // there is no such page
	for name, test := range map[string]struct {
		page, perPage       string
		items               int
		totalPages, last    int
		prev, next          int
		offsetWithinTheList bool
	}{
		"empty list":               {"1", "10", 0, 0, 1, none, none, false},
		"past the end of nothing":  {"2", "10", 0, 0, 1, 1, none, false},
		"far past nothing":         {"9", "10", 0, 0, 1, 1, none, false},
		"one item":                 {"1", "10", 1, 1, 1, none, none, true},
		"one item short":           {"1", "10", 9, 1, 1, none, none, true},
		"exactly one page":         {"1", "10", 10, 1, 1, none, none, true},
		"one item over":            {"1", "10", 11, 2, 2, none, 2, true},
		"last page of one item":    {"2", "10", 11, 2, 2, 1, none, true},
		"first of exact multiple":  {"1", "5", 15, 3, 3, none, 2, true},
		"middle of exact multiple": {"2", "5", 15, 3, 3, 1, 3, true},
		"last of exact multiple":   {"3", "5", 15, 3, 3, 2, none, true},
		"just past the end":        {"4", "5", 15, 3, 3, 3, none, false},
		"far past the end":         {"99", "5", 15, 3, 3, 3, none, false},
		"as far as it goes":        {strconv.Itoa(math.MaxInt), "100", 15, 1, 1, 1, none, false},
		"large pages":              {"2", "100", 250, 3, 3, 1, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := domain.Page{Request: must(domain.ParsePageRequest(test.page, test.perPage)), TotalItems: test.items}
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

func FuzzParsePageRequest(f *testing.F) {
	for _, seed := range [][2]string{
		{"1", "10"}, {"", ""}, {"0", "0"}, {"-1", "7"}, {"+1", " 5"}, {"1.5", "1000"},
		{"99999999999999999999", "100"}, {"9223372036854775807", "100"}, {"92233720368547758", "100"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, page, perPage string) {
		r, err := domain.ParsePageRequest(page, perPage)
		if err != nil {
			if !errors.Is(err, domain.Invalid) {
				t.Errorf("error %v is not Invalid", err)
			}
			return
		}
		if r.Number() < 1 || r.Size() < 5 || r.Size() > 100 || r.Offset() < 0 {
			t.Errorf("number %d, size %d, offset %d", r.Number(), r.Size(), r.Offset())
		}
		p := domain.Page{Request: r, TotalItems: 42}
		if p.HasPrev() && (p.PrevPage() < 1 || p.PrevPage() > p.LastPage()) {
			t.Errorf("page %d has previous page %d of %d", r.Number(), p.PrevPage(), p.LastPage())
		}
		if p.HasNext() && p.NextPage() > p.LastPage() {
			t.Errorf("page %d has next page %d of %d", r.Number(), p.NextPage(), p.LastPage())
		}
	})
}
