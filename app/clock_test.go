package app_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

// TestClockThatJumpsBackRevivesNoTokenAfterARestart on the embedded store.
func TestClockThatJumpsBackRevivesNoTokenAfterARestart(t *testing.T) {
	t.Parallel()
	c := config()
	c.DataDir = t.TempDir()
	now := time.Date(2030, time.January, 1, 12, 0, 0, 0, time.UTC)
	clock := &fakes.ClockMock{NowFunc: func() time.Time { return now }}
	open := func() *app.App {
		t.Helper()
		a, err := app.New(t.Context(), c, app.WithClock(clock), app.WithPasswordHasher(plain{}), app.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	email, password := must(domain.ParseEmail(adminEmail)), must(domain.ParsePassword(adminPassword))
	a := open()
	want := func(token domain.AccessToken, want error) {
		t.Helper()
		if _, err := a.Auth.Authenticate(t.Context(), token.Text); !errors.Is(err, want) {
			t.Errorf("at %v a token is told %v, want %v", now, err, want)
		}
	}

	loggedOut := must(a.Auth.Register(t.Context(), email, password))
	claims := must(a.Auth.Authenticate(t.Context(), loggedOut.Text))
	if err := a.Auth.LogOut(t.Context(), claims); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	expired := must(a.Auth.LogIn(t.Context(), email, password))
	now = now.Add(time.Second)
	unseen := must(a.Auth.LogIn(t.Context(), email, password)) // by anybody while the clock is ahead

	now = now.AddDate(1, 0, 0)
	want(expired, domain.TokenExpired)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(-1, 0, 0)
	a = open()
	defer a.Close()
	want(loggedOut, domain.TokenBlacklisted)
	want(expired, domain.TokenBlacklisted)
	want(unseen, nil)
	want(must(a.Auth.LogIn(t.Context(), email, password)), nil)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
