package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

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
	right := f.last() // a server that is right, if there is one
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
