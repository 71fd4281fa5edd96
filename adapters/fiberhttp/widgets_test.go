package fiberhttp_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

const nameRule = "A widget's name is 1 to 100 of the lowercase letters a-z, digits, hyphens and underscores"

func TestCreateReturnsTheLocation(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do(t, createWidget).want(t, 201, success("New widget added: sprocket."), "Location: /api/v1/widgets/sprocket")
	got := s.widgets.CreateCalls()
	if len(got) != 1 || got[0].Claims != adminClaims || got[0].Name != sample.WidgetName("sprocket") || got[0].Fields != sprocketFields {
		t.Errorf("the port got %+v", got)
	}
}

func TestCreateRefusesATakenName(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.widgets.CreateFunc = func(_ context.Context, _ domain.Claims, name domain.WidgetName, _ domain.WidgetFields, _ domain.Condition) (domain.Widget, error) {
			return domain.Widget{}, domain.WidgetNameTaken(name)
		}
	})
	s.do(t, createWidget).want(t, 409, fail("Widget name: sprocket already exists, must be unique."), "Location:")
}

func TestGetRendersTheWidget(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do(t, getWidget).want(t, 200, gearBody)
	s.do(t, getWidget.as(adminToken)).want(t, 200, gearBody)

	s.clock.advance(404*24*time.Hour + 17*time.Hour + 4*time.Minute + 51*time.Second)
	got := s.do(t, getWidget)
	got.want(t, 200, strings.Replace(gearBody, "404 days 17 hours 4 minutes 52 seconds", "1 second", 1))
	s.clock.advance(time.Second)
	passed := strings.Replace(gearBody, `false,"time_remaining":"404 days 17 hours 4 minutes 52 seconds"`, `true,"time_remaining":"No time remaining"`, 1)
	s.do(t, getWidget).want(t, 200, passed)
}

func TestOwnerWhoseAccountIsGoneHasNoEmail(t *testing.T) {
	t.Parallel()
	orphan := gear
	orphan.Owner.Email = domain.Email{}
	s := serve(t, func(s *server) {
		s.widgets.GetFunc = func(context.Context, domain.WidgetName) (domain.Widget, error) { return orphan, nil }
		s.widgets.ListFunc = func(_ context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error) {
			return domain.Page[domain.Widget]{Request: page, Items: []domain.Widget{orphan}, TotalItems: 1}, nil
		}
		s.widgets.SliceFunc = func(context.Context, domain.WidgetQuery, string, int) (domain.Slice[domain.Widget], error) {
			return domain.Slice[domain.Widget]{Items: []domain.Widget{orphan}}, nil
		}
	})
	want := strings.Replace(gearBody, `"root@example.com"`, "null", 1)
	s.do(t, getWidget).want(t, 200, want)
	for _, r := range []request{listWidgets, sliceWidgets} {
		if got := s.do(t, r); !strings.HasSuffix(got.body, `"items":[`+want+`]}`) {
			t.Errorf("%s: got %s", r.path, got.body)
		}
	}
	if sample.Email("a@b.cd") == (domain.Email{}) {
		t.Error("an email is the zero value")
	}
}

func TestPutUpdatesOrCreates(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do(t, putWidget).want(t, 200, success("'gear' was successfully updated"), "Location:")
	missing := putWidget
	missing.path = "/api/v1/widgets/new_one-2"
	s.do(t, missing).want(t, 201, success("New widget added: new_one-2."), "Location: /api/v1/widgets/new_one-2")
	for i, want := range []string{"gear", "new_one-2"} { // the name of the path, not of the body
		if got := s.widgets.PutCalls()[i]; got.Claims != adminClaims || got.Name.String() != want || got.Fields != sprocketFields {
			t.Errorf("the port got %+v", got)
		}
	}
}

func TestDeleteReturnsNoContent(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do(t, deleteWidget).want(t, 204, "", "Content-Length:", "Transfer-Encoding:")
	if got := s.widgets.DeleteCalls(); len(got) != 1 || got[0].Claims != adminClaims || got[0].Name != gear.Name {
		t.Errorf("the port got %+v", got)
	}
}

func TestNameInAPathIsUnescapedAndLowerCased(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for path, name := range map[string]string{
		"gear":             "gear",
		"GEAR":             "gear",
		"GeAr":             "gear",
		"%67%65ar":         "gear",
		"%47ear":           "gear",
		"gear/":            "gear",
		"gear?name=x&y":    "gear",
		"a-b_c-9":          "a-b_c-9",
		"-":                "-",
		"x" + "0123456789": "x0123456789",
		strings.Repeat("A", domain.MaxWidgetNameBytes): strings.Repeat("a", domain.MaxWidgetNameBytes),
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			put := putWidget
			put.path = "/api/v1/widgets/" + path
			if got := s.do(t, put); got.status != 200 && got.status != 201 {
				t.Errorf("%d %s", got.status, got.body)
			}
			var received []string
			for _, call := range s.widgets.PutCalls() {
				received = append(received, call.Name.String())
			}
			if !slices.Contains(received, name) {
				t.Errorf("the port got %q", received)
			}
		})
	}
}

func TestInvalidNamesInAPathAreNotFound(t *testing.T) {
	t.Parallel()
	s := serve(t)
	long := strings.Repeat("a", 300)
	for path, name := range map[string]string{
		"nope":                  "nope",
		"NOPE":                  "nope",
		"%2e%2e%2fx":            "../x",
		"%2E%2E%2FX":            "../x",
		"..":                    "..",
		".":                     ".",
		"名前":                    "名前",
		"%E5%90%8D%E5%89%8D":    "名前",
		"%C3%89":                "É",
		"%E2%84%AA":             "\u212A", // the Kelvin sign, a k in lower case
		"%C4%B0":                "İ",
		"a%20b":                 "a b",
		"a+b":                   "a+b",
		"%00":                   "\x00",
		"a%00b":                 "a\x00b",
		"%ff":                   "\uFFFD",
		"%F0%9F%94":             "\uFFFD",
		"%zz":                   "%zz",
		"a%":                    "a%",
		"%4":                    "%4",
		"%25zz":                 "%zz",
		"%3Cscript%3E%22%0d%0a": "<script>\"\r\n",
		"{name}":                "{name}",
		":name":                 ":name",
		"*":                     "*",
		"ada@example.com":       "ada@example.com",
		long:                    long,
		strings.Repeat("a", domain.MaxWidgetNameBytes+1): strings.Repeat("a", domain.MaxWidgetNameBytes+1),
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			get, del, put := getWidget, deleteWidget, putWidget
			get.path, del.path, put.path = "/api/v1/widgets/"+path, "/api/v1/widgets/"+path, "/api/v1/widgets/"+path
			s.do(t, get).want(t, 404, message(name+" not found in database"))
			if name != "nope" {
				s.do(t, del).want(t, 404, message(name+" not found in database"))
				s.do(t, put).want(t, 400, invalid("name", nameRule))
			}
		})
	}
	t.Cleanup(func() {
		if d, p := s.widgets.DeleteCalls(), s.widgets.PutCalls(); len(d)+len(p) > 0 {
			t.Errorf("the port got %+v %+v", d, p)
		}
	})
}

func TestWritesReportEveryInvalidField(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const (
		notURL   = "Not an absolute http or https URL with a host"
		unknown  = " is not a date or datetime in a known format. Known are 2027-05-13, 2027-05-13T17:00:00Z, 2027-05-13 17:00, 2027-05-13T17:00:00+02:00, 05/13/2027, 5/13/27, 5/13/2027, 5:00:00 PM, May 13 2027, May 13, 2027, 13 May 2027, Thu, 13 May 2027 17:00:00 GMT, and what JavaScript's Date and Go's Time print"
		past     = "The deadline 2026-11-21 is past: today is 2026-11-22 (UTC)"
		goodURL  = "https://example.com"
		tomorrow = "2026-11-23"
	)
	for title, test := range map[string]struct {
		sent   fields
		create string
		put    string // the errors of PUT, which ignores the name in the body
	}{
		"all wrong": {
			fields{"name", "Gear", "info_url", "ftp://example.com", "deadline", "soon"},
			invalid("deadline", `"soon"`+unknown, "info_url", notURL, "name", nameRule),
			invalid("deadline", `"soon"`+unknown, "info_url", notURL),
		},
		"past deadline": {
			fields{"name", "gear", "info_url", goodURL, "deadline", "11/21/2026"},
			invalid("deadline", past), invalid("deadline", past),
		},
		"past deadline, wrong link": {
			fields{"name", "gear", "info_url", "/gear", "deadline", "2026-11-21"},
			invalid("deadline", past, "info_url", notURL), invalid("deadline", past, "info_url", notURL),
		},
		"long link": {
			fields{"name", "gear", "info_url", "http://a.example/" + strings.Repeat("x", 2048), "deadline", tomorrow},
			invalid("info_url", "A URL may be at most 2048 bytes long"), invalid("info_url", "A URL may be at most 2048 bytes long"),
		},
		"long name": {
			fields{"name", strings.Repeat("x", 101), "info_url", "", "deadline", tomorrow},
			invalid("info_url", missing, "name", nameRule), invalid("info_url", missing),
		},
		"only a name":    {fields{"name", "gear"}, invalid("deadline", missing, "info_url", missing), invalid("deadline", missing, "info_url", missing)},
		"markup in text": {fields{"name", "gear", "info_url", goodURL, "deadline", "<b>&"}, invalid("deadline", `"<b>&"`+unknown), invalid("deadline", `"<b>&"`+unknown)},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s.do(t, createWidget.sending(test.sent.json())).want(t, 400, test.create)
			s.do(t, putWidget.sending(test.sent.json())).want(t, 400, test.put)
		})
	}
	t.Cleanup(func() {
		if c, p := s.widgets.CreateCalls(), s.widgets.PutCalls(); len(c)+len(p) > 0 {
			t.Errorf("the port got %+v %+v", c, p)
		}
	})
}

func TestPageHasLinksAndCounts(t *testing.T) {
	t.Parallel()
	const largest = "9223372036854775807"
	for query, test := range map[string]struct {
		total                          int
		number, size, prev, next, last string // prev and next are "" without such a page
		pages                          int
	}{
		"":                     {total: 11, number: "1", size: "10", next: "2", last: "2", pages: 2},
		"?":                    {total: 10, number: "1", size: "10", last: "1", pages: 1},
		"?page=1":              {total: 0, number: "1", size: "10", last: "1", pages: 0},
		"?page=2":              {total: 0, number: "2", size: "10", prev: "1", last: "1", pages: 0},
		"?page=2&per_page=10":  {total: 11, number: "2", size: "10", prev: "1", last: "2", pages: 2},
		"?per_page=5":          {total: 6, number: "1", size: "5", next: "2", last: "2", pages: 2},
		"?per_page=5&page=2":   {total: 11, number: "2", size: "5", prev: "1", next: "3", last: "3", pages: 3},
		"?per_page=25&page=3":  {total: 75, number: "3", size: "25", prev: "2", last: "3", pages: 3},
		"?per_page=50":         {total: 1, number: "1", size: "50", last: "1", pages: 1},
		"?per_page=100&page=1": {total: 101, number: "1", size: "100", next: "2", last: "2", pages: 2},
		"?page=9":              {total: 11, number: "9", size: "10", prev: "2", last: "2", pages: 2},
		"?page=0002":           {total: 30, number: "2", size: "10", prev: "1", next: "3", last: "3", pages: 3},
		"?page=" + largest:     {total: 11, number: largest, size: "10", prev: "2", last: "2", pages: 2},
		"?PAGE=2&x=y":          {total: 11, number: "1", size: "10", next: "2", last: "2", pages: 2},
		"?page=2&page=3":       {total: 30, number: "2", size: "10", prev: "1", next: "3", last: "3", pages: 3},
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(s *server) {
				s.widgets.ListFunc = func(_ context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error) {
					return domain.Page[domain.Widget]{Request: page, TotalItems: test.total}, nil
				}
			})
			var links, header []string
			for _, link := range [][2]string{{"self", test.number}, {"first", "1"}, {"prev", test.prev}, {"next", test.next}, {"last", test.last}} {
				if link[1] != "" {
					target := "/api/v1/widgets?page=" + link[1] + "&per_page=" + test.size
					links = append(links, fmt.Sprintf("%q:%q", link[0], target))
					header = append(header, fmt.Sprintf("<%s>; rel=%q", target, link[0]))
				}
			}
			want := fmt.Sprintf(`{"links":{%s},"has_prev":%v,"has_next":%v,"page":%s,"total_pages":%d,"items_per_page":%s,"total_items":%d,"items":[]}`,
				strings.Join(links, ","), test.prev != "", test.next != "", test.number, test.pages, test.size, test.total)
			list := listWidgets
			list.path += query
			s.do(t, list).want(t, 200, want, "Link: "+strings.Join(header, ", "), fmt.Sprintf("Total-Count: %d", test.total))
			if got := s.widgets.ListCalls()[0].Page; fmt.Sprint(got.Number(), got.Size()) != test.number+" "+test.size {
				t.Errorf("the port got %+v", got)
			}
		})
	}
}

func TestPageHasItsItemsInOrder(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.widgets.ListFunc = func(_ context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error) {
			other := gear
			other.Name = sample.WidgetName("axle")
			return domain.Page[domain.Widget]{Request: page, Items: []domain.Widget{gear, other, gear}, TotalItems: 3}, nil
		}
	})
	got := s.do(t, listWidgets)
	want := `"items":[` + gearBody + "," + strings.ReplaceAll(strings.Replace(gearBody, `"gear"`, `"axle"`, 1), "widgets/gear", "widgets/axle") + "," + gearBody + `]}`
	if got.status != 200 || !strings.HasSuffix(got.body, want) {
		t.Errorf("got %d %s\nwant …%s", got.status, got.body, want)
	}
}

func TestInvalidPageParametersAreRefused(t *testing.T) {
	t.Parallel()
	const (
		page    = "page must be a whole number, 1 or more"
		perPage = "per_page must be 5, 10, 25, 50 or 100"
	)
	s := serve(t)
	for query, want := range map[string]string{
		"page=0":                           invalid("page", page),
		"page=-1":                          invalid("page", page),
		"page=+1":                          invalid("page", page),
		"page=%2B1":                        invalid("page", page),
		"page=1.5":                         invalid("page", page),
		"page=1e3":                         invalid("page", page),
		"page=0x1":                         invalid("page", page),
		"page=1_000":                       invalid("page", page),
		"page=":                            invalid("page", page),
		"page":                             invalid("page", page),
		"page=one":                         invalid("page", page),
		"page=%C2%B2":                      invalid("page", page),
		"page=%D9%A1":                      invalid("page", page),
		"page=%00":                         invalid("page", page),
		"page=%ff":                         invalid("page", page),
		"page=%zz":                         invalid("page", page),
		"page=1%20":                        invalid("page", page),
		"page=9223372036854775808":         invalid("page", page),
		"page=99999999999999999999":        invalid("page", page),
		"per_page=7":                       invalid("per_page", perPage),
		"per_page=0":                       invalid("per_page", perPage),
		"per_page=-5":                      invalid("per_page", perPage),
		"per_page=101":                     invalid("per_page", perPage),
		"per_page=266":                     invalid("per_page", perPage),
		"per_page=":                        invalid("per_page", perPage),
		"%70age=%32&per_page=":             invalid("per_page", perPage),
		"per_page=99999999999999999999":    invalid("per_page", perPage),
		"page=0&per_page=7":                invalid("page", page, "per_page", perPage),
		"page=x&per_page=ada@example.com":  invalid("page", page, "per_page", perPage),
		"page=1;per_page=5":                invalid("page", page),
		"page=-1&page=1&per_page=7&page=2": invalid("page", page, "per_page", perPage),
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			list := listWidgets
			list.path += "?" + query
			s.do(t, list).want(t, 400, want, "Link:", "Total-Count:")
		})
	}
	t.Cleanup(func() {
		if got := s.widgets.ListCalls(); len(got) > 0 {
			t.Errorf("the port got %+v", got)
		}
	})
}
