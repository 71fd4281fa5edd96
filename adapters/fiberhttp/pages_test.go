package fiberhttp

import (
	"errors"
	"maps"
	"math"
	"strconv"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

func TestParsePageRequestAccepts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		page, perPage string
		number, size  int
	}{
		{defaultPage, defaultPerPage, 1, 10},
		{"1", "5", 1, 5},
		{"2", "5", 2, 5},
		{"3", "10", 3, 10},
		{"4", "25", 4, 25},
		{"5", "50", 5, 50},
		{"6", "100", 6, 100},
		{"007", "10", 7, 10},
		{strconv.Itoa(math.MaxInt), "5", math.MaxInt, 5},
	} {
		r, err := parsePageRequest(test.page, test.perPage)
		if err != nil || r.Number() != test.number || r.Size() != test.size {
			t.Errorf("page %q, per_page %q: got %+v, %v; want number %d, size %d", test.page, test.perPage, r, err, test.number, test.size)
		}
	}
}

func TestParsePageRequestReportsEveryInvalidField(t *testing.T) {
	t.Parallel()
	const (
		badPage    = "page must be a whole number, 1 or more"
		badPerPage = "per_page must be 5, 10, 25, 50 or 100"
	)
	check := func(page, perPage string, want domain.Fields) {
		t.Helper()
		request, err := parsePageRequest(page, perPage)
		e, ok := errors.AsType[*domain.Error](err)
		if !ok || e.Kind != domain.Invalid || !maps.Equal(e.Fields, want) || request != (domain.PageRequest{}) {
			t.Errorf("page %q, per_page %q: got %+v, %v; want the fields %v", page, perPage, request, err, want)
		}
	}
	for _, page := range []string{"", "0", "-1", "+1", " 1", "1 ", "1.5", "1e3", "0x1", "1_000", "one", "١", "\x00", "\xff",
		"9223372036854775808", "99999999999999999999"} {
		check(page, "10", domain.Fields{"page": badPage})
	}
	for _, perPage := range []string{"", "0", "-5", "+5", " 5", "1", "7", "101", "261", "1000", "10.0", "ten", "99999999999999999999"} {
		check("1", perPage, domain.Fields{"per_page": badPerPage})
	}
	check("0", "7", domain.Fields{"page": badPage, "per_page": badPerPage})
}
