package mongodb_test

import (
	"errors"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestNoServerForgetsATokenEarly has two servers with purges at different intervals,
// some of which are so long that a server has much time to catch up. The wall clocks
// are years apart. A third server logs tokens out and purges never. Whatever the
// intervals, no token is forgotten before its lifetime has passed.
func TestNoServerForgetsATokenEarly(t *testing.T) {
	t.Parallel()
	for name, intervals := range map[string][2]int{ // in minutes
		"regular":               {1, 1},
		"one is late":           {1, 7},
		"one is very late":      {1, 45},
		"both are late":         {13, 45},
		"both are very late":    {60, 59},
		"one purges at the end": {2, 70},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock, uri := &clock{}, mongotest.URI(t)
			options := mongodb.Options{Clock: clock}
			servers := []*mongodb.DB{openWith(t, uri, options), openWith(t, uri, options)}
			idle := openWith(t, uri, options)
			walls := []time.Time{sample.Time().AddDate(100, 0, 0), sample.Time().AddDate(-1, 0, 0)}
			const lifetime, minutes = 30, 75 // in minutes
			loggedOut := map[int]int{}       // minute by token
			add := func(db *mongodb.DB, n, minute int) {
				token := sample.Token(n, 0)
				token.Lifetime = lifetime * time.Minute
				noError(t, db.Blacklist().Add(t.Context(), token))
				loggedOut[n] = minute
			}
			for minute := range minutes {
				clock.run(time.Minute)
				for i, db := range servers {
					if (minute+1)%intervals[i] == 0 {
						sample.Must(db.Blacklist().Purge(t.Context(), walls[i]))
					}
				}
				for n, since := range loggedOut {
					if minute-since >= lifetime {
						continue // it may be forgotten
					}
					if !sample.Must(isLoggedOut(t.Context(), idle, sample.Token(n, 0))) {
						t.Fatalf("minute %d: the token of minute %d is forgotten", minute, since)
					}
				}
				if minute%5 == 0 {
					add(servers[0], 3*minute, minute)
					add(servers[1], 3*minute+1, minute)
					add(idle, 3*minute+2, minute)
				}
			}
		})
	}
}

// TestTimeWithoutTheDatabaseIsNotCounted has a server that cannot purge for an hour. A
// token that is logged out then by a server that has just been started must outlast the
// purges of both.
func TestTimeWithoutTheDatabaseIsNotCounted(t *testing.T) {
	t.Parallel()
	clock, uri := &clock{}, mongotest.URI(t)
	options := mongodb.Options{Clock: clock}
	cutOff := openWith(t, uri, options)
	clock.run(time.Hour)
	started := openWith(t, uri, options)
	token := sample.Token(1, 0)
	token.Lifetime = 10 * time.Minute
	noError(t, started.Blacklist().Add(t.Context(), token))
	for range 9 {
		for _, db := range []*mongodb.DB{cutOff, started} {
			equal(t, "number of purged tokens", sample.Must(db.Blacklist().Purge(t.Context(), sample.Time())), 0)
		}
		clock.run(time.Minute)
	}
}

// TestRunningTimeSurvivesAnOutage kills the database while servers run.
func TestRunningTimeSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	store, clock := mongotest.Start(t), &clock{}
	db := openWith(t, store.Database(t), mongodb.Options{Clock: clock})
	token := sample.Token(1, 0)
	token.Lifetime = 10 * time.Minute
	noError(t, db.Blacklist().Add(t.Context(), token))
	purge := func(want int) {
		t.Helper()
		clock.run(time.Minute)
		equal(t, "number of purged tokens", sample.Must(db.Blacklist().Purge(t.Context(), sample.Time())), want)
	}
	for range 5 {
		purge(0)
	}
	store.Kill(t)
	clock.run(time.Minute)
	if _, err := db.Blacklist().Purge(t.Context(), sample.Time()); !errors.Is(err, domain.Unavailable) {
		t.Errorf("Purge without a database: %v", err)
	}
	store.Restart(t)
	awaitReady(t, db)
	for range 4 {
		purge(0)
	}
	for range 3 {
		clock.run(time.Minute)
		sample.Must(db.Blacklist().Purge(t.Context(), sample.Time()))
	}
	equal(t, "number of tokens", sample.Must(db.Blacklist().Count(t.Context())), 0)
}
