package main_test

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"
)

// many is the number of simultaneous requests.
const many = 24

// Not parallel: it hashes so many passwords that it needs the whole machine. On a
// busy machine some requests are answered with 503 and sent again.
func TestOneOfManyRegistrationsOfAnEmailWins(t *testing.T) {
	for fleet, start := range fleets {
		t.Run(fleet, func(t *testing.T) {
			servers := start(t)
			t.Run("one spelling", func(t *testing.T) {
				registerAtOnce(t, servers, func(int) string { return "race@example.com" })
			})
			t.Run("many spellings", func(t *testing.T) {
				registerAtOnce(t, servers, func(i int) string { return spelling("contest@example.com", i) })
			})
		})
	}
}

// registerAtOnce sends many registrations at the same time, with the emails that
// spell returns. They must all be the same address.
func registerAtOnce(t *testing.T, servers []*server, spell func(i int) string) {
	t.Helper()
	counts := atOnce(many, func(i int) int {
		s, email := servers[i%len(servers)], spell(i)
		res := s.do(t, post("/auth/register", "", fields{"email": email, "password": userPassword}))
		for late := time.Now().Add(patience); res.status == 503 && time.Now().Before(late); {
			res = s.do(t, post("/auth/register", "", fields{"email": email, "password": userPassword}))
		}
		if res.status == 409 {
			res.want(t, 409, fail(email+" is already registered"))
		}
		return res.status
	})
	if !maps.Equal(counts, map[int]int{201: 1, 409: many - 1}) {
		t.Errorf("number of responses by status: %v", counts)
	}
}

// spelling returns the text with its n-th letter in upper case if bit n of i is set.
func spelling(text string, i int) string {
	letters := []byte(text)
	for bit := range 5 {
		if i>>bit&1 == 1 {
			letters[bit] &^= 'a' - 'A'
		}
	}
	return string(letters)
}

func TestOneOfManyCreationsOfAWidgetWins(t *testing.T) {
	t.Parallel()
	for fleet, start := range fleets {
		t.Run(fleet, func(t *testing.T) {
			t.Parallel()
			createAtOnce(t, start(t, asAdmin...))
		})
	}
}

// createAtOnce creates widgets, each with many simultaneous requests.
func createAtOnce(t *testing.T, servers []*server) {
	admin := servers[0].logIn(t, adminEmail, adminPassword)
	for name, test := range map[string]struct {
		method, path string
		losers       int
	}{
		"by POST": {"POST", "/widgets", 409},
		"by PUT":  {"PUT", "/widgets/", 200},
	} {
		t.Run(name, func(t *testing.T) {
			for round := range 10 {
				name := fmt.Sprint(strings.ToLower(test.method), "-", round)
				path := api + test.path
				if test.method == "PUT" {
					path += name
				}
				counts := atOnce(many, func(i int) int {
					f := widgetFields().with("name", name).with("info_url", fmt.Sprint("https://example.com/", i))
					return servers[i%len(servers)].do(t, request{method: test.method, path: path, token: admin, fields: f}).status
				})
				if !maps.Equal(counts, map[int]int{201: 1, test.losers: many - 1}) {
					t.Errorf("round %d, number of responses by status: %v", round, counts)
				}
			}
		})
	}
	for _, s := range servers {
		if got := len(s.names(t, admin)); got != 20 {
			t.Errorf("%d widgets, want 20", got)
		}
	}
}

func TestOneOfManyDeletionsWins(t *testing.T) {
	t.Parallel()
	for fleet, start := range fleets {
		t.Run(fleet, func(t *testing.T) {
			t.Parallel()
			servers := start(t, asAdmin...)
			admin := servers[0].logIn(t, adminEmail, adminPassword)
			for range 10 {
				servers[0].do(t, put("/widgets/race", admin, widgetFields())).want(t, 201, "")
				counts := atOnce(many, func(i int) int { return servers[i%len(servers)].do(t, del("/widgets/race", admin)).status })
				if !maps.Equal(counts, map[int]int{204: 1, 404: many - 1}) {
					t.Errorf("number of responses by status: %v", counts)
				}
			}
		})
	}
}

func TestNoTokenIsAcceptedAfterItsLogOut(t *testing.T) {
	t.Parallel()
	for fleet, start := range fleets {
		t.Run(fleet, func(t *testing.T) {
			t.Parallel()
			servers := start(t, append(asAdmin, "WIDGETD_SECRET_KEY="+secretKey)...)
			mint := servers[0].minter(t)
			for range 30 {
				logOutAtOnce(t, servers, mint())
			}
		})
	}
}

// logOutAtOnce sends several log-outs of a token at the same time. After each it
// uses the token, at another server if there is one.
func logOutAtOnce(t *testing.T, servers []*server, token string) {
	t.Helper()
	counts := atOnce(8, func(i int) string {
		here, there := servers[i%len(servers)], servers[(i+1)%len(servers)]
		there.do(t, get("/auth/user", token)) // the server must not remember that the token was good
		out := here.do(t, post("/auth/logout", token, nil)).status
		after := there.do(t, get("/widgets", token)).text("message")
		return fmt.Sprint(out, " ", after)
	})
	first := counts[fmt.Sprint(200, " ", tokenLoggedOut)]
	if first == 0 || first+counts[fmt.Sprint(401, " ", tokenLoggedOut)] != 8 {
		t.Errorf("statuses of the log-outs and messages afterwards: %v", counts)
	}
}

// Fiber reuses the memory of a request for the next one. A text that is kept without
// a copy would change into part of another request.
func TestTextsStayIntactUnderConcurrentLoad(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), append(asAdmin, "--max-login-failures=0")...)
	admin := s.logIn(t, adminEmail, adminPassword)
	const clients, rounds = 12, 30
	var busy sync.WaitGroup
	for client := range clients {
		busy.Go(func() {
			for round := range rounds {
				id := fmt.Sprintf("%c%d-%d", 'a'+client, client, round)
				name := strings.Repeat(id+"_", 1+client%4) + "end"
				link := "https://" + strings.Repeat(id+".", 1+round%5) + "example.com/?q=" + id
				f := fields{"name": name, "info_url": link, "deadline": "2999-12-31"}
				encode := []encoding{asForm, asMultipart, asJSON}[(client+round)%3]
				header := map[string]string{"X-Request-Id": id}

				res := s.do(t, request{method: "POST", path: api + "/widgets", token: admin, fields: f, encode: encode, header: header})
				res.want(t, 201, success("New widget added: "+name+"."))
				res.wantHeader(t, "Location", api+"/widgets/"+name)
				res.wantHeader(t, "X-Request-Id", id)
				s.do(t, get("/widgets/none-"+id, admin)).want(t, 404, message("none-"+id+" not found in database"))
				s.do(t, post("/auth/register", "", fields{"email": id, "password": "x"})).
					want(t, 400, invalid(fields{"email": id + " is not a valid email"}))
				if got := s.do(t, get("/widgets/"+strings.ToUpper(name), admin)); got.text("name") != name || got.text("info_url") != link {
					t.Errorf("GET of %s with the link %s returned %s", name, link, got.body)
				}
				if round%3 == 0 {
					link += "-changed"
					res := s.do(t, request{method: "PUT", path: api + "/widgets/" + name, token: admin, fields: f.with("info_url", link), encode: encode})
					res.want(t, 200, success("'"+name+"' was successfully updated"))
				}
				if got := s.do(t, get("/widgets/"+name, admin)); got.text("name") != name || got.text("info_url") != link {
					t.Errorf("GET of %s with the link %s returned %s", name, link, got.body)
				}
			}
			email := fmt.Sprintf("%s-%d@%[1]s.example", strings.Repeat(string(rune('a'+client)), 5+client), client)
			token := s.do(t, post("/auth/register", "", fields{"email": email, "password": "secret of " + email})).text("access_token")
			if got := s.do(t, get("/auth/user", token)).text("email"); got != email {
				t.Errorf("%s became %q", email, got)
			}
		})
	}
	busy.Wait()

	seen := map[string]bool{}
	for _, item := range s.widgets(t, admin) {
		id, _, _ := strings.Cut(item.Name, "_")
		if seen[item.Name] || !strings.HasSuffix(strings.TrimSuffix(item.InfoURL, "-changed"), "example.com/?q="+id) {
			t.Errorf("in the list: %+v", item)
		}
		seen[item.Name] = true
	}
	if len(seen) != clients*rounds {
		t.Errorf("%d widgets, want %d", len(seen), clients*rounds)
	}
}
