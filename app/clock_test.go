package app_test

import (
	"errors"
	"fmt"
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

func (f *fleet) register() {
	f.Helper()
	email, password := credentialsOfAdmin()
	sample.Must(f.apps[0].Auth.Register(f.Context(), email, password))
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

// TestWrongWallClock sets the wall clock of the first server to a wrong time for some
// time, and then right. The other server on the store is right all the time.
func TestWrongWallClock(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{year, -year, 2 * time.Hour, -2 * time.Hour} {
		for _, minutes := range []int{30, 100} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v for %d minutes, restart %t", wrong, minutes, restart), func(t *testing.T) {
					t.Parallel()
					eachFleet(t, func(f *fleet) { f.testWrongWallClock(wrong, minutes, restart) })
				})
			}
		}
	}
}

func (f *fleet) testWrongWallClock(wrong time.Duration, minutes int, restart bool) {
	right := len(f.apps) - 1 // a server that is right, if there is one
	f.register()
	before, kept := f.logIn(0), f.logIn(0)
	f.logOut(right, before)

	f.clocks[0].wrong = wrong
	f.wantRefused("the token that was logged out before", before)
	f.pass(1)
	during := f.logIn(0)
	f.logOut(0, during)
	f.pass(minutes - 1)
	f.wantRefused("the token that was logged out before", before)
	f.wantRefused("the token that was logged out meanwhile", during)
	if restart {
		f.restart()
	}

	f.clocks[0].wrong = 0
	f.want("a token issued as soon as the clock is right", f.logIn(0), nil)
	f.want("a token of the last server", f.logIn(right), nil)
	f.wantRefused("the token that was logged out before", before)
	f.wantRefused("the token that was logged out meanwhile", during)
	if minutes < 60 {
		f.want("the token that was logged out before", before, domain.ErrTokenBlacklisted)
		f.want("the token that was not logged out", kept, nil)
	}
	f.pass(10)
	if restart {
		f.restart()
	}
	f.wantRefused("the token that was logged out before", before)
	f.want("a later token", f.logIn(right), nil)
}

// TestJumpsOfTheWallClock sets the clock of each server ahead and back many times
// during the life of a token.
func TestJumpsOfTheWallClock(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(f *fleet) {
		f.register()
		token := f.logIn(0)
		f.logOut(0, token)
		for i := range 9 {
			f.clocks[i%len(f.clocks)].wrong = []time.Duration{year, -year, 10 * year}[i%3]
			f.pass(2)
			f.wantRefused("the token that was logged out", token)
			if i%4 == 3 {
				f.restart()
			}
			for _, clock := range f.clocks {
				clock.wrong = 0
			}
			f.pass(2)
			f.want("the token that was logged out", token, domain.ErrTokenBlacklisted)
			f.want("a new token", f.logIn(i%len(f.clocks)), nil)
		}
	})
}

// TestLoggedOutTokensAreForgotten: when both conditions hold, the store is emptied.
func TestLoggedOutTokensAreForgotten(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(f *fleet) {
		f.register()
		token := f.logIn(0)
		f.logOut(0, token)
		f.pass(59)
		forgotten := 0
		for range 7 {
			f.right.Add(int64(time.Minute))
			for _, a := range f.apps {
				forgotten += sample.Must(a.Auth.Purge(f.Context()))
			}
		}
		if forgotten != 1 {
			t.Errorf("%d tokens were forgotten, want 1", forgotten)
		}
		f.want("the token", token, domain.ErrTokenExpired)
	})
}
