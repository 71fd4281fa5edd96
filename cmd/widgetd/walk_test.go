package main_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestWalkSeesWidgetsThatStayOnce reads lists by position while clients create widgets,
// move deadlines and delete. With -torture there are 100,000 widgets. There are fewer on
// MongoDB, because the server of the tests reads every widget for each page.
func TestWalkSeesWidgetsThatStayOnce(t *testing.T) {
	t.Parallel()
	for fleet, start := range fleets {
		t.Run(fleet, func(t *testing.T) {
			t.Parallel()
			servers, n := start(t, asAdmin...), 300
			if *torture > 0 {
				n = 100_000
			}
			if strings.Contains(fleet, "MongoDB") {
				n = max(n/30, 100)
			}
			walkDuringWrites(t, servers, servers[0].logIn(t, adminEmail, adminPassword), n)
		})
	}
}

// walkDuringWrites creates n widgets, of which half stay and the others move or go, and walks
// through every list.
func walkDuringWrites(t *testing.T, servers []*server, admin string, n int) {
	t.Helper()
	fill(t, servers[0], admin, n)
	me := servers[0].do(t, get("/auth/user", admin)).text("public_id")
	stop, writers := make(chan struct{}), sync.WaitGroup{}
	for i := range 8 {
		writers.Go(func() { disturb(t, servers[i%len(servers)], admin, i, n, stop) })
	}
	for i, query := range []string{
		"sort=created", "sort=-created", "sort=deadline", "sort=-deadline",
		"owner=" + me, "owner=" + me + "&sort=-deadline",
		"deadline_from=2900-01-01&deadline_to=2900-12-31", "sort=-deadline&deadline_from=2900-01-01&deadline_to=2900-12-31&owner=" + me,
	} {
		wantStaying(t, query, n, servers[i%len(servers)].walk(t, admin, query, 25+75*(i%2)))
	}
	close(stop)
	writers.Wait()
}

// fill creates n widgets. Those with an even number stay where they are. Many of them have
// the same deadline.
func fill(t *testing.T, s *server, admin string, n int) {
	t.Helper()
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for i := client; i < n; i += 8 {
				name, deadline := fmt.Sprint("moves-", i), fmt.Sprintf("2900-%02d-11", 1+i%12)
				if i%2 == 0 {
					name, deadline = fmt.Sprint("stays-", i), fmt.Sprintf("2900-%02d-10", 1+i/2%12)
				}
				s.do(t, post("/widgets", admin, fields{"name": name, "info_url": "https://example.com/", "deadline": deadline})).want(t, 201, "")
			}
		})
	}
	clients.Wait()
}

// disturb writes to other widgets than those that stay until stop is closed, and changes the
// links of those that stay.
func disturb(t *testing.T, s *server, admin string, client, n int, stop <-chan struct{}) {
	random := rand.New(rand.NewPCG(*seed, uint64(client)))
	for i := 0; !isClosed(stop); i++ {
		moving := fmt.Sprint("/widgets/moves-", random.IntN(n/2)*2+1)
		deadline := fmt.Sprintf("2900-%02d-%02d", 1+random.IntN(12), 1+random.IntN(28))
		switch random.IntN(5) {
		case 0:
			s.do(t, put(moving, admin, fields{"info_url": "https://example.com/", "deadline": deadline}))
		case 1:
			s.do(t, del(moving, admin))
		case 2:
			s.do(t, patch(moving, admin, fields{"deadline": deadline}))
		case 3:
			s.do(t, put(fmt.Sprintf("/widgets/new-%d-%d", client, i), admin, fields{"info_url": "https://example.com/", "deadline": deadline}))
		case 4:
			staying := fmt.Sprint("/widgets/stays-", random.IntN(n/2)*2)
			s.do(t, patch(staying, admin, fields{"info_url": fmt.Sprint("https://example.com/", i)})).want(t, 200, "")
		}
	}
}

// walk returns the widgets of a list, in its order, by following the links to the next page.
func (s *server) walk(t *testing.T, token, query string, size int) (names []string) {
	t.Helper()
	for path := fmt.Sprintf("%s/widgets?%s&per_page=%d", api, query, size); path != ""; {
		p := s.do(t, request{method: "GET", path: path, token: token}).page(t)
		names = append(names, p.names()...)
		if p.HasNext != (p.Links["next"] != "") || t.Failed() {
			t.Errorf("has_next is %v, the link is %q", p.HasNext, p.Links["next"])
			break
		}
		path = p.Links["next"]
	}
	return names
}

// wantStaying checks that a walk saw every widget that stays exactly once, in order.
func wantStaying(t *testing.T, query string, n int, names []string) {
	t.Helper()
	var got []int
	for _, name := range names {
		if number, stays := strings.CutPrefix(name, "stays-"); stays {
			var i int
			_, _ = fmt.Sscan(number, &i)
			got = append(got, i)
		}
	}
	seen := slices.Clone(got)
	slices.Sort(seen)
	if unique := slices.Compact(slices.Clone(seen)); len(seen) != n/2 || len(unique) != n/2 {
		t.Errorf("%s: saw %d widgets that stay, %d different ones, want %d", query, len(seen), len(unique), n/2)
	}
	if !strings.Contains(query, "deadline") {
		return
	}
	month := func(i int) int { return i / 2 % 12 }
	if strings.Contains(query, "-deadline") {
		slices.Reverse(got)
	}
	if !slices.IsSortedFunc(got, func(a, b int) int { return month(a) - month(b) }) {
		t.Errorf("%s: the widgets are not in order of their deadlines", query)
	}
}

// TestCursorsAreGoodAfterARestart also checks that another store refuses them.
func TestCursorsAreGoodAfterARestart(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := folder(t)
			settings := slices.Concat(store(t), asAdmin, []string{"WIDGETD_SECRET_KEY=" + secretKey})
			s := start(t, data, settings...)
			admin := s.logIn(t, adminEmail, adminPassword)
			fill(t, s, admin, 20)
			first := s.do(t, get("/widgets?sort=deadline&per_page=5", admin)).page(t)
			rest := first.Links["next"]
			want := s.do(t, request{method: "GET", path: rest, token: admin}).page(t).names()
			s.kill()
			s = start(t, data, settings...)
			if got := s.do(t, request{method: "GET", path: rest, token: admin}).page(t).names(); !slices.Equal(got, want) {
				t.Errorf("after the restart the page has %q, want %q", got, want)
			}
			other := start(t, folder(t), append(slices.Clone(asAdmin), "WIDGETD_SECRET_KEY="+secretKey)...)
			res := other.do(t, request{method: "GET", path: rest, token: other.logIn(t, adminEmail, adminPassword)})
			res.want(t, 400, "")
			if errors, _ := res.json()["errors"].(map[string]any); errors["after"] == nil || len(errors) != 1 {
				t.Errorf("the cursor of another store: %s", res.body)
			}
		})
	}
}
