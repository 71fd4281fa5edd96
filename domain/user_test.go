package domain_test

import (
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestNewUserIsRegisteredNowInUTCMilliseconds(t *testing.T) {
	t.Parallel()
	id := domain.UUID{1}
	email := sample.Email("ada@example.com")
	for _, admin := range []bool{false, true} {
		got := domain.NewUser(id, email, domain.NewPasswordHash("hash"), admin, moment("2026-11-22T08:55:04.123999999+02:00"))
		want := domain.User{
			PublicID:     id,
			Email:        email,
			PasswordHash: domain.NewPasswordHash("hash"),
			Admin:        admin,
			RegisteredOn: time.Date(2026, 11, 22, 6, 55, 4, 123e6, time.UTC),
		}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestOnlyAnAdministratorWhoCanLogInIsActive(t *testing.T) {
	t.Parallel()
	for _, user := range []domain.User{{}, {Admin: true}, {Disabled: true}, {Admin: true, Disabled: true}} {
		if got := user.IsActiveAdmin(); got != (user == domain.User{Admin: true}) {
			t.Errorf("%+v: %v", user, got)
		}
	}
}

func TestSameAccessComparesWhatCanBeChanged(t *testing.T) {
	t.Parallel()
	user := sample.User(1)
	if other := domain.NewUser(domain.UUID{1}, sample.Email("ada@example.com"), user.PasswordHash, user.Admin, sample.Time()); !user.SameAccess(other) {
		t.Errorf("%+v and %+v do not have the same access", user, other)
	}
	for field, change := range map[string]func(*domain.User){
		"PasswordHash": func(u *domain.User) { u.PasswordHash = domain.NewPasswordHash("another") },
		"Admin":        func(u *domain.User) { u.Admin = !u.Admin },
		"Disabled":     func(u *domain.User) { u.Disabled = !u.Disabled },
	} {
		changed := user
		change(&changed)
		if user.SameAccess(changed) {
			t.Errorf("another %s is the same access", field)
		}
	}
}
