package fiberhttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// sliced returns a request for a list that is read by position.
func sliced(query string) request {
	return request{method: "GET", path: "/api/v1/widgets?" + query, token: userToken}
}

// sliceBody is the body of a list that is read by position.
func sliceBody(self, first, next string, perPage int, items ...string) string {
	if next != "" {
		next = `,"next":"/api/v1/widgets?` + next + `"`
	}
	return fmt.Sprintf(`{"links":{"self":"/api/v1/widgets?%s","first":"/api/v1/widgets?%s"%s},"has_next":%v,"items_per_page":%d,"items":[%s]}`,
		self, first, next, next != "", perPage, strings.Join(items, ","))
}

// at returns a bound of a list.
func at(year int, month time.Month, day, hour, minute, second, millis int) *domain.Deadline {
	deadline := domain.RestoreDeadline(time.Date(year, month, day, hour, minute, second, millis*int(time.Millisecond), time.UTC))
	return &deadline
}

func TestSliceHasTheQueryAndTheLinksOfItsParameters(t *testing.T) {
	t.Parallel()
	cursor := domain.CursorKey{}.Seal("position", "list")
	created, due := domain.WidgetQuery{Sort: domain.ByCreation}, domain.WidgetQuery{Sort: domain.ByDeadline}
	with := func(q domain.WidgetQuery, change func(*domain.WidgetQuery)) domain.WidgetQuery {
		change(&q)
		return q
	}
	reverse := func(q *domain.WidgetQuery) { q.Reverse = true }
	for sent, test := range map[string]struct {
		query  domain.WidgetQuery
		size   int
		cursor string
		self   string // the parameters of the link; "": as they were sent
		rest   string // the parameters of the links first and next after "after="
	}{
		"after=":                             {query: created, size: 10},
		"after":                              {query: created, size: 10, self: "after="},
		"after=" + cursor:                    {query: created, size: 10, cursor: cursor},
		"after=%41" + cursor[1:]:             {query: created, size: 10, cursor: cursor, self: "after=" + cursor},
		"%61fter=":                           {query: created, size: 10, self: "after="},
		"after=&per_page=100":                {query: created, size: 100, rest: "&per_page=100"},
		"per_page=025&after=" + cursor:       {query: created, size: 25, cursor: cursor, self: "after=" + cursor + "&per_page=025", rest: "&per_page=025"},
		"sort=created":                       {query: created, size: 10, rest: "&sort=created"},
		"sort=-created":                      {query: with(created, reverse), size: 10, rest: "&sort=-created"},
		"sort=deadline":                      {query: due, size: 10, rest: "&sort=deadline"},
		"sort=-deadline&x=y":                 {query: with(due, reverse), size: 10, self: "sort=-deadline", rest: "&sort=-deadline"},
		"owner=" + adminID:                   {query: with(created, func(q *domain.WidgetQuery) { q.Owner = &admin.PublicID }), size: 10, rest: "&owner=" + adminID},
		"owner=" + strings.ToUpper(adminID):  {query: with(created, func(q *domain.WidgetQuery) { q.Owner = &admin.PublicID }), size: 10, rest: "&owner=" + strings.ToUpper(adminID)},
		"deadline_from=2026-11-22":           {query: with(due, func(q *domain.WidgetQuery) { q.From = at(2026, 11, 22, 0, 0, 0, 0) }), size: 10, rest: "&deadline_from=2026-11-22"},
		"deadline_to=2001-02-03":             {query: with(due, func(q *domain.WidgetQuery) { q.To = at(2001, 2, 3, 23, 59, 59, 999) }), size: 10, rest: "&deadline_to=2001-02-03"},
		"deadline_to=5/13/27":                {query: with(due, func(q *domain.WidgetQuery) { q.To = at(2027, 5, 13, 23, 59, 59, 999) }), size: 10, self: "deadline_to=5%2F13%2F27", rest: "&deadline_to=5%2F13%2F27"},
		"deadline_from=2027-05-13T17:00:00Z": {query: with(due, func(q *domain.WidgetQuery) { q.From = at(2027, 5, 13, 17, 0, 0, 0) }), size: 10, self: "deadline_from=2027-05-13T17%3A00%3A00Z", rest: "&deadline_from=2027-05-13T17%3A00%3A00Z"},
		"deadline_to=2027-05-13T17:00:00%2B02:00&sort=-deadline": {
			query: with(due, func(q *domain.WidgetQuery) { q.To, q.Reverse = at(2027, 5, 13, 15, 0, 0, 999), true }), size: 10,
			self: "sort=-deadline&deadline_to=2027-05-13T17%3A00%3A00%2B02%3A00", rest: "&sort=-deadline&deadline_to=2027-05-13T17%3A00%3A00%2B02%3A00",
		},
		"deadline_to=2026-01-01&deadline_from=2027-01-01": { // an empty list, not an error
			query: with(due, func(q *domain.WidgetQuery) {
				q.From, q.To = at(2027, 1, 1, 0, 0, 0, 0), at(2026, 1, 1, 23, 59, 59, 999)
			}), size: 10,
			self: "deadline_from=2027-01-01&deadline_to=2026-01-01", rest: "&deadline_from=2027-01-01&deadline_to=2026-01-01",
		},
		"deadline_to=2027-01-01&deadline_from=2026-01-01&owner=" + adminID + "&sort=deadline&per_page=5&after=" + cursor: {
			query: with(due, func(q *domain.WidgetQuery) {
				q.From, q.To, q.Owner = at(2026, 1, 1, 0, 0, 0, 0), at(2027, 1, 1, 23, 59, 59, 999), &admin.PublicID
			}), size: 5, cursor: cursor,
			self: "after=" + cursor + "&per_page=5&sort=deadline&owner=" + adminID + "&deadline_from=2026-01-01&deadline_to=2027-01-01",
			rest: "&per_page=5&sort=deadline&owner=" + adminID + "&deadline_from=2026-01-01&deadline_to=2027-01-01",
		},
	} {
		if test.self == "" {
			test.self = sent
		}
		for name, next := range map[string]string{"last": "", "more": "next_Cursor-1"} {
			t.Run(sent+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, func(s *server) {
					s.widgets.SliceFunc = func(context.Context, domain.WidgetQuery, string, int) (domain.Slice[domain.Widget], error) {
						return domain.Slice[domain.Widget]{Items: []domain.Widget{gear, gear}, Next: next}, nil
					}
				})
				first, following := "after="+test.rest, ""
				link := fmt.Sprintf(`</api/v1/widgets?%s>; rel="self", </api/v1/widgets?%s>; rel="first"`, test.self, first)
				if next != "" {
					following = "after=" + next + test.rest
					link += fmt.Sprintf(`, </api/v1/widgets?%s>; rel="next"`, following)
				}
				want := sliceBody(test.self, first, following, test.size, gearBody, gearBody)
				s.do(t, sliced(sent)).want(t, 200, want, "Link: "+link, "Total-Count:", "ETag:", "Cache-Control: no-store")
				head := sliced(sent)
				head.method = "HEAD"
				s.do(t, head).want(t, 200, "", "Link: "+link, "Total-Count:")
				got := s.widgets.SliceCalls()
				if len(got) != 2 || !reflect.DeepEqual(got[0].Query, test.query) || got[0].Cursor != test.cursor || got[0].Limit != test.size {
					t.Errorf("the port got %+v, want %+v", got, test.query)
				}
				if calls := s.widgets.ListCalls(); len(calls) > 0 {
					t.Errorf("the port got a page request: %+v", calls)
				}
			})
		}
	}
}

func TestListWithoutParametersOfASliceHasNumberedPages(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, query := range []string{"", "?", "?per_page=5", "?page=1", "?AFTER=x&Sort=deadline&sort%20=x", "?afte=x&deadline=2027-01-01&x=after="} {
		list := listWidgets
		list.path += query
		if got := s.do(t, list); got.status != 200 || got.header.Get("Total-Count") != "1" || !strings.Contains(got.body, `"total_pages":1`) {
			t.Errorf("%s: got %d %s", query, got.status, got.body)
		}
	}
	if calls := s.widgets.SliceCalls(); len(calls) > 0 {
		t.Errorf("the port got %+v", calls)
	}
}

func TestInvalidParametersOfASliceAreReportedTogether(t *testing.T) {
	t.Parallel()
	const (
		after   = "This is not a cursor of this list: take it from the link to the next page, with the same sort, owner and bounds"
		page    = "page cannot be used when the list is read by position: leave page out, and follow the link next"
		perPage = "per_page must be 5, 10, 25, 50 or 100"
		sort    = "sort must be created, -created, deadline or -deadline"
		owner   = "owner must be the public_id of an account, a UUID"
		empty   = "Must be a date or a datetime, such as 2027-05-13"
		from    = "deadline_from needs the order of deadlines: leave sort out, or send sort=deadline or sort=-deadline"
		to      = "deadline_to needs the order of deadlines: leave sort out, or send sort=deadline or sort=-deadline"
	)
	unknown := func(quoted string) string {
		return quoted + " is not a date or datetime in a known format. Known are 2027-05-13, 2027-05-13T17:00:00Z, 2027-05-13 17:00, 2027-05-13T17:00:00+02:00, 05/13/2027, 5/13/27, 5/13/2027, 5:00:00 PM, May 13 2027, May 13, 2027, 13 May 2027, Thu, 13 May 2027 17:00:00 GMT, and what JavaScript's Date and Go's Time print"
	}
	once := func(name string) string { return name + " must be sent once" }
	long := strings.Repeat("x", 7000)
	s := serve(t)
	for query, want := range map[string]string{
		"after=&page=1":                         invalid("page", page),
		"page=&sort=created":                    invalid("page", page),
		"page=x&deadline_to=2027-01-01":         invalid("page", page),
		"owner=" + adminID + "&page":            invalid("page", page),
		"after=&per_page=7":                     invalid("per_page", perPage),
		"after=&per_page=":                      invalid("per_page", perPage),
		"after=&per_page=%00":                   invalid("per_page", perPage),
		"after=&per_page=-5":                    invalid("per_page", perPage),
		"after=&per_page=all":                   invalid("per_page", perPage),
		"after=&per_page=18446744073709551621":  invalid("per_page", perPage),
		"sort=":                                 invalid("sort", sort),
		"sort":                                  invalid("sort", sort),
		"sort=name":                             invalid("sort", sort),
		"sort=Deadline":                         invalid("sort", sort),
		"sort=+deadline":                        invalid("sort", sort),
		"sort=--deadline":                       invalid("sort", sort),
		"sort=created,deadline":                 invalid("sort", sort),
		"sort=created%00":                       invalid("sort", sort),
		"sort=%FF":                              invalid("sort", sort),
		"sort=" + long:                          invalid("sort", sort),
		"owner=":                                invalid("owner", owner),
		"owner=x":                               invalid("owner", owner),
		"owner=%00":                             invalid("owner", owner),
		"owner=" + adminID + "x":                invalid("owner", owner),
		"owner=%7B" + adminID + "%7D":           invalid("owner", owner),
		"owner=root@example.com":                invalid("owner", owner),
		"owner=" + long:                         invalid("owner", owner),
		"deadline_from=":                        invalid("deadline_from", empty),
		"deadline_to":                           invalid("deadline_to", empty),
		"deadline_from=soon":                    invalid("deadline_from", unknown(`"soon"`)),
		"deadline_to=2027-02-29":                invalid("deadline_to", unknown(`"2027-02-29"`)),
		"deadline_to=%FF%00":                    invalid("deadline_to", unknown(`"\xff\x00"`)),
		"deadline_to=1":                         invalid("deadline_to", unknown(`"1"`)),
		"deadline_from=" + long:                 invalid("deadline_from", unknown(`"`+long+`"`)),
		"sort=created&deadline_from=2027-01-01": invalid("deadline_from", from),
		"sort=-created&deadline_to=2027-01-01":  invalid("deadline_to", to),
		"sort=created&deadline_to=2027-01-01&deadline_from=x": invalid("deadline_from", unknown(`"x"`), "deadline_to", to),
		"after=x&sort=x":                      invalid("after", after, "sort", sort),
		"after=AQ&page=1":                     invalid("after", after, "page", page),
		"after=%00&owner=":                    invalid("after", after, "owner", owner),
		"after=&after=":                       invalid("after", once("after")),
		"sort=deadline&sort=deadline":         invalid("sort", once("sort")),
		"sort=x&sort=deadline":                invalid("sort", once("sort")),
		"sort=deadline&per_page=5&per_page=5": invalid("per_page", once("per_page")),
		"owner=" + adminID + "&owner=x":       invalid("owner", once("owner")),
		"deadline_from=x&deadline_from=y&deadline_to=2027-01-01&deadline_to": invalid("deadline_from", once("deadline_from"), "deadline_to", once("deadline_to")),
		"page=1&per_page=1&sort=1&owner=1&deadline_from=1&deadline_to=1&after=1": invalid("after", after, "deadline_from", unknown(`"1"`),
			"deadline_to", unknown(`"1"`), "owner", owner, "page", page, "per_page", perPage, "sort", sort),
	} {
		t.Run(fmt.Sprintf("%.60s", query), func(t *testing.T) {
			t.Parallel()
			s.do(t, sliced(query)).want(t, 400, want, "Link:", "Total-Count:")
			s.do(t, sliced(query).as("")).want(t, 401, message("Unauthorized"))
			head := sliced(query)
			head.method = "HEAD"
			s.do(t, head).want(t, 400, "")
		})
	}
	t.Cleanup(func() {
		if got := s.widgets.SliceCalls(); len(got) > 0 {
			t.Errorf("the port got %+v", got)
		}
	})
}

// manyWidgets adds widgets with three deadlines to the store of a service, and returns
// their names in order of creation.
func (s *service) manyWidgets(t *testing.T, n int) []string {
	t.Helper()
	names := []string{gear.Name.String()}
	for i := range n {
		widget := gearAs(sample.WidgetName(fmt.Sprintf("w-%02d", i)))
		widget.Deadline = *at(2027, time.Month(1+i%3), 1, 23, 59, 59, 0)
		if i%2 == 1 {
			widget.Owner = domain.OwnerOf(user)
		}
		sample.Must(0, s.store.Widgets().Add(t.Context(), widget))
		names = append(names, widget.Name.String())
	}
	return names
}

// slicePage is a page of a list that is read by position.
type slicePage struct {
	Links   struct{ Self, First, Next string }
	HasNext bool `json:"has_next"`
	PerPage int  `json:"items_per_page"`
	Items   []widgetBody
}

// page sends a request for a page, and decodes the response.
func (s *server) page(t *testing.T, r request) (page slicePage, names []string) {
	t.Helper()
	got := s.do(t, r)
	if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != 200 {
		t.Fatalf("%s: got %d %s, %v", r.path, got.status, got.body, err)
	}
	for _, item := range page.Items {
		names = append(names, item.Name)
	}
	return page, names
}

// walk follows the links from a page to the end.
func (s *server) walk(t *testing.T, r request) (names []string) {
	t.Helper()
	for {
		page, here := s.page(t, r)
		names = append(names, here...)
		if page.HasNext != (page.Links.Next != "") || page.HasNext && len(here) != page.PerPage || len(here) > page.PerPage {
			t.Errorf("%s: got %+v", r.path, page)
		}
		if !page.HasNext {
			return names
		}
		r.path = page.Links.Next
	}
}

func TestLinksLeadThroughTheWholeList(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	created := s.manyWidgets(t, 40)
	reversed := func(names []string) []string {
		names = slices.Clone(names)
		slices.Reverse(names)
		return names
	}
	var due, owned, ownedDue, february []string
	for month := range 3 {
		for i := month; i < 40; i += 3 {
			due = append(due, created[i+1])
			if i%2 == 1 {
				ownedDue = append(ownedDue, created[i+1])
			}
			if month == 1 {
				february = append(february, created[i+1])
			}
		}
	}
	due = append(due, created[0])
	for i := 1; i < 40; i += 2 {
		owned = append(owned, created[i+1])
	}
	for query, want := range map[string][]string{
		"after=":                              created,
		"sort=created":                        created,
		"sort=-created":                       reversed(created),
		"sort=deadline":                       due,
		"sort=-deadline":                      reversed(due),
		"owner=" + userID:                     owned,
		"owner=" + userID + "&sort=deadline":  ownedDue,
		"owner=" + userID + "&sort=-deadline": reversed(ownedDue),
		"deadline_from=2027-02-01&deadline_to=2027-02-01":                                    february,
		"deadline_from=2027-02-01&deadline_to=2027-02-01&sort=-deadline":                     reversed(february),
		"deadline_from=2027-02-01T23:59:59Z&deadline_to=2027-02-01T23:59:59Z":                february,
		"deadline_from=2027-02-01T23:59:58Z&deadline_to=2027-02-02T00:00%2B00:00":            february,
		"deadline_from=2027-01-01T23:59:59.001Z&deadline_to=2027-03-01T23:59:58Z":            february,
		"deadline_to=2027-01-01T23:59:58Z":                                                   nil,
		"deadline_from=2028-01-01":                                                           nil,
		"deadline_from=2027-12-31":                                                           {"gear"},
		"deadline_from=2027-02-02&deadline_to=2027-02-01":                                    nil,
		"deadline_from=2027-02-02&deadline_to=2027-02-01&sort=-deadline":                     nil,
		"owner=" + unknownID:                                                                 nil,
		"owner=00000000-0000-0000-0000-000000000000":                                         nil, // nobody has it
		"owner=00000000-0000-0000-0000-000000000000&sort=-deadline&deadline_from=2000-01-01": nil,
	} {
		for _, size := range []string{"", "&per_page=5", "&per_page=100"} {
			t.Run(query+size, func(t *testing.T) {
				t.Parallel()
				if got := s.walk(t, sliced(query+size)); !slices.Equal(got, want) {
					t.Errorf("got  %v\nwant %v", got, want)
				}
			})
		}
	}
}

func TestPageSizeMayChangeOnTheWay(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	created := s.manyWidgets(t, 40)
	page, names := s.page(t, sliced("after=&per_page=5"))
	names = append(names, s.walk(t, sliced(strings.TrimPrefix(strings.Replace(page.Links.Next, "per_page=5", "per_page=25", 1), "/api/v1/widgets?")))...)
	if !slices.Equal(names, created) {
		t.Errorf("got  %v\nwant %v", names, created)
	}
	if _, again := s.page(t, request{method: "GET", path: page.Links.First, token: userToken}); !slices.Equal(again, created[:5]) {
		t.Errorf("the first page has %v", again)
	}
}

func TestCursorsAreOfOneListOnly(t *testing.T) {
	t.Parallel()
	const (
		notOfThis = "This is not a cursor of this list: take it from the link to the next page, with the same sort, owner and bounds"
		ofOther   = "This cursor is of another version of widgetd: begin the list again"
	)
	s, other := serveUseCases(t), serveUseCases(t)
	s.manyWidgets(t, 20)
	other.manyWidgets(t, 20)
	cursorOf := func(s *service, query string) string {
		page, _ := s.page(t, sliced(query+"&per_page=5"))
		_, rest, _ := strings.Cut(page.Links.Next, "after=")
		cursor, _, _ := strings.Cut(rest, "&")
		if cursor == "" {
			t.Fatalf("%s has no next page", query)
		}
		return cursor
	}
	const due = "sort=deadline&deadline_from=2027-01-01"
	cursor := cursorOf(s, due)
	for query, test := range map[string]struct {
		cursor, why string
	}{
		"its own":                {cursor, ""},
		"a part of it":           {cursor[:len(cursor)-1], notOfThis},
		"the beginning of it":    {cursor[:10], notOfThis},
		"one more":               {cursor + "A", notOfThis},
		"twice":                  {cursor + cursor, notOfThis},
		"of another store":       {cursorOf(other, due), notOfThis},
		"of another order":       {cursorOf(s, "sort=-deadline&deadline_from=2027-01-01"), notOfThis},
		"of other bounds":        {cursorOf(s, "deadline_from=2027-01-02"), notOfThis},
		"of one more bound":      {cursorOf(s, due+"&deadline_to=2028-01-01"), notOfThis},
		"of an owner":            {cursorOf(s, due+"&owner="+userID), notOfThis},
		"of the order of age":    {cursorOf(s, "sort=created"), notOfThis},
		"of a later version":     {"Ag" + cursor[2:], ofOther},
		"made up":                {"x", notOfThis},
		"a position":             {"1795330507000/1", notOfThis},
		"padded":                 {cursor + "==", notOfThis},
		"with a line end":        {cursor[:20] + "%0A" + cursor[20:], notOfThis},
		"with a NUL":             {"%00", notOfThis},
		"with invalid UTF-8":     {"%FF%FE", notOfThis},
		"with a space in front":  {"+" + cursor, notOfThis},
		"with markup":            {"%3Cscript%3E%22", notOfThis},
		"too long":               {strings.Repeat("A", 7000), notOfThis},
		"with another character": {cursor[:30] + string(cursor[30]^1) + cursor[31:], notOfThis},
	} {
		got := s.do(t, sliced(due+"&after="+test.cursor))
		if test.why != "" {
			got.want(t, 400, invalid("after", test.why), "Link:")
		} else if got.status != 200 {
			t.Errorf("%s: got %d %s", query, got.status, got.body)
		}
	}
	// The same list in other words.
	for _, query := range []string{"deadline_from=2027-01-01&", "sort=deadline&deadline_from=2027-01-01T00:00:00Z&per_page=100&", "deadline_from=1/1/27&"} {
		if got := s.do(t, sliced(query+"after="+cursor)); got.status != 200 {
			t.Errorf("%s: got %d %s", query, got.status, got.body)
		}
	}
}

// TestWidgetsThatStayAreSeenOnceWhileOthersAreWritten walks through a list while other
// clients create and delete widgets and move deadlines.
func TestWidgetsThatStayAreSeenOnceWhileOthersAreWritten(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	stay := s.manyWidgets(t, 60)
	for _, query := range []string{"sort=created", "sort=-created", "sort=deadline", "sort=-deadline"} {
		page, names := s.page(t, sliced(query+"&per_page=5"))
		for step := 0; page.HasNext; step++ {
			name := sample.WidgetName(fmt.Sprintf("other-%d", step))
			other := gearAs(name)
			other.Deadline = *at(2027, time.Month(1+step%12), 1, 0, 0, 0, 0)
			sample.Must(0, s.store.Widgets().Add(t.Context(), other))
			sample.Must(s.store.Widgets().Update(t.Context(), name, domain.WidgetChange{Deadline: at(2027, 12, 31, 0, 0, 0, 0)}, domain.Condition{}))
			if last := sample.WidgetName(names[len(names)-1]); step%2 == 1 && strings.HasPrefix(last.String(), "other-") {
				sample.Must(s.store.Widgets().Delete(t.Context(), last, domain.Condition{}))
			}
			var here []string
			page, here = s.page(t, request{method: "GET", path: page.Links.Next, token: userToken})
			names = append(names, here...)
		}
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "other-") })
		slices.Sort(names)
		if want := slices.Sorted(slices.Values(stay)); !slices.Equal(names, want) {
			t.Errorf("%s: got %v", query, names)
		}
		for _, name := range s.walk(t, sliced("after=&per_page=100")) {
			if strings.HasPrefix(name, "other-") {
				sample.Must(s.store.Widgets().Delete(t.Context(), sample.WidgetName(name), domain.Condition{}))
			}
		}
	}
}

func TestLinksOfASliceHaveThePathOfTheBaseURLOrTheMount(t *testing.T) {
	t.Parallel()
	const links = `{"links":{"self":"/shop/api/v1/widgets?sort=created","first":"/shop/api/v1/widgets?after=&sort=created"},`
	based := withBase(t, "https://api.example/shop")
	if got := based.do(t, sliced("sort=created")); !strings.HasPrefix(got.body, links) {
		t.Errorf("got %s", got.body)
	}
	for outer, mount := range mounts {
		got := exchange(t, mount(t, serve(t)), sliced("sort=created").under("/shop"))
		if !strings.HasPrefix(got.body, links) || !strings.HasPrefix(got.Header.Get("Link"), `</shop/api/v1/widgets?sort=created>; rel="self"`) {
			t.Errorf("%s: got %s, %s", outer, got.Header.Get("Link"), got.body)
		}
	}
}
