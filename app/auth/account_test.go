package auth_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app/auth"
	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestAuthenticateRefusesTokensThatWereEnded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		carried, inForce domain.UUID
		want             error
	}{
		"no cut-off":                             {domain.UUID{}, domain.UUID{}, nil},
		"the token carries the cut-off":          {domain.UUID{7}, domain.UUID{7}, nil},
		"the cut-off is forgotten":               {domain.UUID{7}, domain.UUID{}, nil},
		"ended after the issue":                  {domain.UUID{7}, domain.UUID{8}, domain.ErrTokenBlacklisted},
		"ended for the first time":               {domain.UUID{}, domain.UUID{8}, domain.ErrTokenBlacklisted},
		"the account was deleted":                {domain.UUID{7}, domain.AccountDeleted, domain.ErrTokenInvalid},
		"the account was deleted, without claim": {domain.UUID{}, domain.AccountDeleted, domain.ErrTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.claims.CutOff, s.revocation.CutOff = test.carried, test.inForce
			if _, err := s.service().Authenticate(ctx, "token"); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestTokenOfALogInCarriesTheCutOff(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.revocation.CutOff = domain.UUID{7}
	sample.Must(s.service().LogIn(ctx, email, password))
	if got := s.signer.SignCalls()[0].Claims.CutOff; got != (domain.UUID{7}) {
		t.Errorf("the token carries %v", got)
	}
	if got := s.blacklist.CutOffCalls()[0].Subject; got != ada.PublicID {
		t.Errorf("read the cut-off of %v", got)
	}
}

// TestLogInChecksThePasswordThatTheAccountHasAfterTheCutOffWasRead: the password is
// changed after the log-in has found the account.
func TestLogInChecksThePasswordThatTheAccountHasAfterTheCutOffWasRead(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.blacklist.CutOffFunc = func(context.Context, domain.UUID) (domain.UUID, error) {
		s.user.PasswordHash = domain.NewPasswordHash("hash after the change")
		return domain.UUID{7}, nil
	}
	sample.Must(s.service().LogIn(ctx, email, password))
	if got := s.hasher.VerifyCalls()[0].Hash.Reveal(); got != "hash after the change" {
		t.Errorf("checked the password with the %s", got)
	}
}

func TestLogInOfADisabledAccount(t *testing.T) {
	t.Parallel()
	for _, match := range []bool{true, false} {
		s := newHarness()
		s.user.Disabled, s.match = true, match
		want := domain.ErrCredentialsMismatch
		if match {
			want = domain.ErrAccountDisabled
		}
		token, err := s.service().LogIn(ctx, email, password)
		if err != want || token != (domain.AccessToken{}) { //nolint:errorlint // wrapping could differ
			t.Errorf("right password %v: got %v, %v", match, token, err)
		}
		s.Want(t, logInCalls...)
		calls.WantEvent(t, s.audit, domain.AuditEvent{
			Action: domain.AuditUserLogIn, Target: ada.PublicID.String(), Outcome: domain.OutcomeOf(want),
		})
	}
}

// TestLogInToAnAccountThatIsBack: the account was deleted, and then added again with the
// same id.
func TestLogInToAnAccountThatIsBack(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.revocation.CutOff = domain.AccountDeleted
	s.blacklist.EndTokensFunc = func(_ context.Context, cutOff domain.CutOff) error {
		s.revocation.CutOff = cutOff.Value
		return nil
	}
	sample.Must(s.service().LogIn(ctx, email, password))
	got := s.signer.SignCalls()[0].Claims.CutOff
	if got == domain.AccountDeleted || got == (domain.UUID{}) || got != s.revocation.CutOff {
		t.Errorf("the token carries %v, the cut-off is %v", got, s.revocation.CutOff)
	}
}

func TestLogOutEverywhereSetsARandomCutOff(t *testing.T) {
	t.Parallel()
	s := newHarness()
	service := s.service()
	for range 2 {
		if err := service.LogOutEverywhere(ctx, claims); err != nil {
			t.Fatal(err)
		}
	}
	set := s.blacklist.EndTokensCalls()
	for _, call := range set {
		if want := domain.NewCutOff(ada.PublicID, call.CutOff.Value, now, time.Hour); call.CutOff != want || want.Value == (domain.UUID{}) {
			t.Errorf("set %+v, want %+v", call.CutOff, want)
		}
	}
	if set[0].CutOff.Value == set[1].CutOff.Value {
		t.Error("both cut-offs have the same value")
	}
}

func TestOperationsOfADeletedAccountAreErrTokenInvalid(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*auth.Service) (any, error){
		"CurrentUser": currentUser, "LogOut": logOut, "LogOutEverywhere": logOutEverywhere,
		"ChangePassword": changePassword, "Unregister": unregister,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.Errors["users.ByPublicID"] = fmt.Errorf("users: %w", domain.NotFound)
			result, err := run(s.service())
			if !errors.Is(err, domain.ErrTokenInvalid) || domain.KindOf(err) != domain.Unauthenticated || !reflect.ValueOf(result).IsZero() {
				t.Errorf("got %v, %v", result, err)
			}
		})
	}
}

func TestOperationsOfADisabledAccountAreErrTokenBlacklisted(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*auth.Service) (any, error){"ChangePassword": changePassword, "Unregister": unregister} {
		s := newHarness()
		s.user.Disabled = true
		if _, err := run(s.service()); !errors.Is(err, domain.ErrTokenBlacklisted) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestChangePasswordIssuesATokenThatCarriesTheCutOff(t *testing.T) {
	t.Parallel()
	s := newHarness()
	token := sample.Must(s.service().ChangePassword(ctx, claims, password, newPassword))
	if token.Text != "token" {
		t.Errorf("got %v", token)
	}
	want := ada
	want.PasswordHash = domain.NewPasswordHash("new hash")
	if got := s.users.UpdateCalls()[0]; got.Current != ada || got.Changed != want {
		t.Errorf("set %+v in place of %+v", got.Changed, got.Current)
	}
	if got := s.hasher.VerifyCalls()[0]; got.Hash.Reveal() != "old hash" || got.Password != password {
		t.Errorf("checked %+v", got)
	}
	if got := s.hasher.HashCalls()[0].Password; got != newPassword {
		t.Error("another password was hashed")
	}
	if carried, set := s.signer.SignCalls()[0].Claims.CutOff, s.blacklist.EndTokensCalls()[0].CutOff.Value; carried != set {
		t.Errorf("the token carries %v, the cut-off is %v", carried, set)
	}
	calls.WantEvent(t, s.audit, domain.AuditEvent{
		Action: domain.AuditUserPassword, Target: ada.PublicID.String(), Actor: ada.PublicID.String(), Outcome: domain.Success,
	})
}

// TestPasswordMismatch: only a password that was wrong has ErrCredentialsMismatch as its
// cause, and counts as a failed log-in.
func TestPasswordMismatch(t *testing.T) {
	t.Parallel()
	for field, run := range map[string]func(*auth.Service) (any, error){"current_password": changePassword, "password": unregister} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, another request was faster: %v", field, lost), func(t *testing.T) {
				t.Parallel()
				s := newHarness()
				s.match = lost
				overtaken := func() error {
					s.match = false
					return domain.ChangedMeanwhile
				}
				s.users.UpdateFunc = func(context.Context, domain.User, domain.User) error { return overtaken() }
				s.users.DeleteFunc = func(context.Context, domain.User) error { return overtaken() }
				_, err := run(s.service())
				var invalid *domain.Error
				if !errors.As(err, &invalid) || invalid.Kind != domain.Invalid || !maps.Equal(invalid.Fields, domain.Fields{field: "Does not match"}) {
					t.Errorf("got %v", err)
				}
				if counts := errors.Is(err, domain.ErrCredentialsMismatch); counts == lost {
					t.Errorf("counts as a failed log-in: %v", counts)
				}
				if len(s.blacklist.EndTokensCalls()) != 0 {
					t.Error("the tokens were ended")
				}
			})
		}
	}
}

func TestChangePasswordTriesAgainWhenTheHashWasReplaced(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.users.UpdateFunc = func(_ context.Context, current, changed domain.User) error {
		if current.PasswordHash == domain.NewPasswordHash("old hash") { // a log-in replaced the outdated hash of the same password
			s.user.PasswordHash = domain.NewPasswordHash("rehashed")
			return domain.ChangedMeanwhile
		}
		s.user = changed
		return nil
	}
	sample.Must(s.service().ChangePassword(ctx, claims, password, newPassword))
	if got := s.users.UpdateCalls(); len(got) != 2 || got[1].Current.PasswordHash != domain.NewPasswordHash("rehashed") {
		t.Errorf("updated %+v", got)
	}
	if got := len(s.hasher.HashCalls()); got != 1 {
		t.Errorf("the new password was hashed %d times", got)
	}
}

// TestChangeOfAnotherRequestThatEndedTheTokens: the password need not be checked again.
func TestChangeOfAnotherRequestThatEndedTheTokens(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*auth.Service) (any, error){"ChangePassword": changePassword, "Unregister": unregister} {
		s := newHarness()
		overtaken := func() error {
			s.revocation.CutOff = domain.UUID{9}
			return domain.ChangedMeanwhile
		}
		s.users.UpdateFunc = func(context.Context, domain.User, domain.User) error { return overtaken() }
		s.users.DeleteFunc = func(context.Context, domain.User) error { return overtaken() }
		if _, err := run(s.service()); !errors.Is(err, domain.ErrTokenBlacklisted) {
			t.Errorf("%s: got %v", name, err)
		}
		if n := len(s.hasher.VerifyCalls()); n != 1 {
			t.Errorf("%s checked the password %d times", name, n)
		}
	}
}

// TestChangePasswordIssuesNoTokenAfterALaterChange: another change of the account is
// complete before the tokens were ended.
func TestChangePasswordIssuesNoTokenAfterALaterChange(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*domain.User){
		"disabled":         func(u *domain.User) { u.Disabled = true },
		"another password": func(u *domain.User) { u.PasswordHash = domain.NewPasswordHash("other") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.blacklist.EndTokensFunc = func(context.Context, domain.CutOff) error {
				change(&s.user)
				return nil
			}
			token, err := s.service().ChangePassword(ctx, claims, password, newPassword)
			if !errors.Is(err, domain.ErrTokenBlacklisted) || token != (domain.AccessToken{}) || len(s.signer.SignCalls()) != 0 {
				t.Errorf("got %v, %v", token, err)
			}
		})
	}
}

func TestUnregisterDeletesTheAccountAndItsTokens(t *testing.T) {
	t.Parallel()
	s := newHarness()
	if err := s.service().Unregister(ctx, claims, password); err != nil {
		t.Fatal(err)
	}
	if got := s.users.DeleteCalls()[0].Current; got != ada {
		t.Errorf("deleted %+v", got)
	}
	if got := s.blacklist.EndTokensCalls()[0].CutOff; got.Subject != ada.PublicID || got.Value != domain.AccountDeleted {
		t.Errorf("set the cut-off %+v", got)
	}
}

func TestUnregisterAgainAfterACrashEndsTheTokens(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.Errors["users.ByPublicID"] = domain.NotFound
	if err := s.service().Unregister(ctx, claims, password); !errors.Is(err, domain.ErrTokenInvalid) {
		t.Errorf("got %v", err)
	}
	if got := s.blacklist.EndTokensCalls(); len(got) != 1 || got[0].CutOff.Value != domain.AccountDeleted {
		t.Errorf("set the cut-offs %+v", got)
	}
}

func TestUnregisterOfAnAdministratorIsRefused(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.user.Admin = true
	if err := s.service().Unregister(ctx, claims, password); !errors.Is(err, domain.ErrAdministratorStays) {
		t.Errorf("got %v", err)
	}
	if len(s.users.DeleteCalls()) != 0 || len(s.blacklist.EndTokensCalls()) != 0 {
		t.Error("the account was changed")
	}
}

func TestEventsOfOwnAccount(t *testing.T) {
	t.Parallel()
	id := ada.PublicID.String()
	for name, test := range map[string]struct {
		run   func(*auth.Service) (any, error)
		event domain.AuditEvent
	}{
		"LogIn":            {logIn, domain.AuditEvent{Action: domain.AuditUserLogIn}},
		"LogOut":           {logOut, domain.AuditEvent{Action: domain.AuditUserLogOut}},
		"LogOutEverywhere": {logOutEverywhere, domain.AuditEvent{Action: domain.AuditUserLogOut, After: map[string]any{"everywhere": true}}},
		"Unregister":       {unregister, domain.AuditEvent{Action: domain.AuditUserDelete}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			sample.Must(test.run(s.service()))
			test.event.Actor, test.event.Target, test.event.Outcome = id, id, domain.Success
			calls.WantEvent(t, s.audit, test.event)
		})
	}
	s := newHarness()
	sample.Must(s.service().Register(ctx, email, password))
	added := s.users.AddCalls()[0].User.PublicID.String()
	calls.WantEvent(t, s.audit, domain.AuditEvent{Action: domain.AuditUserRegister, Actor: added, Target: added, Outcome: domain.Success})
}

func TestEventsOfRefusedLogIns(t *testing.T) {
	t.Parallel()
	unknown := newHarness()
	unknown.match = false
	unknown.Errors["users.ByEmail"], unknown.Errors["users.ByPublicID"] = domain.NotFound, domain.NotFound
	wrong := newHarness()
	wrong.match = false
	for s, target := range map[*harness]string{unknown: "", wrong: ada.PublicID.String()} {
		_, _ = s.service().LogIn(ctx, email, password)
		calls.WantEvent(t, s.audit, domain.AuditEvent{Action: domain.AuditUserLogIn, Target: target, Outcome: "unauthenticated"})
	}
}
