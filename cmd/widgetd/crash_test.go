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

// minter returns a function that signs a new token of the administrator at each call.
// The server must have the key secretKey. The same number of log-ins would take too long.
func (s *server) minter(t *testing.T) func() string {
	t.Helper()
	claims := claimsOf(t, s.logIn(t, adminEmail, adminPassword))
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

// TestNothingAcknowledgedIsLostByACrash kills the server in each round while clients
// write. After the restart it checks everything that was acknowledged in any round.
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
			for name, widget := range memory.widgets {
				s.wantSame(t, admin, name, widget.now)
			}
		}
	}
}

// widgetState is the state of a widget that a client expects: its link, or "" after a
// deletion. Usually now and maybe are equal. If a write got no response, the state is
// either now (before the write) or maybe (after the write).
type widgetState struct{ now, maybe string }

// memory holds the objects of a client as the client knows them, and the write that
// was not answered because the server or the store was killed.
type memory struct {
	widgets  map[string]widgetState
	created  []string          // names, in the order of the responses
	tokens   map[string]bool   // whether the token is logged out
	ended    map[string]string // why the first token of an account is refused, by the token
	accounts map[string]string // the first token of an account, by its email
	late     bool              // a write without a response may still take effect: the store was not killed
}

func newMemory() *memory {
	return &memory{widgets: map[string]widgetState{}, tokens: map[string]bool{}, ended: map[string]string{}, accounts: map[string]string{}}
}

// client writes to a server until the server is gone, until the store is gone if
// storeMayDie is set, or until the channel is closed.
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

// workOn creates a widget and does more with it. It stops at an unknown outcome.
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
		c.register(i, name+"@example.com")
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

// write changes a widget, remembers the outcome, and reports whether it is known.
func (c *client) write(r request, status int, name, link string) bool {
	before := c.memory.widgets[name].now
	c.memory.widgets[name] = widgetState{now: before, maybe: link}
	if !c.succeeds(r, status) {
		return false
	}
	c.memory.widgets[name] = widgetState{now: link, maybe: link}
	return true
}

// logOut logs one token out and uses another.
func (c *client) logOut() bool {
	gone := c.mint()
	if !c.succeeds(post("/auth/logout", gone, nil), 200) {
		return false
	}
	c.memory.tokens[gone] = true
	kept := c.mint()
	if !c.succeeds(get("/auth/user", kept), 200) {
		return false
	}
	c.memory.tokens[kept] = false
	return true
}

// register creates an account. This is slow because it hashes a password. Of three
// accounts the client keeps one, ends the tokens of one, and deletes one.
func (c *client) register(i int, email string) {
	res, ok := c.send(post("/auth/register", "", fields{"email": email, "password": userPassword}), 201)
	if !ok {
		return
	}
	token := res.text("access_token")
	switch i / 16 % 3 {
	case 0:
		if c.succeeds(post("/auth/logout", token, everywhere), 200) {
			c.memory.ended[token] = tokenLoggedOut
		}
	case 1:
		if c.succeeds(post("/auth/unregister", token, fields{"password": userPassword}), 200) {
			c.memory.ended[token] = tokenInvalid
		}
	case 2:
		c.memory.accounts[email] = token
	}
}

// succeeds sends a request and reports whether the outcome is known.
func (c *client) succeeds(r request, status int) bool {
	_, ok := c.send(r, status)
	return ok
}

// send sends a request and reports whether the outcome is known. It is unknown if
// the server is gone, and after a 503. A 503 ends the work only if the store may
// die, because a busy server also answers with 503.
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

// wantFacts checks that the server has everything that the clients know.
func (s *server) wantFacts(t *testing.T, admin string, memories []*memory, figures *figures) {
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
	for _, memory := range memories {
		for name, widget := range memory.widgets {
			link, found := links[name]
			if found {
				known++
			}
			figures.check(t, link == widget.now || link == widget.maybe, "%s has the link %q, want %q or %q", name, link, widget.now, widget.maybe)
			if link == widget.maybe || !memory.late {
				memory.widgets[name] = widgetState{link, link} // the outcome is known now
			}
		}
		left := slices.DeleteFunc(slices.Clone(memory.created), func(name string) bool { return links[name] == "" })
		if !slices.IsSortedFunc(left, func(a, b string) int { return place[a] - place[b] }) {
			t.Errorf("not in the order of creation: %q", left)
		}
		for token, loggedOut := range memory.tokens {
			res := s.do(t, get("/auth/user", token))
			want, reason := 200, ""
			if loggedOut {
				want, reason = 401, tokenLoggedOut
			}
			figures.check(t, res.status == want && res.text("message") == reason, "a token (logged out: %v) gets %d %s", loggedOut, res.status, res.body)
		}
		for token, reason := range memory.ended {
			res := s.do(t, get("/auth/user", token))
			figures.check(t, res.status == 401 && res.text("message") == reason, "a token that was ended gets %d %s, want %s", res.status, res.body, reason)
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

// wantSame checks that a widget has the same link by itself as in the list.
func (s *server) wantSame(t *testing.T, admin, name, link string) {
	t.Helper()
	res := s.do(t, get("/widgets/"+name, admin))
	switch {
	case link == "" && res.status != http.StatusNotFound:
		t.Errorf("%s is not in the list, but GET returns %s", name, res.body)
	case link != "" && !strings.Contains(res.body, `"`+link+`"`):
		t.Errorf("%s has the link %s in the list, but GET returns %s", name, link, res.body)
	}
}
