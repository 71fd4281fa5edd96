package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// drivenPorts holds, for each driven port, the methods that requests call and a
// function that injects a fault into them. The clock cannot fail, so it is not here.
var drivenPorts = map[string]struct {
	inject  func(*fault, *parts)
	methods []string
}{
	"Store": {func(f *fault, p *parts) { p.ping = f.inPing(p.ping) }, []string{"Ping"}},
	"Users": {func(f *fault, p *parts) { p.users = f.inUsers(p.users) },
		[]string{"Add", "ByPublicID", "ByEmail", "List", "Update", "Delete"}},
	"Widgets": {func(f *fault, p *parts) { p.widgets = f.inWidgets(p.widgets) },
		[]string{"Add", "ByName", "List", "Update", "Delete"}},
	"Blacklist": {func(f *fault, p *parts) { p.blacklist = f.inBlacklist(p.blacklist) },
		[]string{"Add", "EndTokens", "CutOff", "Check", "Purge"}},
	"Hasher": {func(f *fault, p *parts) { p.hasher = f.inHasher(p.hasher) }, []string{"Hash", "Verify"}},
	"Audit":  {func(f *fault, p *parts) { p.audit = f.inAudit(p.audit) }, []string{"Ready", "Record"}},
	"Signer": {func(f *fault, p *parts) { p.signer = f.inSigner(p.signer) }, []string{"Sign", "Verify"}},
}

// failures holds the functions that replace the work of a method, and the status of
// the response to a request that calls the method.
var failures = map[string]struct {
	fail   func(context.Context) error
	status int
	waits  bool // fail waits for the end of the context; the methods of the signer have no context
}{
	"is unavailable": {func(context.Context) error { return domain.Unavailable }, 503, false},
	"fails":          {func(context.Context) error { return errors.New("the index is damaged") }, 500, false},
	"panics":         {func(context.Context) error { panic("at the index") }, 500, false},
	"hangs": {func(ctx context.Context) error {
		<-ctx.Done()
		return &domain.Error{Kind: domain.Unavailable, Err: ctx.Err()}
	}, 503, true},
	"succeeds after its context has ended": {func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}, 503, true},
}

// outdatedHasher is a hasher whose hashes are all outdated, so that every log-in
// makes a new one.
type outdatedHasher struct{ plainHasher }

func (outdatedHasher) Verify(_ context.Context, hash domain.PasswordHash, password domain.Password) (match, outdated bool, err error) {
	match = hash.Reveal() == password.Reveal()
	return match, match, nil
}

// TestFaultsAtEveryPortCall makes each method of each driven port fail in each way
// while it sends requests to every endpoint. Each response must be the usual one or
// report the failure, and no endpoint may accept a logged-out token. After the fault,
// all acknowledged writes must be in the store.
func TestFaultsAtEveryPortCall(t *testing.T) {
	t.Parallel()
	requests, facts, lost := 0, 0, 0
	var all sync.WaitGroup
	var trials []*trial
	for port, test := range drivenPorts {
		for _, method := range test.methods {
			for how, failure := range failures {
				if port == "Signer" && failure.waits {
					continue
				}
				trial := newTrial(t, port+"."+method, how, failure.fail, failure.status, test.inject)
				trials = append(trials, trial)
				all.Go(trial.run)
			}
		}
	}
	all.Wait()
	for _, trial := range trials {
		requests, facts, lost = requests+trial.requests, facts+trial.facts, lost+trial.lost
		if trial.fault.hits.Load() == 0 {
			t.Errorf("%s: the method was not called", trial.situation)
		}
	}
	t.Logf("torture: %d requests tried, %d faults injected, %d acknowledged facts checked, lost: %d",
		requests, len(trials), facts, lost)
}

// trial is a server with a fault in one method.
type trial struct {
	t         *testing.T
	s         *served
	situation string // for messages: "Users.Add fails"
	status    int    // of the response to a request that calls the method
	fault     *fault

	admin, loggedOut, leaving string // tokens
	everywhere, unregistering string // tokens of other accounts
	disabled                  string // the path of another account
	mu                        sync.Mutex
	acknowledged              map[string]bool // by request, for example "POST /widgets"
	requests, facts, lost     int
}

func newTrial(t *testing.T, method, how string, fail func(context.Context) error, status int, inject func(*fault, *parts)) *trial {
	t.Helper()
	fault, p := &fault{fail: fail, method: method, hit: make(chan struct{}, 1)}, inMemory()
	key := sample.Must(jwtsigner.NewSecret([]byte(config().SecretKey)))
	signer := sample.Must(jwtsigner.New(jwtsigner.Config{Signing: key}))
	p.hasher, p.signer = outdatedHasher{}, ports.TokenSigner(signer)
	inject(fault, p)
	fault.active.Store(method == "Blacklist.Purge") // the server calls Purge when it starts
	c := withAdmin()
	c.MaxLoginFailures, c.MaxRegistrations = 0, 0
	s := serve(t, c, p)
	trial := &trial{t: t, s: s, situation: method + " " + how, status: status, fault: fault, acknowledged: map[string]bool{}}
	trial.admin, trial.loggedOut, trial.leaving = s.logIn(t), s.logIn(t), s.logIn(t)
	trial.everywhere, trial.unregistering = trial.register("everywhere@example.com"), trial.register("leaves@example.com")
	_, _, added := s.send(t, "POST", "/api/v1/users", trial.admin, "email=disabled@example.com&password=x")
	trial.disabled, _ = added["link"].(string)
	for _, name := range []string{"kept", "changed", "deleted"} {
		trial.want("PUT", "/widgets/"+name, trial.admin, 201)
	}
	trial.want("POST", "/auth/logout", trial.loggedOut, 200)
	return trial
}

// register adds an account with the administrator's password and returns its token.
func (r *trial) register(email string) string {
	r.t.Helper()
	_, _, body := r.s.send(r.t, "POST", "/api/v1/auth/register", "", "password="+adminPassword+"&email="+email)
	token, _ := body["access_token"].(string)
	return token
}

func (r *trial) run() {
	r.fault.active.Store(true)
	var sending sync.WaitGroup
	for request, success := range map[string]int{
		"POST /auth/register":          201,
		"POST /auth/login":             200,
		"GET /auth/user":               200,
		"POST /auth/logout":            200,
		"POST /auth/logout everywhere": 200,
		"POST /auth/unregister":        200,
		"GET /users":                   200,
		"PATCH /users/disabled":        200,
		"GET /widgets":                 200,
		"POST /widgets":                201,
		"GET /widgets/kept":            200,
		"PUT /widgets/changed":         200,
		"PUT /widgets/created":         201,
		"DELETE /widgets/deleted":      204,
		"GET /readyz":                  200,
	} {
		method, path, _ := strings.Cut(request, " ")
		sending.Go(func() {
			token := r.admin
			switch path {
			case "/auth/logout":
				token = r.leaving
			case "/auth/logout everywhere":
				token = r.everywhere
			case "/auth/unregister":
				token = r.unregistering
			}
			r.note(request, r.want(method, path, token, success, r.status) == success)
		})
		if !slices.Contains([]string{"/auth/register", "/auth/login", "/readyz"}, path) {
			sending.Go(func() { r.want(method, path, r.loggedOut, 401, r.status) })
		}
	}
	sending.Wait()
	if r.fault.method == "Blacklist.Purge" {
		r.fault.awaitHit(r.t) // another goroutine calls it
	}
	r.fault.active.Store(false)
	r.verify()
}

func (r *trial) note(request string, acknowledged bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acknowledged[request] = acknowledged
}

// want sends a request and returns the status, which must be one of the given.
func (r *trial) want(method, path, token string, statuses ...int) int {
	form := widgetFields + "&name=posted&" + credentials
	switch path {
	case "/auth/logout everywhere":
		path, form = "/auth/logout", "everywhere=true"
	case "/auth/logout":
		form = ""
	case "/users":
		form = ""
	case "/users/disabled":
		path, form = strings.TrimPrefix(r.disabled, "/api/v1"), "disabled=true"
	case "/auth/register":
		form = strings.Replace(form, adminEmail, "new@example.com", 1)
	case "/auth/login", "/readyz":
		token = ""
	}
	if path != "/readyz" {
		path = "/api/v1" + path
	} else if len(statuses) > 1 {
		statuses = append(statuses, 503) // for any fault
	}
	began := time.Now()
	status, _, body := r.s.send(r.t, method, path, token, form)
	if !slices.Contains(statuses, status) || strings.Contains(fmt.Sprint(body), "index") || time.Since(began) > 6*time.Second {
		r.t.Errorf("%s while %s: %d after %v, want %v: %v", method+" "+path, r.situation, status, time.Since(began), statuses, body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	return status
}

// verify checks the acknowledged facts after the fault.
func (r *trial) verify() {
	r.situation = "the fault is over: " + r.situation
	for _, fact := range []struct {
		since        string // the fact holds if this request was acknowledged; empty: it always holds
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
		{"POST /auth/logout everywhere", "GET", "/auth/user", r.everywhere, 401},
		{"POST /auth/unregister", "GET", "/widgets", r.unregistering, 401},
		{"POST /widgets", "GET", "/widgets/posted", r.admin, 200},
		{"PUT /widgets/created", "GET", "/widgets/created", r.admin, 200},
		{"DELETE /widgets/deleted", "GET", "/widgets/deleted", r.admin, 404},
	} {
		if fact.since == "" || r.acknowledged[fact.since] {
			r.facts++
			if r.want(fact.method, fact.path, fact.token, fact.status) != fact.status {
				r.lost++
			}
		}
	}
}

// TestStartEndsWhenTheAuditRecordTakesNoEntries: the start adds the administrator of the
// config, which the audit record must keep.
func TestStartEndsWhenTheAuditRecordTakesNoEntries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		blocked := &fault{fail: failures["hangs"].fail}
		blocked.active.Store(true)
		parts := inMemory()
		parts.audit = blocked.inAudit(parts.audit)
		a, err := app.New(t.Context(), withAdmin(), parts.options(slog.New(slog.DiscardHandler))...)
		if err != nil {
			t.Fatal(err)
		}
		ln := &unusedListener{}
		if err := a.Serve(t.Context(), ln); !errors.Is(err, domain.Unavailable) || !ln.closed {
			t.Errorf("Serve returns %v; it closed the listener: %v", err, ln.closed)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}

// unusedListener is a listener that only notes that it is closed.
type unusedListener struct {
	net.Listener
	closed bool
}

func (l *unusedListener) Close() error {
	l.closed = true
	return nil
}
