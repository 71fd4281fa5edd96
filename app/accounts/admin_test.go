package accounts_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/widgetd/widgetd/app/accounts"
	"github.com/widgetd/widgetd/domain"
)

func TestEnsureAdminAddsAnAdministrator(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.Errors["users.ByEmail"] = domain.NotFound
	change, err := s.service().EnsureAdmin(ctx, email, password)
	if err != nil {
		t.Fatal(err)
	}
	s.Want(t, "users.ByEmail", "audit.Ready", "hasher.Hash", "users.Add")
	user := s.users.AddCalls()[0].User
	if want := domain.NewUser(user.PublicID, email, domain.NewPasswordHash("new hash"), true, now); user != want {
		t.Errorf("added %+v", user)
	}
	if want := (accounts.AdminChange{PublicID: user.PublicID, Added: true}); change != want {
		t.Errorf("got %+v, want %+v", change, want)
	}
}

func TestEnsureAdminOfAnExistingAccount(t *testing.T) {
	t.Parallel()
	look := []string{"users.ByEmail", "hasher.Verify"}
	write := slices.Concat(look, []string{"hasher.Hash", "audit.Ready", "blacklist.EndTokens", "users.Update", "blacklist.EndTokens"})
	for name, test := range map[string]struct {
		admin, disabled, match, outdated bool
		change                           accounts.AdminChange
		action                           domain.AuditAction
		calls                            []string
	}{
		"as wanted: unchanged":                   {admin: true, match: true, calls: look},
		"outdated hash: new hash, tokens stay":   {admin: true, match: true, outdated: true, calls: append(look[:2:2], "hasher.Hash", "users.Update")},
		"other password":                         {admin: true, change: accounts.AdminChange{Password: true}, action: domain.AuditUserPassword, calls: write},
		"no administrator, same password":        {match: true, change: accounts.AdminChange{Promoted: true}, action: domain.AuditUserAdmin, calls: write},
		"no administrator, other password":       {change: accounts.AdminChange{Promoted: true, Password: true}, action: domain.AuditUserAdmin, calls: write},
		"disabled, same password":                {admin: true, disabled: true, match: true, change: accounts.AdminChange{Enabled: true}, action: domain.AuditUserDisable, calls: write},
		"disabled, no administrator, other hash": {disabled: true, match: true, outdated: true, change: accounts.AdminChange{Promoted: true, Enabled: true}, action: domain.AuditUserAdmin, calls: write},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.user.Admin, s.user.Disabled, s.match, s.outdated = test.admin, test.disabled, test.match, test.outdated
			test.change.PublicID = ada.PublicID
			change, err := s.service().EnsureAdmin(ctx, email, password)
			if err != nil || change != test.change {
				t.Errorf("got %+v, %v; want %+v", change, err, test.change)
			}
			if got := s.hasher.VerifyCalls()[0]; got.Hash.Reveal() != "old hash" || got.Password != password {
				t.Errorf("checked %+v", got)
			}
			s.Want(t, test.calls...)
			want := ada
			want.Admin, want.PasswordHash = true, domain.NewPasswordHash("new hash")
			for _, call := range s.users.UpdateCalls() {
				if call.Current != s.user || call.Changed != want {
					t.Errorf("set %+v in place of %+v", call.Changed, call.Current)
				}
			}
			recorded := s.audit.RecordCalls()
			if test.action == "" && len(recorded) == 0 {
				return
			}
			if len(recorded) != 1 || recorded[0].Event.Action != test.action || recorded[0].Event.Actor != "operator" ||
				(recorded[0].Event.After["password"] != nil) != test.change.Password {
				t.Errorf("recorded %+v", recorded)
			}
		})
	}
}

// TestEnsureAdminReportsWhatItHasWritten: the start of a server logs the change, also if the
// start fails.
func TestEnsureAdminReportsWhatItHasWritten(t *testing.T) {
	t.Parallel()
	for failing, written := range map[string]bool{
		"audit.Ready": false, "blacklist.EndTokens": false, "users.Update": false, "audit.Record": true,
	} {
		s := newHarness()
		s.Errors[failing] = domain.Unavailable
		change, err := s.service().EnsureAdmin(ctx, email, password)
		if !errors.Is(err, domain.Unavailable) || change.Promoted != written {
			t.Errorf("%s fails: got %+v, %v", failing, change, err)
		}
	}
}

func TestEnsureAdminTriesAgainWhenTheAccountChanges(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]error{"changed": domain.ChangedMeanwhile, "deleted": domain.NotFound} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.users.UpdateFunc = func(_ context.Context, current, _ domain.User) error {
				if current.PasswordHash == domain.NewPasswordHash("old hash") { // the owner logs in, which replaces the hash
					s.user.PasswordHash = domain.NewPasswordHash("the owner's hash")
					return lost
				}
				return nil
			}
			if _, err := s.service().EnsureAdmin(ctx, email, password); err != nil {
				t.Fatal(err)
			}
			set := s.users.UpdateCalls()
			if len(set) != 2 || set[1].Current.PasswordHash != domain.NewPasswordHash("the owner's hash") || !set[1].Changed.Admin {
				t.Errorf("set %+v", set)
			}
		})
	}
}

func TestEnsureAdminOfAnAccountThatIsRegisteredMeanwhile(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.Errors["users.ByEmail"] = domain.NotFound
	s.users.AddFunc = func(context.Context, domain.User) error {
		s.Errors["users.ByEmail"] = nil
		return domain.AlreadyExists
	}
	change, err := s.service().EnsureAdmin(ctx, email, password)
	if want := (accounts.AdminChange{PublicID: ada.PublicID, Promoted: true}); err != nil || change != want {
		t.Errorf("got %+v, %v", change, err)
	}
}

func TestEnsureAdminStopsWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	s := newHarness()
	ctx, cancel := context.WithCancel(t.Context())
	s.users.UpdateFunc = func(context.Context, domain.User, domain.User) error {
		if len(s.users.UpdateCalls()) == 3 {
			cancel()
		}
		return domain.ChangedMeanwhile
	}
	_, err := s.service().EnsureAdmin(ctx, email, password)
	if domain.KindOf(err) != domain.Unavailable || !errors.Is(err, context.Canceled) || len(s.users.UpdateCalls()) != 3 {
		t.Errorf("got %v after %d attempts", err, len(s.users.UpdateCalls()))
	}
}
