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

	"github.com/widgetd/widgetd/internal/mongotest"
)

// history records the requests and responses of concurrent clients. It is safe for
// concurrent use.
//
// The service promises consistency for each object separately: for each widget, for each
// account with its tokens, and for each token of an account that does not change. So each
// object has its own list of operations, which must be linearizable: some order of the
// operations, one after the other, must explain all responses.
type history struct {
	began      time.Time
	mu         sync.Mutex
	operations map[string][]porcupine.Operation // by object
	known      int                              // operations with a known outcome
}

func newHistory() *history {
	return &history{began: time.Now(), operations: map[string][]porcupine.Operation{}}
}

// action is the effect of a request on a widget or a token. For accounts see
// accountStep.
type action string

// The actions.
const (
	creating action = "create" // POST
	writing  action = "write"  // PUT
	patching action = "patch"  // PATCH
	removing action = "remove" // DELETE
	reading  action = "read"   // GET
	using    action = "use"    // GET with a token
	ending   action = "end"    // log-out of a token
)

// state is the state of an object. The value is a widget's link, or "ended" for a token that
// is logged out. An object that does not exist, and a token that is not logged out, have the
// empty value. The tag is a widget's entity tag. It is empty after a write whose response is
// missing, until a response shows the tag.
type state struct{ value, tag string }

// call is an action, with the value that it sets.
type call struct {
	action action
	value  string
	match  string // the tag in If-Match; empty if the request has no such header
}

// answer is the status of a response and the state that it shows. Status 0 stands
// for a missing response and for one that leaves the outcome open.
type answer struct {
	status int
	state  state
}

// model describes how the responses of a widget or a token follow from its state.
func model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(before, input, output any) (bool, any) {
			return step(before.(state), input.(call), output.(answer))
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprint(input, " → ", output) },
	}
}

// step reports whether the answer to a call is right in the given state, and returns
// the state after the call.
func step(before state, call call, answer answer) (isRight bool, after state) {
	exists := before.value != ""
	switch call.action {
	case creating:
		if !exists && (answer.status == 0 || answer.status == 201) {
			return true, state{call.value, answer.state.tag}
		}
		return exists && (answer.status == 0 || answer.status == 409), before
	case writing, patching, removing:
		return stepOfWrite(before, call, answer)
	case reading:
		return exists && answer.status == 200 && answer.state.value == before.value && before.mayHave(answer.state.tag) ||
			!exists && answer.status == 404, answer.state
	case using:
		return answer.status == 200 && !exists || answer.status == 401 && exists, before
	case ending:
		return true, state{value: call.value}
	}
	return false, before
}

// stepOfWrite is step for a write that can have a precondition.
func stepOfWrite(before state, call call, answer answer) (isRight bool, after state) {
	exists := before.value != ""
	written := state{call.value, answer.state.tag} // a deletion sets the empty value
	switch answer.status {
	case 0:
		switch {
		case !exists && (call.action != writing || call.match != ""), call.match != "" && !before.mayHave(call.match):
			return true, before
		}
		return true, written
	case 200, 204:
		isNew := answer.status == 204 || answer.state.tag != before.tag && answer.state.tag != ""
		return exists && isNew && (call.match == "" || before.mayHave(call.match)), written
	case 201:
		return !exists && call.action == writing && call.match == "", written
	case 404:
		return !exists && call.action != writing, before
	case 412:
		if !exists {
			return call.action == writing && call.match != "", before
		}
		return call.match != "" && before.tag != call.match, before
	}
	return false, before
}

// mayHave reports whether the widget can have the tag: it has, or its tag is not known.
func (s state) mayHave(tag string) bool { return s.tag == tag || s.tag == "" }

// record adds an operation on an object. A write without a known outcome may still
// be done at any later time, so it never returns. A read without an outcome says
// nothing and is left out.
func (h *history) record(client int, object string, call call, answer answer, began, returned time.Duration) {
	switch {
	case answer.status != 0:
		h.answered()
	case call.action == reading || call.action == using:
		return
	default:
		returned = math.MaxInt64
	}
	h.add(client, object, call, answer, began, returned)
}

// add adds an operation on an object.
func (h *history) add(client int, object string, input, output any, began, returned time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations[object] = append(h.operations[object], porcupine.Operation{
		ClientId: client, Input: input, Output: output, Call: int64(began), Return: int64(returned),
	})
}

// answered counts an operation with a known outcome.
func (h *history) answered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known++
}

// wrong returns the objects whose operations are not linearizable, or are too many
// to decide, each with its operations.
func (h *history) wrong() (objects []string) {
	for object, operations := range h.operations {
		model := modelOf(operations)
		if result := porcupine.CheckOperationsTimeout(model, operations, patience); result != porcupine.Ok {
			slices.SortFunc(operations, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
			var text strings.Builder
			for _, o := range operations {
				fmt.Fprintf(&text, "\n%12v to %12v, client %d: %s", time.Duration(o.Call), time.Duration(o.Return), o.ClientId, model.DescribeOperation(o.Input, o.Output))
			}
			objects = append(objects, fmt.Sprintf("%s: %s%s", object, result, &text))
		}
	}
	return objects
}

// modelOf returns the model for the operations of one object.
func modelOf(operations []porcupine.Operation) porcupine.Model {
	if _, isAccount := operations[0].Input.(accountStep); isAccount {
		return accountModel()
	}
	return model()
}

// actor is a client that records its requests in a history. It stops after a request
// whose outcome is unknown.
type actor struct {
	t        *testing.T
	number   int
	s        *server
	admin    string
	round    int
	random   *rand.Rand
	tokens   []string          // shared by all actors
	accounts []*knownAccount   // shared by all actors
	tags     map[string]string // the entity tag that the actor has seen last, by the widget's name
	history  *history
	done     *countdown
}

// widgets and accounts are the numbers of widgets and accounts in one round.
const (
	widgets  = 5
	accounts = 2
)

func (a *actor) act(until <-chan struct{}) {
	for i := 0; !isClosed(until); i++ {
		work := a.workOnWidget
		switch n := a.random.IntN(100); {
		case a.number < 2: // only two actors, because hashing is slow
			work = a.workOnPassword
		case n < 15:
			work = a.workOnToken
		case n < 55:
			work = a.workOnAccount
		}
		if !work(i) {
			return
		}
		a.done.count()
	}
}

func (a *actor) workOnWidget(i int) bool {
	name := fmt.Sprintf("r%d-%d", a.round, a.random.IntN(widgets))
	object, path := "widget "+name, "/widgets/"+name
	link := fmt.Sprintf("https://example.com/%d/%d/%d", a.round, a.number, i)
	f := widgetFields().with("name", name).with("info_url", link)
	match := a.tags[name] // empty, or the tag of the last response, which may be old
	switch n := a.random.IntN(12); {
	case n < 4:
		return a.send(object, call{action: reading}, get(path, a.admin))
	case n < 6:
		return a.send(object, call{action: creating, value: link}, post("/widgets", a.admin, f))
	case n < 7:
		return a.send(object, call{action: writing, value: link}, put(path, a.admin, f))
	case n < 8:
		return a.sendIf(object, call{writing, link, match}, put(path, a.admin, f))
	case n < 10:
		return a.sendIf(object, call{patching, link, match}, patch(path, a.admin, fields{"info_url": link}))
	case n < 11:
		return a.sendIf(object, call{removing, "", match}, del(path, a.admin))
	default:
		return a.send(object, call{action: removing}, del(path, a.admin))
	}
}

// sendIf is send for a request with the precondition of the call.
func (a *actor) sendIf(object string, does call, r request) bool {
	if does.match != "" {
		r = r.onlyIf("If-Match", does.match)
	}
	return a.send(object, does, r)
}

func (a *actor) workOnToken(int) bool {
	n := a.random.IntN(len(a.tokens))
	object, token := fmt.Sprintf("token %d of round %d", n, a.round), a.tokens[n]
	if a.random.IntN(8) > 0 {
		return a.send(object, call{action: using}, get("/auth/user", token))
	}
	return a.send(object, call{action: ending, value: "ended"}, post("/auth/logout", token, nil))
}

// send sends a request about a widget or a token, records it, and reports whether the
// outcome is known.
func (a *actor) send(object string, does call, r request) bool {
	began := time.Since(a.history.began)
	res, err := a.s.send(r)
	returned := time.Since(a.history.began)
	known := err == nil && res.status != 503
	got := answer{}
	if known {
		got = answer{res.status, state{res.text("info_url"), res.header.Get("ETag")}}
		if name, isWidget := strings.CutPrefix(object, "widget "); isWidget && got.state.tag != "" {
			a.tags[name] = got.state.tag
		}
	}
	// A log-out first uses its token, as any request does, and then ends it.
	if does.action == ending && known {
		a.history.record(a.number, object, call{action: using}, got, began, returned)
	}
	if does.action != ending || got.status != 401 {
		a.history.record(a.number, object, does, got, began, returned)
	}
	return known
}

// readAll reads the state of every object, at the end of the history.
func (a *actor) readAll() {
	for n := range widgets {
		name := fmt.Sprintf("r%d-%d", a.round, n)
		a.send("widget "+name, call{action: reading}, get("/widgets/"+name, a.admin))
	}
	a.readAccounts()
	for n, token := range a.tokens {
		a.send(fmt.Sprintf("token %d of round %d", n, a.round), call{action: using}, get("/auth/user", token))
	}
}

// TestHistoriesAreLinearizable lets clients work on the same few widgets, accounts
// and tokens until a server or the store is killed, or the store has no primary. It then
// compares all responses, those after the restart included, with the model.
func TestHistoriesAreLinearizable(t *testing.T) {
	t.Parallel()
	limitless := []string{"WIDGETD_MAX_REGISTRATIONS=0", "WIDGETD_MAX_LOGIN_FAILURES=0", "WIDGETD_SECRET_KEY=" + secretKey}
	settings := slices.Concat(limitless, asAdmin)
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		data := folder(t)
		servers := []*server{start(t, data, settings...)}
		runHistories(t, servers, 600, 2, func() {}, func(int) {
			servers[0].kill()
			servers[0] = start(t, data, settings...)
		})
	})
	t.Run("MongoDB", func(t *testing.T) {
		t.Parallel()
		store := mongotest.Start(t)
		uri := store.Database(t)
		servers := startTwo(t, uri, settings...)
		runHistories(t, servers, 150, 3, func() { store.Chaos(t) }, func(round int) {
			store.Calm(t)
			switch round % 3 {
			case 0:
				servers[0].kill()
				servers[0] = start(t, folder(t), slices.Concat(onMongoDB(uri), settings)...)
			case 1:
				store.Kill(t)
				store.Restart(t)
			case 2:
				store.Elect(t, 4*time.Second) // longer than a command may take
			}
			for _, s := range servers {
				s.awaitReady(t)
			}
		})
	})
}

// runHistories runs rounds of concurrent clients, at least the given number. In each round
// it calls begin before the clients begin, and breakAndMend after a number of requests, up to
// 1.5 times the given one.
func runHistories(t *testing.T, servers []*server, requests, atLeast int, begin func(), breakAndMend func(round int)) {
	const clients = 8
	figures := newFigures()
	defer figures.log(t)
	for round := range rounds(t, atLeast) {
		figures.watch(servers...)
		mint := servers[0].minter(t)
		admin, tokens := mint(), []string{mint(), mint(), mint()}
		random, history := random(t, round), newHistory()
		enough, stop := newCountdown(requests/2+random.IntN(requests)), make(chan struct{})
		known := make([]*knownAccount, accounts)
		for i := range known {
			known[i] = &knownAccount{email: fmt.Sprintf("r%d-%d@example.com", round, i), password: "the password 0"}
		}
		begin()
		actors := make([]*actor, clients)
		var busy sync.WaitGroup
		for i := range actors {
			actors[i] = &actor{t, i, servers[i%len(servers)], admin, round, rand.New(rand.NewPCG(random.Uint64(), 0)), tokens, known, map[string]string{}, history, enough}
			busy.Go(func() { actors[i].act(stop) })
		}
		enough.await(t)
		breakAndMend(round)
		figures.faults++
		close(stop)
		busy.Wait()
		for i, s := range servers {
			actors[i].s = s
			actors[i].readAll()
		}
		figures.facts += history.known
		for _, wrong := range history.wrong() {
			figures.lost++
			t.Error("not linearizable: ", wrong)
		}
	}
}

// TestWrongHistoriesAreNotLinearizable proves that the model finds errors.
func TestWrongHistoriesAreNotLinearizable(t *testing.T) {
	t.Parallel()
	const never = math.MaxInt64
	// The tag of each state is its value.
	at := func(began, returned time.Duration, action action, value string, status int, shows string) porcupine.Operation {
		out := answer{status, state{shows, shows}}
		if action != reading && (status == 200 || status == 201) {
			out.state.tag = value
		}
		return porcupine.Operation{Input: call{action: action, value: value}, Output: out, Call: int64(began), Return: int64(returned)}
	}
	onlyIf := func(match string, o porcupine.Operation) porcupine.Operation {
		o.Input = call{o.Input.(call).action, o.Input.(call).value, match}
		return o
	}
	for name, test := range map[string]struct {
		history []porcupine.Operation
		isRight bool
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
		"an unacknowledged creation seen and then lost": {[]porcupine.Operation{at(0, never, creating, "a", 0, ""), at(2, 3, reading, "", 200, "a"),
			at(4, 5, reading, "", 404, "")}, false},
		"deleted twice": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 9, removing, "", 204, ""),
			at(3, 8, removing, "", 204, "")}, false},
		"a deleted widget seen again": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 3, removing, "", 204, ""),
			at(4, 5, reading, "", 200, "a")}, false},
		"made by an update and by a creation": {[]porcupine.Operation{at(0, 9, writing, "a", 201, ""), at(1, 8, creating, "b", 201, "")}, false},
		"a token used after its log-out":      {[]porcupine.Operation{at(0, 1, ending, "ended", 200, ""), at(2, 3, using, "", 200, "")}, false},
		"a token used during its log-out":     {[]porcupine.Operation{at(0, 3, ending, "ended", 200, ""), at(1, 2, using, "", 200, "")}, true},
		"a token refused and then not": {[]porcupine.Operation{at(0, never, ending, "ended", 0, ""), at(1, 2, using, "", 401, ""),
			at(3, 4, using, "", 200, "")}, false},
		"a token refused without a log-out": {[]porcupine.Operation{at(0, 1, using, "", 401, "")}, false},
		"two updates of one version": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""),
			onlyIf("a", at(2, 9, writing, "b", 200, "")), onlyIf("a", at(3, 8, patching, "c", 200, ""))}, false},
		"one of two updates of one version": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""),
			onlyIf("a", at(2, 9, writing, "b", 200, "")), onlyIf("a", at(3, 8, patching, "c", 412, ""))}, true},
		"an update and a deletion of one version": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""),
			onlyIf("a", at(2, 9, writing, "b", 200, "")), onlyIf("a", at(3, 8, removing, "", 204, ""))}, false},
		"a version refused that is the latest": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""),
			onlyIf("a", at(2, 3, patching, "b", 412, ""))}, false},
		"an unacknowledged update of an old version seen": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 3, writing, "b", 200, ""),
			onlyIf("a", at(4, never, patching, "c", 0, "")), at(5, 6, reading, "", 200, "c")}, false},
		"an unacknowledged update of the version seen": {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""),
			onlyIf("a", at(2, never, patching, "c", 0, "")), at(5, 6, reading, "", 200, "c")}, true},
		"a version that is not raised":          {[]porcupine.Operation{at(0, 1, creating, "a", 201, ""), at(2, 3, writing, "a", 200, "")}, false},
		"a patch of no widget":                  {[]porcupine.Operation{at(0, 1, patching, "a", 200, "")}, false},
		"a put that requires a version creates": {[]porcupine.Operation{onlyIf("x", at(0, 1, writing, "a", 201, ""))}, false},
		"an unexpected status":                  {[]porcupine.Operation{at(0, 1, reading, "", 500, "")}, false},
	} {
		h := newHistory()
		h.operations[name] = test.history
		if wrong := h.wrong(); (len(wrong) == 0) != test.isRight {
			t.Errorf("%s: linearizable: %v, want %v", name, len(wrong) == 0, test.isRight)
		}
	}
}
