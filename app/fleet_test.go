package app_test

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// serverClock is the clock of a server: a right clock, which servers share, and an
// error of the wall clock.
type serverClock struct {
	right *atomic.Int64 // nanoseconds since the test began
	wrong time.Duration // error of the wall clock
	began int64         // when the process began
}

func (c *serverClock) Now() time.Time {
	return time.Date(2030, time.January, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(c.right.Load()) + c.wrong)
}

func (c *serverClock) Running() time.Duration { return time.Duration(c.right.Load() - c.began) }

// fleet is a number of servers on one store.
type fleet struct {
	*testing.T
	config app.Config
	right  atomic.Int64
	apps   []*app.App
	clocks []*serverClock
}

const year = 365 * 24 * time.Hour

// eachFleet runs the test with one server on the embedded store, and with two on
// MongoDB.
func eachFleet(t *testing.T, test func(f *fleet)) {
	for name, n := range map[string]int{"embedded": 1, "MongoDB": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fleet{T: t, config: config(), apps: make([]*app.App, n), clocks: make([]*serverClock, n)}
			f.config.Audit = false
			if n == 1 {
				f.config.DataDir = t.TempDir()
			} else {
				f.config.MongoDBURI = mongotest.URI(t)
			}
			for i := range n {
				f.start(i, 0)
			}
			t.Cleanup(func() {
				for i := range n {
					f.stop(i)
				}
			})
			test(f)
		})
	}
}

// start starts a server with an error of its wall clock.
func (f *fleet) start(i int, wrong time.Duration) {
	f.Helper()
	f.clocks[i] = &serverClock{&f.right, wrong, f.right.Load()}
	a, err := app.New(f.Context(), f.config, app.WithClock(f.clocks[i]), app.WithPasswordHasher(plainHasher{}), app.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		f.Fatal(err)
	}
	f.apps[i] = a
}

func (f *fleet) stop(i int) {
	if err := f.apps[i].Close(); err != nil {
		f.Error(err)
	}
}

// restart stops all servers and starts them again.
func (f *fleet) restart() {
	f.Helper()
	for i := range f.apps {
		f.stop(i)
		f.start(i, f.clocks[i].wrong)
	}
}

// pass lets minutes pass, after each of which every server purges.
func (f *fleet) pass(minutes int) {
	f.Helper()
	for range minutes {
		f.right.Add(int64(time.Minute))
		for _, a := range f.apps {
			if _, err := a.Auth.Purge(f.Context()); err != nil {
				f.Fatal(err)
			}
		}
	}
}

func (f *fleet) register() {
	f.Helper()
	email, password := credentialsOfAdmin()
	sample.Must(f.apps[0].Auth.Register(f.Context(), email, password))
}

// logIn returns a token that server i issued.
func (f *fleet) logIn(i int) string {
	f.Helper()
	email, password := credentialsOfAdmin()
	token, err := f.apps[i].Auth.LogIn(f.Context(), email, password)
	if err != nil {
		f.Fatalf("log-in: %v", err)
	}
	return token.Text
}

// logOut logs the token out on server i, which must accept it.
func (f *fleet) logOut(i int, token string) {
	f.Helper()
	claims, err := f.apps[i].Auth.Authenticate(f.Context(), token)
	if err != nil {
		f.Fatalf("the token is refused before its log-out: %v", err)
	}
	if err := f.apps[i].Auth.LogOut(f.Context(), claims); err != nil {
		f.Fatal(err)
	}
}

// want wants every server to answer so.
func (f *fleet) want(what, token string, want error) {
	f.Helper()
	for i, a := range f.apps {
		if _, err := a.Auth.Authenticate(f.Context(), token); !errors.Is(err, want) {
			f.Errorf("server %d, wrong by %v: %s: %v, want %v", i, f.clocks[i].wrong, what, err, want)
		}
	}
}

// wantRefused wants every server to refuse the token, for any reason.
func (f *fleet) wantRefused(what, token string) {
	f.Helper()
	for i, a := range f.apps {
		if _, err := a.Auth.Authenticate(f.Context(), token); !errors.Is(err, domain.Unauthenticated) {
			f.Errorf("server %d, wrong by %v: %s: %v, want a refusal", i, f.clocks[i].wrong, what, err)
		}
	}
}

// last returns the index of the last server, which is another one than the first on a
// shared store.
func (f *fleet) last() int { return len(f.apps) - 1 }

// claims returns the claims of a token that server i accepts.
func (f *fleet) claims(i int, token string) domain.Claims {
	f.Helper()
	claims, err := f.apps[i].Auth.Authenticate(f.Context(), token)
	if err != nil {
		f.Fatalf("server %d refuses a valid token: %v", i, err)
	}
	return claims
}

// account returns the account of the credentials.
func (f *fleet) account() domain.User {
	f.Helper()
	email, _ := credentialsOfAdmin()
	return sample.Must(f.apps[0].Accounts.Find(f.Context(), domain.Operator(), email))
}
