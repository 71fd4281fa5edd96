package domain_test

import (
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func TestNewUserBeginsNowInUTCMilliseconds(t *testing.T) {
	t.Parallel()
	id := domain.UUID{1}
	email := must(domain.ParseEmail("ada@example.com"))
	for _, admin := range []bool{false, true} {
		got := domain.NewUser(id, email, "hash", admin, moment("2026-11-22T08:55:04.123999999+02:00"))
		want := domain.User{
			PublicID:     id,
			Email:        email,
			PasswordHash: "hash",
			Admin:        admin,
			RegisteredOn: time.Date(2026, 11, 22, 6, 55, 4, 123e6, time.UTC),
		}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}
