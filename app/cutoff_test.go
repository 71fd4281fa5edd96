package app_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestLogOutEverywhereWithinOneSecond ends all tokens 30 times, on servers whose clocks
// differ by 3 seconds. The clocks stand still: tokens of before and after are issued
// within the same second.
func TestLogOutEverywhereWithinOneSecond(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(f *fleet) {
		f.register()
		f.clocks[0].wrong = 3 * time.Second
		for round := range 30 {
			one, other := round%len(f.apps), (round+1)%len(f.apps)
			tokens := []string{f.logIn(one), f.logIn(other)}
			if err := f.apps[one].Auth.LogOutEverywhere(f.Context(), f.claims(one, tokens[1])); err != nil {
				f.Fatal(err)
			}
			for _, token := range tokens {
				f.want("a token of before", token, domain.ErrTokenBlacklisted)
			}
			f.want("a token of after, of the same server", f.logIn(one), nil)
			f.want("a token of after, of another server", f.logIn(other), nil)
		}
	})
}

// TestCutOffSurvivesWrongClocksAndRestarts: the wall clock is wrong when the tokens are ended.
// When it is right again, they are still refused, and new tokens are accepted.
func TestCutOffSurvivesWrongClocksAndRestarts(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{year, -year, 5 * year} {
		t.Run(wrong.String(), func(t *testing.T) {
			t.Parallel()
			eachFleet(t, func(f *fleet) {
				f.register()
				token := f.logIn(f.last())
				claims := f.claims(f.last(), token)
				f.clocks[0].wrong = wrong
				if err := f.apps[0].Auth.LogOutEverywhere(f.Context(), claims); err != nil {
					f.Fatal(err)
				}
				f.pass(2)
				f.clocks[0].wrong = 0
				f.restart()
				f.pass(2)
				f.want("the token", token, domain.ErrTokenBlacklisted)
				f.want("a later token", f.logIn(0), nil)
			})
		})
	}
}

// TestRaceOfPasswordChanges: of 24 changes with the same current password one succeeds.
func TestRaceOfPasswordChanges(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(f *fleet) {
		f.register()
		_, current := credentialsOfAdmin()
		before := f.logIn(0)
		claims := f.claims(0, before)
		const n = 24
		var changes sync.WaitGroup
		var tokens [n]domain.AccessToken
		var errs [n]error
		for i := range n {
			changes.Go(func() {
				changed := sample.Password("new password " + string(rune('a'+i)))
				tokens[i], errs[i] = f.apps[i%len(f.apps)].Auth.ChangePassword(f.Context(), claims, current, changed)
			})
		}
		changes.Wait()
		succeeded := 0
		for i, err := range errs {
			isMismatch := domain.KindOf(err) == domain.Invalid && !errors.Is(err, domain.ErrCredentialsMismatch)
			switch {
			case err == nil:
				succeeded++
				f.want("the token of the change", tokens[i].Text, nil)
			case !isMismatch && !errors.Is(err, domain.ErrCredentialsMismatch) && !errors.Is(err, domain.ErrTokenBlacklisted):
				f.Errorf("a change that lost: %v", err)
			}
		}
		if succeeded != 1 {
			f.Errorf("%d changes succeeded, want 1", succeeded)
		}
		f.want("the token of before", before, domain.ErrTokenBlacklisted)
	})
}

// TestPasswordChangeRacesLogIns: no token that was issued for the old password is good
// after the change.
func TestPasswordChangeRacesLogIns(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(f *fleet) {
		f.register()
		email, old := credentialsOfAdmin()
		for round := range 5 {
			claims := f.claims(0, sample.Must(f.apps[0].Auth.LogIn(f.Context(), email, old)).Text)
			stop := make(chan struct{})
			var logIns sync.WaitGroup
			var mu sync.Mutex
			var tokens []string
			started := make(chan struct{}, 100)
			for i := range 8 {
				logIns.Go(func() {
					for {
						token, err := f.apps[i%len(f.apps)].Auth.LogIn(f.Context(), email, old)
						if err == nil {
							mu.Lock()
							tokens = append(tokens, token.Text)
							mu.Unlock()
							select {
							case started <- struct{}{}:
							default:
							}
						} else if !errors.Is(err, domain.ErrCredentialsMismatch) {
							f.Errorf("a log-in: %v", err)
							return
						}
						select {
						case <-stop:
							return
						default:
						}
					}
				})
			}
			<-started
			changed := sample.Password("password " + string(rune('a'+round)))
			token, err := f.apps[f.last()].Auth.ChangePassword(f.Context(), claims, old, changed)
			close(stop)
			logIns.Wait()
			if err != nil {
				f.Fatal(err)
			}
			for _, token := range tokens {
				f.want("a token of the old password", token, domain.ErrTokenBlacklisted)
			}
			f.want("the token of the change", token.Text, nil)
			old = changed
		}
	})
}

// TestNoWriteOfADemotedAdministrator demotes an administrator in a stream of writes: no
// write is accepted that began after the demotion was answered.
func TestNoWriteOfADemotedAdministrator(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(f *fleet) {
		f.register()
		id := f.account().PublicID
		sample.Must(f.apps[0].Accounts.Create(f.Context(), domain.Operator(), sample.Email("other@example.com"), sample.Password("x"), true))
		for range 5 {
			sample.Must(f.apps[0].Accounts.Change(f.Context(), domain.Operator(), id, domain.AccountChange{Admin: new(true)}))
			claims := f.claims(0, f.logIn(0))
			var demoted atomic.Bool
			var writes sync.WaitGroup
			accepted := make(chan struct{}, 1000)
			for i := range 4 {
				writes.Go(func() {
					for {
						late := demoted.Load()
						_, _, err := f.apps[i%len(f.apps)].Widgets.Put(f.Context(), claims, sample.WidgetName("stream"), sample.WidgetFields("x"), domain.Condition{})
						switch {
						case err == nil && late:
							f.Error("a write was accepted that began after the demotion")
						case err == nil:
							select {
							case accepted <- struct{}{}:
							default:
							}
						case !errors.Is(err, domain.Forbidden):
							f.Errorf("a write: %v", err)
						}
						if late {
							return
						}
					}
				})
			}
			<-accepted
			_, err := f.apps[f.last()].Accounts.Change(f.Context(), domain.Operator(), id, domain.AccountChange{Admin: new(false)})
			demoted.Store(true)
			writes.Wait()
			if err != nil {
				f.Fatal(err)
			}
		}
	})
}

func TestDeletedAccountsTokensAreInvalid(t *testing.T) {
	t.Parallel()
	eachFleet(t, func(f *fleet) {
		f.register()
		token := f.logIn(0)
		_, password := credentialsOfAdmin()
		if err := f.apps[f.last()].Auth.Unregister(f.Context(), f.claims(0, token), password); err != nil {
			f.Fatal(err)
		}
		f.want("the token of the deleted account", token, domain.ErrTokenInvalid)
		f.restart()
		f.want("the token of the deleted account", token, domain.ErrTokenInvalid)
		f.register() // the email is free
		f.want("a token of the new account", f.logIn(0), nil)
		f.want("the token of the deleted account", token, domain.ErrTokenInvalid)
	})
}
