package main_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// minter returns a function that makes tokens of the administrator, each another,
// for a server that has secretKey. Logging in as often would take too long.
func (s *server) minter(t *testing.T) func() string {
	t.Helper()
	_, claims := decode(t, s.logIn(t, adminEmail, adminPassword))
	prefix, _ := claims["jti"].(string)
	var made atomic.Int64
	return func() string {
		mine := jwt.MapClaims{"sub": claims["sub"], "admin": true, "iat": claims["iat"], "exp": claims["exp"],
			"jti": fmt.Sprintf("%s%012d", prefix[:24], made.Add(1))}
		token := sign(t, jwt.SigningMethodHS256, []byte(secretKey), mine)
		s.keepSecret(token)
		return token
	}
}

// TestNothingAcknowledgedIsLostByACrash kills the server while clients write,
// again and again, and checks all that it ever acknowledged.
func TestNothingAcknowledgedIsLostByACrash(t *testing.T) {
	t.Parallel()
	const clients = 12
	data := folder(t)
	settings := []string{"WIDGETD_SECRET_KEY=" + secretKey, "WIDGETD_MAX_REGISTRATIONS=0"}
	s := start(t, data, append(settings, asAdmin...)...)
	figures := newFigures()
	figures.watch(s)
	defer figures.log(t)
	mint := s.minter(t)
	admin := mint()
	var facts []*memory
	for round := range rounds(t, 6) {
		enough := newCountdown(200 + random(t, round).IntN(500))
		var busy sync.WaitGroup
		for i := range clients {
			client := &client{t: t, s: s, token: admin, mint: mint, memory: newMemory(), acknowledged: enough}
			facts = append(facts, client.memory)
			busy.Go(func() { client.work(fmt.Sprintf("r%d-c%d", round, i)) })
		}
		enough.await(t)
		s.kill()
		figures.faults++
		busy.Wait()

		s = start(t, data, settings...)
		figures.watch(s)
		s.wantFacts(t, admin, facts, figures)
		for _, memory := range facts[round*clients:] {
			for name, told := range memory.widgets {
				s.wantSame(t, admin, name, told.now)
			}
		}
	}
}

// fate is what a client knows of a widget: the link it has, "" when it was
// deleted. While an answer is out both fates are possible.
type fate struct{ now, maybe string }

// memory is what a client was told and what it asked for when the server, or its
// store, died.
type memory struct {
	widgets  map[string]fate
	created  []string          // in order, those that were acknowledged
	tokens   map[string]bool   // whether logged out
	accounts map[string]string // the token it was registered with, by email
	late     bool              // what is uncertain may still come to pass: the store goes on
}

func newMemory() *memory {
	return &memory{widgets: map[string]fate{}, tokens: map[string]bool{}, accounts: map[string]string{}}
}

// client writes to a server until that dies, or its store if that may, or as long
// as it is told to.
type client struct {
	t            *testing.T
	s            *server
	token        string
	mint         func() string
	memory       *memory
	acknowledged *countdown
	storeMayDie  bool
	until        <-chan struct{} // may be nil
	over         bool
}

func (c *client) work(prefix string) {
	for i := 0; !c.over && !isClosed(c.until); i++ {
		c.workOn(i, fmt.Sprintf("%s-%d", prefix, i), fmt.Sprintf("https://example.com/%s/%d", prefix, i))
	}
}

// workOn does something with a new widget, and more, while it knows the outcomes.
func (c *client) workOn(i int, name, link string) {
	f := widgetFields().with("name", name).with("info_url", link)
	create := post("/widgets", c.token, f)
	if i%4 == 1 {
		create = put("/widgets/"+name, c.token, f)
	}
	if !c.write(create, 201, name, link) {
		return
	}
	c.memory.created = append(c.memory.created, name)
	if i%2 == 0 && !c.write(put("/widgets/"+name, c.token, f.with("info_url", link+"/changed")), 200, name, link+"/changed") {
		return
	}
	if i%3 == 0 && !c.write(del("/widgets/"+name, c.token), 204, name, "") {
		return
	}
	if i%2 == 1 && !c.logOut() {
		return
	}
	if i%16 == 5 {
		c.register(name + "@example.com")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// write asks for a change, notes what is known of its outcome, and returns whether
// that is known.
func (c *client) write(r request, status int, name, link string) bool {
	before := c.memory.widgets[name].now
	c.memory.widgets[name] = fate{now: before, maybe: link}
	if !c.ask(r, status) {
		return false
	}
	c.memory.widgets[name] = fate{now: link, maybe: link}
	return true
}

// logOut logs one token out and lets another be.
func (c *client) logOut() bool {
	gone := c.mint()
	if !c.ask(post("/auth/logout", gone, nil), 200) {
		return false // nobody knows
	}
	c.memory.tokens[gone] = true
	kept := c.mint()
	if !c.ask(get("/auth/user", kept), 200) {
		return false
	}
	c.memory.tokens[kept] = false
	return true
}

// register makes an account, which takes long: passwords are hashed.
func (c *client) register(email string) {
	if res, ok := c.send(post("/auth/register", "", fields{"email": email, "password": userPassword}), 201); ok {
		c.memory.accounts[email] = res.text("access_token")
	}
}

func (c *client) ask(r request, status int) bool {
	_, ok := c.send(r, status)
	return ok
}

// send returns whether the outcome is known. It is not when the server is gone or,
// which ends the work only if the store may die, says that it is unavailable: a
// busy one says so too.
func (c *client) send(r request, status int) (response, bool) {
	res, err := c.s.send(r)
	unavailable := err == nil && res.status == http.StatusServiceUnavailable
	if err != nil || unavailable {
		c.over = !unavailable || c.storeMayDie
		return res, false
	}
	res.want(c.t, status, "")
	c.acknowledged.count()
	return res, true
}

// wantFacts checks that what the server has is what it told its clients.
func (s *server) wantFacts(t *testing.T, admin string, told []*memory, figures *figures) {
	t.Helper()
	items := s.widgets(t, admin)
	links, place := map[string]string{}, map[string]int{}
	for i, item := range items {
		if _, twice := links[item.Name]; twice {
			t.Errorf("%s is listed twice", item.Name)
		}
		links[item.Name], place[item.Name] = item.InfoURL, i
	}
	known := 0
	for _, memory := range told {
		for name, told := range memory.widgets {
			link, found := links[name]
			if found {
				known++
			}
			figures.check(t, link == told.now || link == told.maybe, "%s has the link %q, want %q or %q", name, link, told.now, told.maybe)
			if link == told.maybe || !memory.late {
				memory.widgets[name] = fate{link, link} // what was uncertain is settled
			}
		}
		left := slices.DeleteFunc(slices.Clone(memory.created), func(name string) bool { return links[name] == "" })
		if !slices.IsSortedFunc(left, func(a, b string) int { return place[a] - place[b] }) {
			t.Errorf("not in the order of creation: %q", left)
		}
		for token, loggedOut := range memory.tokens {
			res := s.do(t, get("/auth/user", token))
			want, says := 200, ""
			if loggedOut {
				want, says = 401, tokenLoggedOut
			}
			figures.check(t, res.status == want && res.text("message") == says, "a token, logged out: %v, gets %d %s", loggedOut, res.status, res.body)
		}
		for email, token := range memory.accounts {
			res := s.do(t, get("/auth/user", token))
			figures.check(t, res.text("email") == email, "the account %s: %d %s", email, res.status, res.body)
		}
	}
	if known != len(items) {
		t.Errorf("%d widgets are listed, the clients know of %d", len(items), known)
	}
}

// wantSame checks that a widget alone is what it is in the list.
func (s *server) wantSame(t *testing.T, admin, name, link string) {
	t.Helper()
	res := s.do(t, get("/widgets/"+name, admin))
	switch {
	case link == "" && res.status != http.StatusNotFound:
		t.Errorf("%s is not in the list, but there: %s", name, res.body)
	case link != "" && !strings.Contains(res.body, `"`+link+`"`):
		t.Errorf("%s is in the list, but alone: %s", name, res.body)
	}
}
