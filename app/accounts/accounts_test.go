package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app/accounts"
	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

var (
	ctx      = context.Background()
	now      = time.Date(2026, 11, 22, 6, 55, 4, 123456789, time.UTC)
	email    = sample.Email("Ada@example.com")
	password = sample.Password("open sesame")
	ada      = domain.NewUser(domain.UUID{1}, email, domain.NewPasswordHash("old hash"), false, now)
	grace    = domain.NewUser(domain.UUID{2}, sample.Email("grace@example.com"), domain.NewPasswordHash("hash of grace"), true, now)
	byGrace  = domain.ActorOf(domain.NewClaims(domain.UUID{3}, grace, now, time.Hour))
	operator = domain.Operator()
	page     = sample.Page(2, 5)
)

// harness is a service on fakes. It records their calls in order.
type harness struct {
	calls.Recorder
	users     fakes.UserRepositoryMock
	blacklist fakes.TokenBlacklistMock
	hasher    fakes.PasswordHasherMock
	clock     fakes.ClockMock
	audit     *fakes.AuditMock

	user            domain.User // the account that the repository returns, except for the id of admin
	admin           domain.User // the account of the actor
	cutOff          domain.UUID // the answer of the blacklist
	match, outdated bool        // the answer of the hasher
	policy          domain.PasswordPolicy
}

func newHarness() *harness {
	h := &harness{user: ada, admin: grace, match: true}
	h.audit = h.Audit()
	h.Errors = map[string]error{}
	h.clock.NowFunc = func() time.Time { return now }
	h.users.AddFunc = func(context.Context, domain.User) error { return h.Call("users.Add") }
	h.users.ByEmailFunc = func(context.Context, domain.Email) (domain.User, error) {
		return calls.Result(h.user, h.Call("users.ByEmail"))
	}
	h.users.ByPublicIDFunc = func(_ context.Context, id domain.UUID) (domain.User, error) {
		if id == grace.PublicID {
			return calls.Result(h.admin, h.Call("users.ByPublicID of the actor"))
		}
		return calls.Result(h.user, h.Call("users.ByPublicID"))
	}
	h.users.ListFunc = func(_ context.Context, page domain.PageRequest) (domain.Page[domain.User], error) {
		return calls.Result(domain.Page[domain.User]{Request: page, Items: []domain.User{ada}, TotalItems: 6}, h.Call("users.List"))
	}
	h.users.UpdateFunc = func(context.Context, domain.User, domain.User) error { return h.Call("users.Update") }
	h.users.DeleteFunc = func(context.Context, domain.User) error { return h.Call("users.Delete") }
	h.blacklist.EndTokensFunc = func(context.Context, domain.CutOff) error { return h.Call("blacklist.EndTokens") }
	h.blacklist.CutOffFunc = func(context.Context, domain.UUID) (domain.UUID, error) {
		return calls.Result(h.cutOff, h.Call("blacklist.CutOff"))
	}
	h.hasher.HashFunc = func(context.Context, domain.Password) (domain.PasswordHash, error) {
		return calls.Result(domain.NewPasswordHash("new hash"), h.Call("hasher.Hash"))
	}
	h.hasher.VerifyFunc = func(context.Context, domain.PasswordHash, domain.Password) (bool, bool, error) {
		match, err := calls.Result(h.match, h.Call("hasher.Verify"))
		return match, h.outdated && match, err
	}
	return h
}

func (h *harness) service() *accounts.Service {
	return accounts.New(accounts.Config{
		Users:          &h.users,
		Blacklist:      &h.blacklist,
		Hasher:         &h.hasher,
		Clock:          &h.clock,
		Audit:          h.audit,
		TokenTTL:       time.Hour,
		PasswordPolicy: h.policy,
	})
}

// The use cases as functions of one type, for the tables.
func list(s *accounts.Service, by domain.Actor) (any, error) { return s.List(ctx, by, page) }
func get(s *accounts.Service, by domain.Actor) (any, error)  { return s.Get(ctx, by, ada.PublicID) }
func find(s *accounts.Service, by domain.Actor) (any, error) { return s.Find(ctx, by, email) }
func create(s *accounts.Service, by domain.Actor) (any, error) {
	return s.Create(ctx, by, email, password, true)
}

func promote(s *accounts.Service, by domain.Actor) (any, error) {
	return s.Change(ctx, by, ada.PublicID, domain.AccountChange{Admin: new(true)})
}

func reset(s *accounts.Service, by domain.Actor) (any, error) {
	return s.Change(ctx, by, ada.PublicID, domain.AccountChange{Password: &password})
}

func logOut(s *accounts.Service, by domain.Actor) (any, error) {
	return struct{}{}, s.LogOut(ctx, by, ada.PublicID)
}

func remove(s *accounts.Service, by domain.Actor) (any, error) {
	return struct{}{}, s.Delete(ctx, by, ada.PublicID)
}

// writes are the use cases that write.
var writes = map[string]func(*accounts.Service, domain.Actor) (any, error){
	"Create": create, "Change": promote, "LogOut": logOut, "Delete": remove,
}

func TestFailureOfAPortEndsTheUseCase(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		run   func(*accounts.Service, domain.Actor) (any, error)
		calls []string
	}{
		"List":   {list, []string{"users.ByPublicID of the actor", "users.List"}},
		"Get":    {get, []string{"users.ByPublicID of the actor", "users.ByPublicID"}},
		"Find":   {find, []string{"users.ByPublicID of the actor", "users.ByEmail"}},
		"Create": {create, []string{"audit.Ready", "users.ByPublicID of the actor", "hasher.Hash", "users.Add"}},
		"Change": {promote, []string{
			"audit.Ready", "users.ByPublicID of the actor", "users.ByPublicID", "users.Update", "blacklist.EndTokens",
		}},
		"Change of the password": {reset, []string{
			"audit.Ready", "users.ByPublicID of the actor", "hasher.Hash", "users.ByPublicID", "users.Update", "blacklist.EndTokens",
		}},
		"LogOut": {logOut, []string{"audit.Ready", "users.ByPublicID of the actor", "users.ByPublicID", "blacklist.EndTokens"}},
		"Delete": {remove, []string{
			"audit.Ready", "users.ByPublicID of the actor", "users.ByPublicID", "users.Delete", "blacklist.EndTokens",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls.TestFaults(t, test.calls, func() (*calls.Recorder, func() (any, error)) {
				h := newHarness()
				return &h.Recorder, func() (any, error) { return test.run(h.service(), byGrace) }
			})
		})
	}
}

func TestOthersThanAdministratorsAreForbidden(t *testing.T) {
	t.Parallel()
	byAda := domain.ActorOf(domain.NewClaims(domain.UUID{3}, ada, now, time.Hour))
	reads := map[string]func(*accounts.Service, domain.Actor) (any, error){"List": list, "Get": get, "Find": find}
	for name, run := range reads {
		s := newHarness()
		result, err := run(s.service(), byAda)
		if !errors.Is(err, domain.ErrNotAdministrator) || !reflect.ValueOf(result).IsZero() {
			t.Errorf("%s: got %v, %v", name, result, err)
		}
		s.Want(t)
	}
	for name, run := range writes {
		s := newHarness()
		result, err := run(s.service(), byAda)
		if !errors.Is(err, domain.ErrNotAdministrator) || !reflect.ValueOf(result).IsZero() {
			t.Errorf("%s: got %v, %v", name, result, err)
		}
		s.Want(t, "audit.Ready")
		if got := s.audit.RecordCalls()[0].Event; got.Outcome != "forbidden" || got.Actor != ada.PublicID.String() {
			t.Errorf("%s: recorded %+v", name, got)
		}
	}
}

// TestEveryMethodLooksAtTheAccountOfTheActor: the token may be older than a change of the
// account.
func TestEveryMethodLooksAtTheAccountOfTheActor(t *testing.T) {
	t.Parallel()
	all := maps.Clone(writes)
	all["List"], all["Get"], all["Find"] = list, get, find
	for name, run := range all {
		for account, test := range map[string]struct {
			change func(*harness)
			want   error
		}{
			"deleted":  {func(h *harness) { h.Errors["users.ByPublicID of the actor"] = domain.NotFound }, domain.ErrTokenInvalid},
			"demoted":  {func(h *harness) { h.admin.Admin = false }, domain.ErrNotAdministrator},
			"disabled": {func(h *harness) { h.admin.Disabled = true }, domain.ErrTokenBlacklisted},
		} {
			t.Run(name+" by a "+account+" administrator", func(t *testing.T) {
				t.Parallel()
				s := newHarness()
				test.change(s)
				result, err := run(s.service(), byGrace)
				if !errors.Is(err, test.want) || !reflect.ValueOf(result).IsZero() {
					t.Errorf("got %v, %v; want %v", result, err, test.want)
				}
				want := []string{"audit.Ready", "users.ByPublicID of the actor"}
				if writes[name] == nil {
					want = want[1:]
				}
				s.Want(t, want...)
			})
		}
	}
}

func TestOperatorNeedsNoAccount(t *testing.T) {
	t.Parallel()
	for name, run := range writes {
		s := newHarness()
		if _, err := run(s.service(), operator); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, call := range s.users.ByPublicIDCalls() {
			if call.ID != ada.PublicID {
				t.Errorf("%s read the account %v", name, call.ID)
			}
		}
		if got := s.audit.RecordCalls()[0].Event.Actor; got != "operator" {
			t.Errorf("%s was recorded as done by %q", name, got)
		}
	}
}

func TestOwnAccountCannotBeChangedOrDeleted(t *testing.T) {
	t.Parallel()
	s := newHarness()
	service := s.service()
	for _, change := range []domain.AccountChange{
		{Admin: new(false)}, {Admin: new(true)}, {Disabled: new(true)}, {Disabled: new(false)}, {Password: &password},
	} {
		if user, err := service.Change(ctx, byGrace, grace.PublicID, change); !errors.Is(err, domain.ErrOwnAccount) || user != (domain.User{}) {
			t.Errorf("Change %+v: got %v, %v", change, user, err)
		}
	}
	if err := service.Delete(ctx, byGrace, grace.PublicID); !errors.Is(err, domain.ErrOwnAccount) {
		t.Errorf("Delete: got %v", err)
	}
	if len(s.users.UpdateCalls())+len(s.users.DeleteCalls())+len(s.blacklist.EndTokensCalls()) != 0 {
		t.Error("the account was changed")
	}
	if err := service.LogOut(ctx, byGrace, grace.PublicID); err != nil {
		t.Errorf("LogOut of the own account: %v", err)
	}
}

func TestNotFoundNamesTheAccount(t *testing.T) {
	t.Parallel()
	id := ada.PublicID.String()
	for name, test := range map[string]struct {
		run  func(*accounts.Service, domain.Actor) (any, error)
		text string
	}{
		"Get": {get, id}, "Find": {find, "Ada@example.com"}, "Change": {promote, id}, "LogOut": {logOut, id}, "Delete": {remove, id},
	} {
		s := newHarness()
		s.Errors["users.ByPublicID"] = fmt.Errorf("users: %w", domain.NotFound)
		s.Errors["users.ByEmail"] = domain.NotFound
		result, err := test.run(s.service(), operator)
		if domain.KindOf(err) != domain.NotFound || err.Error() != test.text+" not found in database" || !reflect.ValueOf(result).IsZero() {
			t.Errorf("%s: got %v, %v", name, result, err)
		}
	}
}

func TestReadsReturnWhatTheStoreHas(t *testing.T) {
	t.Parallel()
	service := newHarness().service()
	if got, err := service.Get(ctx, byGrace, ada.PublicID); got != ada || err != nil {
		t.Errorf("Get: %+v, %v", got, err)
	}
	if got, err := service.Find(ctx, byGrace, email); got != ada || err != nil {
		t.Errorf("Find: %+v, %v", got, err)
	}
	want := domain.Page[domain.User]{Request: page, Items: []domain.User{ada}, TotalItems: 6}
	if got, err := service.List(ctx, byGrace, page); !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("List: %+v, %v", got, err)
	}
}

func TestCreateAddsAnAccount(t *testing.T) {
	t.Parallel()
	for _, admin := range []bool{false, true} {
		s := newHarness()
		user, err := s.service().Create(ctx, byGrace, email, password, admin)
		if err != nil {
			t.Fatal(err)
		}
		if want := domain.NewUser(user.PublicID, email, domain.NewPasswordHash("new hash"), admin, now); user != want || s.users.AddCalls()[0].User != user {
			t.Errorf("got %+v, added %+v", user, s.users.AddCalls())
		}
		calls.WantEvent(t, s.audit, domain.AuditEvent{
			Action: domain.AuditUserCreate, Target: user.PublicID.String(), Actor: grace.PublicID.String(),
			Outcome: domain.Success, After: map[string]any{"admin": admin},
		})
	}
}

func TestCreateOfATakenEmailReturnsAlreadyExists(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.Errors["users.Add"] = fmt.Errorf("index: %w", domain.AlreadyExists)
	user, err := s.service().Create(ctx, byGrace, email, password, false)
	if domain.KindOf(err) != domain.AlreadyExists || err.Error() != "Ada@example.com is already registered" || user != (domain.User{}) {
		t.Errorf("got %v, %v", user, err)
	}
}

func TestPolicyAppliesToEveryNewPassword(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*accounts.Service, domain.Actor) (any, error){
		"Create": create, "Change": reset,
		"EnsureAdmin": func(s *accounts.Service, _ domain.Actor) (any, error) { return s.EnsureAdmin(ctx, email, password) },
	} {
		s := newHarness()
		s.match = false
		s.policy = domain.PasswordPolicy{MinLength: 12}
		result, err := run(s.service(), byGrace)
		var invalid *domain.Error
		if !errors.As(err, &invalid) || invalid.Kind != domain.Invalid ||
			!maps.Equal(invalid.Fields, domain.Fields{"password": "Password is shorter than 12 characters"}) || !reflect.ValueOf(result).IsZero() {
			t.Errorf("%s: got %v, %v", name, result, err)
		}
		if len(s.hasher.HashCalls()) != 0 {
			t.Errorf("%s hashed the password", name)
		}
		if err := s.service().CheckNewPassword(password); !errors.Is(err, domain.Invalid) {
			t.Errorf("CheckNewPassword: got %v", err)
		}
	}
}

func TestChangeWritesTheAccountThenEndsItsTokens(t *testing.T) {
	t.Parallel()
	type fields = map[string]any
	for name, test := range map[string]struct {
		change func(*domain.User) // of the account before
		wanted domain.AccountChange
		after  func(*domain.User)
		ends   bool
		event  domain.AuditEvent
	}{
		"promote": {
			wanted: domain.AccountChange{Admin: new(true)},
			after:  func(u *domain.User) { u.Admin = true }, ends: true,
			event: domain.AuditEvent{Action: domain.AuditUserAdmin, Before: fields{"admin": false}, After: fields{"admin": true}},
		},
		"demote": {
			change: func(u *domain.User) { u.Admin = true },
			wanted: domain.AccountChange{Admin: new(false)},
			after:  func(u *domain.User) { u.Admin = false }, ends: true,
			event: domain.AuditEvent{Action: domain.AuditUserAdmin, Before: fields{"admin": true}, After: fields{"admin": false}},
		},
		"disable": {
			wanted: domain.AccountChange{Disabled: new(true)},
			after:  func(u *domain.User) { u.Disabled = true }, ends: true,
			event: domain.AuditEvent{Action: domain.AuditUserDisable, Before: fields{"disabled": false}, After: fields{"disabled": true}},
		},
		"enable": {
			change: func(u *domain.User) { u.Disabled = true },
			wanted: domain.AccountChange{Disabled: new(false)},
			after:  func(u *domain.User) { u.Disabled = false },
			event:  domain.AuditEvent{Action: domain.AuditUserDisable, Before: fields{"disabled": true}, After: fields{"disabled": false}},
		},
		"reset": {
			wanted: domain.AccountChange{Password: &password},
			after:  func(u *domain.User) { u.PasswordHash = domain.NewPasswordHash("new hash") }, ends: true,
			event: domain.AuditEvent{Action: domain.AuditUserPassword, After: fields{"password": "changed"}},
		},
		"all at once": {
			wanted: domain.AccountChange{Admin: new(true), Disabled: new(true), Password: &password},
			after: func(u *domain.User) {
				u.Admin, u.Disabled, u.PasswordHash = true, true, domain.NewPasswordHash("new hash")
			}, ends: true,
			event: domain.AuditEvent{
				Action: domain.AuditUserAdmin, Before: fields{"admin": false, "disabled": false},
				After: fields{"admin": true, "disabled": true, "password": "changed"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			if test.change != nil {
				test.change(&s.user)
			}
			before, after := s.user, s.user
			test.after(&after)
			got, err := s.service().Change(ctx, byGrace, ada.PublicID, test.wanted)
			if err != nil || got != after {
				t.Errorf("got %+v, %v; want %+v", got, err, after)
			}
			if set := s.users.UpdateCalls(); len(set) != 1 || set[0].Current != before || set[0].Changed != after {
				t.Errorf("set %+v", set)
			}
			ended := s.blacklist.EndTokensCalls()
			if (len(ended) == 1) != test.ends {
				t.Errorf("set the cut-offs %+v", ended)
			}
			for _, call := range ended {
				if want := domain.NewCutOff(ada.PublicID, call.CutOff.Value, now, time.Hour); call.CutOff != want || want.Value == (domain.UUID{}) {
					t.Errorf("set the cut-off %+v", call.CutOff)
				}
			}
			test.event.Target, test.event.Actor, test.event.Outcome = ada.PublicID.String(), grace.PublicID.String(), domain.Success
			calls.WantEvent(t, s.audit, test.event)
		})
	}
}

func TestChangeThatChangesNothingEndsNoToken(t *testing.T) {
	t.Parallel()
	s := newHarness()
	got, err := s.service().Change(ctx, byGrace, ada.PublicID, domain.AccountChange{Admin: new(false), Disabled: new(false)})
	if err != nil || got != ada {
		t.Errorf("got %+v, %v", got, err)
	}
	s.Want(t, "audit.Ready", "users.ByPublicID of the actor", "users.ByPublicID")
}

// TestDisablingAgainEndsTheTokens: a server may have crashed between the two writes.
func TestDisablingAgainEndsTheTokens(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.user.Disabled = true
	sample.Must(s.service().Change(ctx, byGrace, ada.PublicID, domain.AccountChange{Disabled: new(true)}))
	s.Want(t, "audit.Ready", "users.ByPublicID of the actor", "users.ByPublicID", "blacklist.EndTokens")
}

func TestChangeTriesAgainWhenTheAccountChanges(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.users.UpdateFunc = func(_ context.Context, current, _ domain.User) error {
		if !current.Admin {
			s.user.Admin = true
			return domain.ChangedMeanwhile
		}
		return nil
	}
	got := sample.Must(s.service().Change(ctx, byGrace, ada.PublicID, domain.AccountChange{Disabled: new(true)}))
	if !got.Admin || !got.Disabled {
		t.Errorf("got %+v", got)
	}
}

func TestChangeStopsWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	s := newHarness()
	ctx, cancel := context.WithCancel(t.Context())
	s.users.UpdateFunc = func(context.Context, domain.User, domain.User) error {
		if len(s.users.UpdateCalls()) == 3 {
			cancel()
		}
		return domain.ChangedMeanwhile
	}
	_, err := s.service().Change(ctx, byGrace, ada.PublicID, domain.AccountChange{Admin: new(true)})
	if domain.KindOf(err) != domain.Unavailable || !errors.Is(err, context.Canceled) || len(s.users.UpdateCalls()) != 3 {
		t.Errorf("got %v after %d attempts", err, len(s.users.UpdateCalls()))
	}
}

func TestLastAdministratorStays(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.user.Admin = true
	s.Errors["users.Update"], s.Errors["users.Delete"] = domain.ErrLastAdministrator, domain.ErrLastAdministrator
	_, changed := s.service().Change(ctx, operator, ada.PublicID, domain.AccountChange{Admin: new(false)})
	for _, err := range []error{changed, s.service().Delete(ctx, operator, ada.PublicID)} {
		if !errors.Is(err, domain.ErrLastAdministrator) {
			t.Errorf("got %v", err)
		}
	}
	if len(s.blacklist.EndTokensCalls()) != 0 {
		t.Error("the tokens were ended")
	}
}

func TestDeleteMarksTheAccountAsDeleted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cutOff  domain.UUID
		missing bool
		marks   bool
	}{
		"an account":                     {marks: true},
		"gone, tokens not ended":         {missing: true, cutOff: domain.UUID{7}, marks: true},
		"gone, tokens ended: no write":   {missing: true, cutOff: domain.AccountDeleted},
		"never there, or long forgotten": {missing: true, marks: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.cutOff = test.cutOff
			if test.missing {
				s.Errors["users.ByPublicID"] = domain.NotFound
			}
			err := s.service().Delete(ctx, byGrace, ada.PublicID)
			if test.missing != (domain.KindOf(err) == domain.NotFound) {
				t.Errorf("got %v", err)
			}
			set := s.blacklist.EndTokensCalls()
			if (len(set) == 1) != test.marks {
				t.Errorf("set the cut-offs %+v", set)
			}
			for _, call := range set {
				if call.CutOff.Subject != ada.PublicID || call.CutOff.Value != domain.AccountDeleted {
					t.Errorf("set the cut-off %+v", call.CutOff)
				}
			}
		})
	}
}
