package main_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/widgetd/widgetd/adapters/mongodb/mongotest"
)

// history is what clients asked of servers at the same time, and what they were
// told. It is safe for concurrent use.
//
// What is promised of a widget, an account and a token is promised of each alone,
// so there is a history of each, and each must be one that could have come to be
// with one request after the other: it must be linearizable.
type history struct {
	began time.Time
	mu    sync.Mutex
	of    map[string][]porcupine.Operation
	known int // outcomes
}

func newHistory() *history {
	return &history{began: time.Now(), of: map[string][]porcupine.Operation{}}
}

// deed is what a request asks of its object.
type deed string

// The deeds there are, and the state that they are about: a widget's link, an
// account's password, or "ended" for a token that is logged out. What is not there
// (a token: not logged out) has none.
const (
	creating  deed = "create" // POST; register
	writing   deed = "write"  // PUT
	removing  deed = "remove" // DELETE
	reading   deed = "read"   // GET
	loggingIn deed = "log in"
	using     deed = "use" // GET with a token
	ending    deed = "end" // log out with it
)

// asked is a deed with the state it brings about, or is about.
type asked struct {
	deed  deed
	state string
}

// told is a response: its status, and the state that it shows. No status stands
// for no response, or one that leaves the outcome open.
type told struct {
	status int
	state  string
}

// model is what one object does, as shared/CONTRACT.md has it.
func model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			return step(state.(string), input.(asked), output.(told))
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprint(input, " → ", output) },
	}
}

// step returns the state after a deed, and whether the response fits the state
// before.
func step(state string, asked asked, told told) (fits bool, after string) {
	there := state != ""
	switch asked.deed {
	case creating:
		if !there && (told.status == 0 || told.status == 201) {
			return true, asked.state
		}
		return there && (told.status == 0 || told.status == 409), state
	case writing:
		return told.status == 0 || !there && told.status == 201 || there && told.status == 200, asked.state
	case removing:
		return told.status == 0 || there && told.status == 204 || !there && told.status == 404, ""
	case reading:
		return there && told.status == 200 && told.state == state || !there && told.status == 404, state
	case loggingIn:
		return told.status == 200 && state == asked.state || told.status == 401 && state != asked.state, state
	case using:
		return told.status == 200 && !there || told.status == 401 && there, state
	case ending:
		return true, asked.state
	}
	return false, state
}

// note records what was asked of an object and told of it. What has no outcome may
// still come to pass at any time; what would only have looked has no meaning then.
func (h *history) note(client int, object string, asked asked, told told, call, returned time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case told.status != 0:
		h.known++
	case asked.deed == reading || asked.deed == loggingIn || asked.deed == using:
		return
	default:
		returned = math.MaxInt64
	}
	h.of[object] = append(h.of[object], porcupine.Operation{
		ClientId: client, Input: asked, Output: told, Call: int64(call), Return: int64(returned),
	})
}

// wrong returns the objects whose history could not have come to be, or is too
// long to tell, with that history.
func (h *history) wrong() (objects []string) {
	for object, operations := range h.of {
		if result := porcupine.CheckOperationsTimeout(model(), operations, patience); result != porcupine.Ok {
			slices.SortFunc(operations, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
			var text strings.Builder
			for _, o := range operations {
				fmt.Fprintf(&text, "\n%12v to %12v, client %d: %v → %v", time.Duration(o.Call), time.Duration(o.Return), o.ClientId, o.Input, o.Output)
			}
			objects = append(objects, fmt.Sprintf("%s: %s%s", object, result, &text))
		}
	}
	return objects
}

// actor is a client whose requests make history. It asks until it does not know
// an outcome.
type actor struct {
	t       *testing.T
	number  int
	s       *server
	admin   string
	round   int
	random  *rand.Rand
	tokens  []string // of all clients
	history *history
	done    *countdown
}

// objects is how many widgets, and accounts, the clients of one round work on.
const objects = 5

func (a *actor) act(until <-chan struct{}) {
	for i := 0; !isClosed(until); i++ {
		does := a.workOnWidget
		switch n := a.random.IntN(100); {
		case a.number == 0: // the only one who has passwords hashed, at its leisure, and another
			does = a.workOnAccount
		case a.number == 1 && n < 30:
			does = a.workOnAccount
		case n < 25:
			does = a.workOnToken
		}
		if !does(i) {
			return
		}
		a.done.count()
	}
}

func (a *actor) workOnWidget(i int) bool {
	name := fmt.Sprintf("r%d-%d", a.round, a.random.IntN(objects))
	link := fmt.Sprintf("https://example.com/%d/%d/%d", a.round, a.number, i)
	f := widgetFields().with("name", name).with("info_url", link)
	switch n := a.random.IntN(10); {
	case n < 4:
		return a.ask("widget "+name, asked{reading, ""}, get("/widgets/"+name, a.admin))
	case n < 6:
		return a.ask("widget "+name, asked{creating, link}, post("/widgets", a.admin, f))
	case n < 8:
		return a.ask("widget "+name, asked{writing, link}, put("/widgets/"+name, a.admin, f))
	default:
		return a.ask("widget "+name, asked{removing, ""}, del("/widgets/"+name, a.admin))
	}
}

func (a *actor) workOnAccount(i int) bool {
	email := fmt.Sprintf("r%d-%d@example.com", a.round, a.random.IntN(objects))
	password := fmt.Sprint("the password of client ", a.number%2)
	account := fields{"email": email, "password": password}
	if i%2 == 0 {
		return a.ask("account "+email, asked{creating, password}, post("/auth/register", "", account))
	}
	return a.ask("account "+email, asked{loggingIn, password}, post("/auth/login", "", account))
}

func (a *actor) workOnToken(int) bool {
	n := a.random.IntN(len(a.tokens))
	object, token := fmt.Sprintf("token %d of round %d", n, a.round), a.tokens[n]
	if a.random.IntN(8) > 0 {
		return a.ask(object, asked{using, ""}, get("/auth/user", token))
	}
	return a.ask(object, asked{ending, "ended"}, post("/auth/logout", token, nil))
}

// ask makes history and returns false when the outcome is not known, save where
// passwords are hashed, which a server may be too busy for.
func (a *actor) ask(object string, what asked, r request) bool {
	call := time.Since(a.history.began)
	res, err := a.s.send(r)
	returned := time.Since(a.history.began)
	known := err == nil && res.status != 503
	answer := told{}
	if known {
		answer = told{res.status, res.text("info_url")}
	}
	// A log-out first uses its token, like any request, and then ends it.
	if what.deed == ending && known {
		a.history.note(a.number, object, asked{using, ""}, answer, call, returned)
	}
	if what.deed != ending || answer.status != 401 {
		a.history.note(a.number, object, what, answer, call, returned)
	}
	return known || err == nil && strings.HasPrefix(object, "account")
}

// look has the history end with what is there.
func (a *actor) look() {
	for n := range objects {
		name, email := fmt.Sprintf("r%d-%d", a.round, n), fmt.Sprintf("r%d-%d@example.com", a.round, n)
		a.ask("widget "+name, asked{reading, ""}, get("/widgets/"+name, a.admin))
		password := "the password of client 0"
		a.ask("account "+email, asked{loggingIn, password}, post("/auth/login", "", fields{"email": email, "password": password}))
	}
	for n, token := range a.tokens {
		a.ask(fmt.Sprintf("token %d of round %d", n, a.round), asked{using, ""}, get("/auth/user", token))
	}
}

// TestHistoriesAreLinearizable has clients work on the same few widgets, accounts
// and tokens at once until a server, or the store, is killed, and holds what they
// were told, then and afterwards, against the model.
func TestHistoriesAreLinearizable(t *testing.T) {
	t.Parallel()
	limitless := []string{"WIDGETD_MAX_REGISTRATIONS=0", "WIDGETD_MAX_LOGIN_FAILURES=0", "WIDGETD_SECRET_KEY=" + secretKey}
	settings := slices.Concat(limitless, asAdmin)
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		data := folder(t)
		servers := []*server{start(t, data, settings...)}
		makeHistory(t, servers, 500, func(int) {
			servers[0].kill()
			servers[0] = start(t, data, settings...)
		})
	})
	t.Run("MongoDB", func(t *testing.T) {
		t.Parallel()
		store := mongotest.Start(t)
		uri := store.Database(t)
		servers := startTwo(t, uri, settings...)
		makeHistory(t, servers, 150, func(round int) {
			if round%2 == 0 {
				servers[0].kill()
				servers[0] = start(t, folder(t), slices.Concat(onMongoDB(uri), settings)...)
				return
			}
			store.Kill(t)
			store.Restart(t)
			for _, s := range servers {
				s.awaitReady(t)
			}
		})
	})
}

// makeHistory has clients make history with so many requests a round before
// something is broken and mended.
func makeHistory(t *testing.T, servers []*server, requests int, breakAndMend func(round int)) {
	const clients = 8
	figures := newFigures()
	defer figures.log(t)
	for round := range rounds(t, 2) {
		figures.watch(servers...)
		mint := servers[0].minter(t)
		admin, tokens := mint(), []string{mint(), mint(), mint()}
		random, history := random(t, round), newHistory()
		enough, stop := newCountdown(requests/2+random.IntN(requests)), make(chan struct{})
		actors := make([]*actor, clients)
		var busy sync.WaitGroup
		for i := range actors {
			actors[i] = &actor{t, i, servers[i%len(servers)], admin, round, rand.New(rand.NewPCG(random.Uint64(), 0)), tokens, history, enough}
			busy.Go(func() { actors[i].act(stop) })
		}
		enough.await(t)
		breakAndMend(round)
		figures.faults++
		close(stop)
		busy.Wait()
		for i, s := range servers {
			actors[i].s = s
			actors[i].look()
		}
		figures.facts += history.known
		for _, wrong := range history.wrong() {
			figures.lost++
			t.Error("could not have come to be: ", wrong)
		}
	}
}

// TestWrongHistoriesAreNotLinearizable proves that the model bites.
func TestWrongHistoriesAreNotLinearizable(t *testing.T) {
	t.Parallel()
	const never = math.MaxInt64
	at := func(call, returned time.Duration, deed deed, state string, status int, shows string) porcupine.Operation {
		return porcupine.Operation{Input: asked{deed, state}, Output: told{status, shows}, Call: int64(call), Return: int64(returned)}
	}
	for name, test := range map[string]struct {
		history []porcupine.Operation
		right   bool
	}{
		"two creations at once": {[]porcupine.Operation{at(0, 9, creating, "a", 201, ""), at(1, 8, creating, "b", 201, "")}, false},
		"one creation at once":  {[]porcupine.Operation{at(0, 9, creating, "a", 409, ""), at(1, 8, creating, "b", 201, "")}, true},
		"a lost update": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 3, writing, "b", 200, ""),
			at(4, 5, reading, "", 200, "a")}, false},
		"a read before the update is over": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 5, writing, "b", 200, ""),
			at(3, 4, reading, "", 200, "a")}, true},
		"the old after the new": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 9, writing, "b", 200, ""),
			at(3, 4, reading, "", 200, "b"), at(5, 6, reading, "", 200, "a")}, false},
		"an acknowledged creation lost":   {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 3, reading, "", 404, "")}, false},
		"an unacknowledged creation lost": {[]porcupine.Operation{at(0, never, creating, "a", 0, ""), at(2, 3, reading, "", 404, "")}, true},
		"an unacknowledged creation late": {[]porcupine.Operation{at(0, never, creating, "a", 0, ""), at(2, 3, reading, "", 404, ""),
			at(4, 5, reading, "", 200, "a")}, true},
		"one there and gone": {[]porcupine.Operation{at(0, never, creating, "a", 0, ""), at(2, 3, reading, "", 200, "a"),
			at(4, 5, reading, "", 404, "")}, false},
		"deleted twice": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 9, removing, "", 204, ""),
			at(3, 8, removing, "", 204, "")}, false},
		"back from the dead": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 3, removing, "", 204, ""),
			at(4, 5, reading, "", 200, "a")}, false},
		"made by an update and by a creation": {[]porcupine.Operation{at(0, 9, writing, "a", 201, ""), at(1, 8, creating, "b", 201, "")}, false},
		"a log-in with another's password":    {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 3, loggingIn, "b", 200, "")}, false},
		"a log-in refused":                    {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 3, loggingIn, "a", 401, "")}, false},
		"a token used after its log-out":      {[]porcupine.Operation{at(0, 1, ending, "ended", 200, ""), at(2, 3, using, "", 200, "")}, false},
		"a token used during its log-out":     {[]porcupine.Operation{at(0, 3, ending, "ended", 200, ""), at(1, 2, using, "", 200, "")}, true},
		"a token refused and then not": {[]porcupine.Operation{at(0, never, ending, "ended", 0, ""), at(1, 2, using, "", 401, ""),
			at(3, 4, using, "", 200, "")}, false},
		"a token refused without a log-out": {[]porcupine.Operation{at(0, 1, using, "", 401, "")}, false},
		"a status of no meaning":            {[]porcupine.Operation{at(0, 1, reading, "", 500, "")}, false},
	} {
		h := newHistory()
		h.of[name] = test.history
		if wrong := h.wrong(); (len(wrong) == 0) != test.right {
			t.Errorf("taken for right: %v, want %v: %s", len(wrong) == 0, test.right, name)
		}
	}
}
