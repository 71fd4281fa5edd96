package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// driven are the methods of every driven port but the clock, which cannot fail,
// with how to put trouble there. Those of the signer do not wait for anything.
var driven = map[string]struct {
	put     func(*trouble, *house)
	methods []string
}{
	"Users": {func(t *trouble, h *house) { h.users = t.inUsers(h.users) },
		[]string{"Add", "ByPublicID", "ByEmail", "SetCredentials", "HasAdmin"}},
	"Widgets": {func(t *trouble, h *house) { h.widgets = t.inWidgets(h.widgets) },
		[]string{"Add", "ByName", "List", "Update", "Delete"}},
	"Blacklist": {func(t *trouble, h *house) { h.blacklist = t.inBlacklist(h.blacklist) },
		[]string{"Add", "Contains", "Purge"}},
	"Hasher": {func(t *trouble, h *house) { h.hasher = t.inHasher(h.hasher) }, []string{"Hash", "Verify"}},
	"Signer": {func(t *trouble, h *house) { h.signer = t.inSigner(h.signer) }, []string{"Sign", "Verify"}},
}

// faults are what a method does in place of its work, and what is said then.
var faults = map[string]struct {
	fail   func(context.Context) error
	status int
	waits  bool
}{
	"is unavailable": {func(context.Context) error { return domain.Unavailable }, 503, false},
	"fails":          {func(context.Context) error { return errors.New("the index is damaged") }, 500, false},
	"panics":         {func(context.Context) error { panic("at the index") }, 500, false},
	"hangs": {func(ctx context.Context) error {
		<-ctx.Done()
		return &domain.Error{Kind: domain.Unavailable, Err: ctx.Err()}
	}, 503, true},
	"does not mind its context": {func(ctx context.Context) error {
		<-ctx.Done() // and does its work, late
		return nil
	}, 503, true},
}

// rehashed is a hasher that takes no time, all of whose hashes are outdated, so
// that every log-in makes a new one.
type rehashed struct{ plain }

func (rehashed) Verify(_ context.Context, hash string, password domain.Password) (match, outdated bool, err error) {
	return hash == password.Reveal(), hash == password.Reveal(), nil
}

// TestFaultsAtEveryPortCall has each method of each driven port fail in each way
// while every endpoint is asked. Each answers as it should, or that it failed; a
// token that is logged out is let in by none; and when it is over, what was
// acknowledged before and meanwhile is there.
func TestFaultsAtEveryPortCall(t *testing.T) {
	t.Parallel()
	requests, facts, lost := 0, 0, 0
	var all sync.WaitGroup
	var trials []*trial
	for port, test := range driven {
		for _, method := range test.methods {
			for how, fault := range faults {
				if port == "Signer" && fault.waits {
					continue
				}
				trial := newTrial(t, port+"."+method, how, fault.fail, fault.status, test.put)
				trials = append(trials, trial)
				all.Go(trial.run)
			}
		}
	}
	all.Wait()
	for _, trial := range trials {
		requests, facts, lost = requests+trial.requests, facts+trial.facts, lost+trial.lost
		if trial.trouble.met.Load() == 0 {
			t.Errorf("%s was never called", trial.what)
		}
	}
	t.Logf("torture: %d requests tried, %d faults injected, %d acknowledged facts checked, lost: %d",
		requests, len(trials), facts, lost)
}

// trial is a server with a fault in a method.
type trial struct {
	t       *testing.T
	s       *served
	what    string // is wrong
	status  int    // that is due then
	trouble *trouble

	admin, loggedOut, leaving string // tokens
	mu                        sync.Mutex
	done                      map[string]bool // what was acknowledged
	requests, facts, lost     int
}

func newTrial(t *testing.T, method, how string, fail func(context.Context) error, status int, put func(*trouble, *house)) *trial {
	t.Helper()
	trouble, h := &trouble{fail: fail, in: method}, inMemory()
	signer, err := jwtsigner.New([]byte(config().SecretKey))
	if err != nil {
		t.Fatal(err)
	}
	h.hasher, h.signer = rehashed{}, ports.TokenSigner(signer)
	put(trouble, h)
	trouble.begun.Store(method == "Blacklist.Purge") // which is called at the start
	c := withAdmin()
	c.MaxLoginFailures, c.MaxRegistrations = 0, 0
	s := serve(t, c, h)
	trial := &trial{t: t, s: s, what: method + " " + how, status: status, trouble: trouble, done: map[string]bool{}}
	trial.admin, trial.loggedOut, trial.leaving = s.logIn(t), s.logIn(t), s.logIn(t)
	for _, name := range []string{"kept", "changed", "deleted"} {
		trial.want("PUT", "/widgets/"+name, trial.admin, 201)
	}
	trial.want("POST", "/auth/logout", trial.loggedOut, 200)
	return trial
}

func (r *trial) run() {
	r.trouble.begun.Store(true)
	var asking sync.WaitGroup
	for request, good := range map[string]int{
		"POST /auth/register":     201,
		"POST /auth/login":        200,
		"GET /auth/user":          200,
		"POST /auth/logout":       200,
		"GET /widgets":            200,
		"POST /widgets":           201,
		"GET /widgets/kept":       200,
		"PUT /widgets/changed":    200,
		"PUT /widgets/created":    201,
		"DELETE /widgets/deleted": 204,
		"GET /readyz":             200,
	} {
		method, path, _ := strings.Cut(request, " ")
		asking.Go(func() {
			token := r.admin
			if path == "/auth/logout" {
				token = r.leaving
			}
			r.acknowledge(request, r.want(method, path, token, good, r.status) == good)
		})
		if !slices.Contains([]string{"/auth/register", "/auth/login", "/readyz"}, path) {
			asking.Go(func() { r.want(method, path, r.loggedOut, 401, r.status) })
		}
	}
	asking.Wait()
	r.trouble.begun.Store(false)
	r.verify()
}

func (r *trial) acknowledge(request string, good bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[request] = good
}

// want asks and returns the status, which must be one of these.
func (r *trial) want(method, path, token string, statuses ...int) int {
	form := widgetFields + "&name=posted&" + credentials
	switch path {
	case "/auth/register":
		form = strings.Replace(form, adminEmail, "new@example.com", 1)
	case "/auth/login", "/readyz":
		token = ""
	}
	if path != "/readyz" {
		path = "/api/v1" + path
	} else if len(statuses) > 1 {
		statuses = append(statuses, 503) // whatever is wrong
	}
	began := time.Now()
	status, _, body := r.s.ask(r.t, method, path, token, form)
	if !slices.Contains(statuses, status) || strings.Contains(fmt.Sprint(body), "index") || time.Since(began) > 6*time.Second {
		r.t.Errorf("%s while %s: %d after %v, want %v: %v", method+" "+path, r.what, status, time.Since(began), statuses, body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	return status
}

// verify checks what was acknowledged, once the trouble is over.
func (r *trial) verify() {
	r.what = "nothing is wrong any more, but " + r.what
	for _, fact := range []struct {
		since        string // a request; always if empty
		method, path string
		token        string
		status       int
	}{
		{"", "GET", "/widgets/kept", r.admin, 200},
		{"", "GET", "/widgets/changed", r.admin, 200},
		{"", "GET", "/auth/user", r.admin, 200},
		{"", "GET", "/auth/user", r.loggedOut, 401},
		{"", "POST", "/auth/login", "", 200},
		{"", "GET", "/readyz", "", 200},
		{"POST /auth/register", "POST", "/auth/register", "", 409},
		{"POST /auth/logout", "GET", "/auth/user", r.leaving, 401},
		{"POST /widgets", "GET", "/widgets/posted", r.admin, 200},
		{"PUT /widgets/created", "GET", "/widgets/created", r.admin, 200},
		{"DELETE /widgets/deleted", "GET", "/widgets/deleted", r.admin, 404},
	} {
		if fact.since == "" || r.done[fact.since] {
			r.facts++
			if r.want(fact.method, fact.path, fact.token, fact.status) != fact.status {
				r.lost++
			}
		}
	}
}
