package auth_test

import (
	"context"
	"errors"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

func TestEnsureAdminAddsAnAdministrator(t *testing.T) {
	t.Parallel()
	s := newStage()
	if err := s.service().EnsureAdmin(ctx, email, password); err != nil {
		t.Fatal(err)
	}
	s.wantCalls(t, "hasher.Hash", "users.Add")
	user := s.users.AddCalls()[0].User
	if want := domain.NewUser(user.PublicID, email, "new hash", true, now); user != want {
		t.Errorf("added %+v", user)
	}
}

func TestEnsureAdminOfAnAccount(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		admin, match, outdated bool
		untouched              bool
	}{
		"an administrator with the password is left alone":     {admin: true, match: true, untouched: true},
		"an administrator with an outdated hash gets a new":    {admin: true, match: true, outdated: true},
		"an administrator with another password gets this":     {admin: true},
		"anybody else with the password becomes one":           {match: true},
		"anybody else with another password gets this as well": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.user.Admin, s.match, s.outdated = test.admin, test.match, test.outdated
			s.answers["users.Add"] = domain.AlreadyExists
			if err := s.service().EnsureAdmin(ctx, email, password); err != nil {
				t.Fatal(err)
			}
			if got := s.hasher.VerifyCalls()[0]; got.Hash != "old hash" || got.Password != password {
				t.Errorf("checked %+v", got)
			}
			if test.untouched {
				s.wantCalls(t, "hasher.Hash", "users.Add", "users.ByEmail", "hasher.Verify")
				return
			}
			s.wantCalls(t, "hasher.Hash", "users.Add", "users.ByEmail", "hasher.Verify", "hasher.Hash", "users.SetCredentials")
			want := ada
			want.Admin, want.PasswordHash = true, "new hash"
			if got := s.users.SetCredentialsCalls()[0]; got.User != want || got.CurrentHash != "old hash" {
				t.Errorf("set %+v in place of %q", got.User, got.CurrentHash)
			}
			if got := s.hasher.HashCalls()[1].Password; got != password {
				t.Error("another password was hashed")
			}
		})
	}
}

func TestEnsureAdminLooksAgainWhenTheAccountChanges(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.answers["users.Add"] = domain.AlreadyExists
	s.users.SetCredentialsFunc = func(_ context.Context, _ domain.User, currentHash string) error {
		if currentHash == "old hash" { // its owner logs in and gets a new one
			s.user.PasswordHash = "their hash"
			return domain.NotFound
		}
		return nil
	}
	if err := s.service().EnsureAdmin(ctx, email, password); err != nil {
		t.Fatal(err)
	}
	set := s.users.SetCredentialsCalls()
	if len(set) != 2 || set[1].CurrentHash != "their hash" || !set[1].User.Admin || set[1].User.PasswordHash != "new hash" {
		t.Errorf("set %+v", set)
	}
}

func TestEnsureAdminAddsTheAccountThatVanished(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.users.AddFunc = func(context.Context, domain.User) error {
		if len(s.users.AddCalls()) == 1 {
			return domain.AlreadyExists
		}
		return nil
	}
	s.answers["users.ByEmail"] = domain.NotFound
	if err := s.service().EnsureAdmin(ctx, email, password); err != nil {
		t.Fatal(err)
	}
	if added := s.users.AddCalls(); len(added) != 2 || !added[1].User.Admin {
		t.Errorf("added %+v", added)
	}
}

func TestEnsureAdminGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	s := newStage()
	ctx, cancel := context.WithCancel(t.Context())
	s.answers["users.Add"] = domain.AlreadyExists
	s.users.SetCredentialsFunc = func(context.Context, domain.User, string) error {
		if len(s.users.SetCredentialsCalls()) == 3 {
			cancel()
		}
		return domain.NotFound
	}
	err := s.service().EnsureAdmin(ctx, email, password)
	if !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := len(s.users.SetCredentialsCalls()); n != 3 {
		t.Errorf("%d attempts, want 3", n)
	}
}
