package widgets_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/app/widgets"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

var (
	ctx    = context.Background()
	now    = time.Date(2026, 11, 22, 6, 55, 7, 123456789, time.UTC)
	name   = sample.WidgetName("rocket")
	fields = sample.WidgetFields("rocket")
	ada    = sample.Admin(1)
	admin  = domain.NewClaims(domain.UUID{2}, ada, now, time.Hour)
	rocket = domain.NewWidget(name, fields, ada, now)
	older  = domain.NewWidget(name, sample.WidgetFields("older"), ada, now)
	page   = sample.Page(2, 5)

	bob      = sample.Admin(7)
	handOver = domain.WidgetChange{InfoURL: &fields.InfoURL, Owner: &domain.Owner{PublicID: bob.PublicID}}
	byOwner  = domain.WidgetQuery{Sort: domain.ByCreation, Owner: &ada.PublicID}
	key      = domain.CursorKey{1, 2, 3}
	always   = domain.Condition{}
)

// version returns the condition that requires the version.
func version(v domain.Version) domain.Condition {
	return domain.Condition{Match: &domain.Versions{List: []domain.Version{v}}}
}

// harness is a service on fakes. It records their calls in order.
type harness struct {
	calls.Recorder
	widgets fakes.WidgetRepositoryMock
	users   fakes.UserRepositoryMock
	clock   fakes.ClockMock
	audit   *fakes.AuditMock

	user domain.User // the account of the token that the repository returns
	heir domain.User // the account of bob
}

func newHarness() *harness {
	h := &harness{user: ada, heir: bob}
	h.audit = h.Audit()
	h.Errors = map[string]error{}
	h.clock.NowFunc = func() time.Time { return now }
	h.users.ByPublicIDFunc = func(_ context.Context, id domain.UUID) (domain.User, error) {
		if id == bob.PublicID {
			return calls.Result(h.heir, h.Call("users.ByPublicID of the owner"))
		}
		return calls.Result(h.user, h.Call("users.ByPublicID"))
	}
	h.widgets.SliceFunc = func(context.Context, domain.WidgetQuery, string, int) (domain.Slice[domain.Widget], error) {
		return calls.Result(domain.Slice[domain.Widget]{Items: []domain.Widget{rocket}, Next: "behind rocket"}, h.Call("widgets.Slice"))
	}
	h.widgets.AddFunc = func(context.Context, domain.Widget) error { return h.Call("widgets.Add") }
	h.widgets.ByNameFunc = func(context.Context, domain.WidgetName) (domain.Widget, error) {
		return calls.Result(rocket, h.Call("widgets.ByName"))
	}
	h.widgets.ListFunc = func(_ context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error) {
		return calls.Result(domain.Page[domain.Widget]{Request: page, Items: []domain.Widget{rocket}, TotalItems: 6}, h.Call("widgets.List"))
	}
	h.widgets.UpdateFunc = func(context.Context, domain.WidgetName, domain.WidgetChange, domain.Condition) (domain.Widget, error) {
		return calls.Result(older, h.Call("widgets.Update"))
	}
	h.widgets.DeleteFunc = func(context.Context, domain.WidgetName, domain.Condition) (domain.Widget, error) {
		return calls.Result(older, h.Call("widgets.Delete"))
	}
	return h
}

func (h *harness) service() *widgets.Service {
	return widgets.New(widgets.Config{Widgets: &h.widgets, Users: &h.users, Clock: &h.clock, Audit: h.audit, CursorKey: key})
}

// The use cases as functions of one type, for the tables.
func create(s *widgets.Service, claims domain.Claims) (any, error) {
	return s.Create(ctx, claims, name, fields, always)
}

// putResult is the result of Put.
type putResult struct {
	widget  domain.Widget
	created bool
}

func put(s *widgets.Service, claims domain.Claims) (any, error) {
	widget, created, err := s.Put(ctx, claims, name, fields, always)
	return putResult{widget, created}, err
}

func change(s *widgets.Service, claims domain.Claims) (any, error) {
	return s.Change(ctx, claims, name, handOver, always)
}

func remove(s *widgets.Service, claims domain.Claims) (any, error) {
	return struct{}{}, s.Delete(ctx, claims, name, always)
}

func get(s *widgets.Service, _ domain.Claims) (any, error)  { return s.Get(ctx, name) }
func list(s *widgets.Service, _ domain.Claims) (any, error) { return s.List(ctx, page) }

// slice returns no slice, which cannot be compared, but its cursor.
func slice(s *widgets.Service, _ domain.Claims) (any, error) {
	slice, err := s.Slice(ctx, byOwner, "", 5)
	if len(slice.Items) == 0 {
		return slice.Next, err
	}
	return slice.Items[0], err
}

func TestFailureOfAPortEndsTheUseCase(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		run    func(*widgets.Service, domain.Claims) (any, error)
		errors map[string]error
		calls  []string
	}{
		"Create":              {create, nil, []string{"audit.Ready", "users.ByPublicID", "widgets.Add"}},
		"List":                {list, nil, []string{"widgets.List"}},
		"Get":                 {get, nil, []string{"widgets.ByName"}},
		"Put":                 {put, nil, []string{"audit.Ready", "users.ByPublicID", "widgets.Update"}},
		"Put of a new widget": {put, map[string]error{"widgets.Update": domain.NotFound}, []string{"audit.Ready", "users.ByPublicID", "widgets.Update", "widgets.Add"}},
		"Delete":              {remove, nil, []string{"audit.Ready", "users.ByPublicID", "widgets.Delete"}},
		"Change":              {change, nil, []string{"audit.Ready", "users.ByPublicID", "users.ByPublicID of the owner", "widgets.Update"}},
		"Slice":               {slice, nil, []string{"widgets.Slice"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls.TestFaults(t, test.calls, func() (*calls.Recorder, func() (any, error)) {
				h := newHarness()
				h.Errors = test.errors
				return &h.Recorder, func() (any, error) { return test.run(h.service(), admin) }
			})
		})
	}
}

func TestWritesByOtherUsersAreForbiddenAndCallNoStore(t *testing.T) {
	t.Parallel()
	ordinary := admin
	ordinary.Admin = false
	for name, run := range map[string]func(*widgets.Service, domain.Claims) (any, error){
		"Create": create, "Put": put, "Change": change, "Delete": remove,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			result, err := run(s.service(), ordinary)
			if !errors.Is(err, domain.Forbidden) || err.Error() != "You are not an administrator" {
				t.Errorf("got %v", err)
			}
			if !reflect.ValueOf(result).IsZero() {
				t.Errorf("got %v", result)
			}
			s.Want(t, "audit.Ready")
			if got := s.audit.RecordCalls(); len(got) != 1 || got[0].Event.Outcome != "forbidden" || got[0].Event.Actor != ada.PublicID.String() {
				t.Errorf("recorded %+v", got)
			}
		})
	}
}

func TestCreateCopiesTheOwnerFromTheirAccount(t *testing.T) {
	t.Parallel()
	s := newHarness()
	created, err := s.service().Create(ctx, admin, name, fields, always)
	if err != nil {
		t.Fatal(err)
	}
	if id := s.users.ByPublicIDCalls()[0].ID; id != admin.Subject {
		t.Errorf("ByPublicID was called with %v", id)
	}
	want := domain.Widget{
		Name:         name,
		WidgetFields: fields,
		CreatedAt:    now.Truncate(time.Millisecond),
		Owner:        domain.Owner{PublicID: ada.PublicID, Email: ada.Email},
		Version:      domain.FirstVersion(now),
	}
	if created != want {
		t.Errorf("returned %+v, want %+v", created, want)
	}
	if got := s.widgets.AddCalls()[0].Widget; got != want {
		t.Errorf("added %+v, want %+v", got, want)
	}
}

// TestWritesLookAtTheAccount: the token may be older than a change of the account.
func TestWritesLookAtTheAccount(t *testing.T) {
	t.Parallel()
	demoted, disabled := ada, ada
	demoted.Admin, disabled.Disabled = false, true
	for how, run := range map[string]func(*widgets.Service, domain.Claims) (any, error){"Create": create, "Put": put, "Change": change, "Delete": remove} {
		for account, test := range map[string]struct {
			user domain.User
			find error
			want error
		}{
			"deleted":  {find: fmt.Errorf("users: %w", domain.NotFound), want: domain.ErrTokenInvalid},
			"demoted":  {user: demoted, want: domain.ErrNotAdministrator},
			"disabled": {user: disabled, want: domain.ErrTokenBlacklisted},
		} {
			t.Run(how+" by a "+account+" administrator", func(t *testing.T) {
				t.Parallel()
				s := newHarness()
				s.user = test.user
				s.Errors["users.ByPublicID"] = test.find
				result, err := run(s.service(), admin)
				if err != test.want { //nolint:errorlint // the error must be unchanged
					t.Errorf("got %v, want %v", err, test.want)
				}
				if !reflect.ValueOf(result).IsZero() {
					t.Errorf("got the result %v besides the error", result)
				}
				s.Want(t, "audit.Ready", "users.ByPublicID")
				if id := s.users.ByPublicIDCalls()[0].ID; id != admin.Subject {
					t.Errorf("ByPublicID was called with %v", id)
				}
			})
		}
	}
}

// recorded returns what the audit record says about the fields.
func recorded(text string) map[string]any {
	fields := sample.WidgetFields(text)
	return map[string]any{"info_url": fields.InfoURL.String(), "deadline": fields.Deadline.Time().Format(time.RFC3339)}
}

func TestCreateAndDeleteAreRecorded(t *testing.T) {
	t.Parallel()
	for how, test := range map[string]struct {
		run   func(*widgets.Service, domain.Claims) (any, error)
		event domain.AuditEvent
	}{
		"Create": {create, domain.AuditEvent{Action: domain.AuditWidgetCreate, After: recorded("rocket")}},
		"Delete": {remove, domain.AuditEvent{Action: domain.AuditWidgetDelete, Before: recorded("older")}},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			if _, err := test.run(s.service(), admin); err != nil {
				t.Fatal(err)
			}
			test.event.Target, test.event.Actor, test.event.Outcome = "rocket", ada.PublicID.String(), domain.Success
			calls.WantEvent(t, s.audit, test.event)
		})
	}
}

func TestPasswordInAURLIsNotRecorded(t *testing.T) {
	t.Parallel()
	s := newHarness()
	secret := fields
	secret.InfoURL = sample.InfoURL("https://ada:open-sesame@example.com/@a")
	if _, err := s.service().Create(ctx, admin, name, secret, always); err != nil {
		t.Fatal(err)
	}
	if got := s.audit.RecordCalls()[0].Event.After["info_url"]; got != "https://***@example.com/@a" {
		t.Errorf("recorded %v", got)
	}
}

func TestWriteIsUnavailableIfItCannotBeRecorded(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.Errors["audit.Record"] = domain.Unavailable
	if _, err := s.service().Create(ctx, admin, name, fields, always); err != domain.Unavailable { //nolint:errorlint // unchanged
		t.Errorf("got %v", err)
	}
	s.Errors["widgets.Delete"] = domain.NotFound
	if err := s.service().Delete(ctx, admin, name, always); domain.KindOf(err) != domain.NotFound {
		t.Errorf("an operation that failed returned %v", err)
	}
}

func TestCreateOfATakenNameReturnsAlreadyExists(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.Errors["widgets.Add"] = fmt.Errorf("index widgets.name: %w", domain.AlreadyExists)
	_, err := s.service().Create(ctx, admin, name, fields, always)
	if !errors.Is(err, domain.AlreadyExists) || err.Error() != "Widget name: rocket already exists, must be unique." {
		t.Errorf("got %v", err)
	}
}

func TestListReturnsThePageOfTheStore(t *testing.T) {
	t.Parallel()
	s := newHarness()
	got, err := s.service().List(ctx, page)
	want := domain.Page[domain.Widget]{Request: page, Items: []domain.Widget{rocket}, TotalItems: 6}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestGetReturnsTheWidget(t *testing.T) {
	t.Parallel()
	s := newHarness()
	got, err := s.service().Get(ctx, name)
	if err != nil || got != rocket {
		t.Errorf("got %+v, %v", got, err)
	}
	if asked := s.widgets.ByNameCalls()[0].Name; asked != name {
		t.Errorf("ByName was called with %v", asked)
	}
}

func TestDeleteRemovesTheWidget(t *testing.T) {
	t.Parallel()
	s := newHarness()
	if err := s.service().Delete(ctx, admin, name, always); err != nil {
		t.Fatal(err)
	}
	if asked := s.widgets.DeleteCalls()[0].Name; asked != name {
		t.Errorf("Delete was called with %v", asked)
	}
}

func TestNotFoundNamesTheWidget(t *testing.T) {
	t.Parallel()
	for how, run := range map[string]func(*widgets.Service, domain.Claims) (any, error){"Get": get, "Delete": remove} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.Errors["widgets.ByName"] = domain.NotFound
			s.Errors["widgets.Delete"] = fmt.Errorf("widgets: %w", domain.NotFound)
			result, err := run(s.service(), admin)
			if !errors.Is(err, domain.NotFound) || err.Error() != "rocket not found in database" {
				t.Errorf("got %v", err)
			}
			if !reflect.ValueOf(result).IsZero() {
				t.Errorf("got %v", result)
			}
		})
	}
}

func TestPutUpdatesOrCreates(t *testing.T) {
	t.Parallel()
	for how, test := range map[string]struct {
		update, add []error // the error of each call
		created     bool
		calls       []string
	}{
		"updates an existing widget": {
			update: []error{nil},
			calls:  []string{"audit.Ready", "users.ByPublicID", "widgets.Update"},
		},
		"creates a missing widget": {
			update: []error{domain.NotFound}, add: []error{nil}, created: true,
			calls: []string{"audit.Ready", "users.ByPublicID", "widgets.Update", "widgets.Add"},
		},
		"updates a widget that another request created meanwhile": {
			update: []error{domain.NotFound, nil}, add: []error{domain.AlreadyExists},
			calls: []string{"audit.Ready", "users.ByPublicID", "widgets.Update", "widgets.Add", "widgets.Update"},
		},
		"creates a widget that was created and deleted meanwhile": {
			update: []error{domain.NotFound, domain.NotFound}, add: []error{domain.AlreadyExists, nil}, created: true,
			calls: []string{
				"audit.Ready", "users.ByPublicID",
				"widgets.Update", "widgets.Add", "widgets.Update", "widgets.Add",
			},
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.widgets.UpdateFunc = func(context.Context, domain.WidgetName, domain.WidgetChange, domain.Condition) (domain.Widget, error) {
				_ = s.Call("widgets.Update")
				return calls.Result(older, test.update[len(s.widgets.UpdateCalls())-1])
			}
			s.widgets.AddFunc = func(context.Context, domain.Widget) error {
				_ = s.Call("widgets.Add")
				return test.add[len(s.widgets.AddCalls())-1]
			}
			widget, created, err := s.service().Put(ctx, admin, name, fields, always)
			if err != nil || created != test.created {
				t.Errorf("created is %v, error %v", created, err)
			}
			want := older.Changed(fields.ChangeAll())
			if test.created {
				want = rocket
			}
			if widget != want {
				t.Errorf("returned %+v, want %+v", widget, want)
			}
			s.Want(t, test.calls...)
			event := domain.AuditEvent{
				Action: domain.AuditWidgetUpdate, Target: "rocket", Actor: ada.PublicID.String(), Outcome: domain.Success,
				Before: recorded("older"), After: recorded("rocket"),
			}
			if test.created {
				event.Action, event.Before = domain.AuditWidgetCreate, nil
			}
			calls.WantEvent(t, s.audit, event)
			for _, call := range s.widgets.UpdateCalls() {
				if call.Name != name || rocket.Changed(call.Change).WidgetFields != fields || call.Change.Owner != nil || !call.Condition.IsNone() {
					t.Errorf("updated %+v", call)
				}
			}
			for _, call := range s.widgets.AddCalls() {
				if call.Widget != rocket {
					t.Errorf("added %+v", call.Widget)
				}
			}
		})
	}
}

func TestPutStopsWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	s := newHarness()
	ctx, cancel := context.WithCancel(t.Context())
	s.Errors["widgets.Update"] = domain.NotFound
	s.widgets.AddFunc = func(context.Context, domain.Widget) error {
		if len(s.widgets.AddCalls()) == 3 {
			cancel()
		}
		return domain.AlreadyExists
	}
	_, created, err := s.service().Put(ctx, admin, name, fields, always)
	if created || !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("created is %v, error %v", created, err)
	}
	if n := len(s.widgets.AddCalls()); n != 3 {
		t.Errorf("%d attempts, want 3", n)
	}
}

// TestOneOfManySimultaneousPutsCreatesTheWidget blocks every Put until all of them
// have found no widget. Exactly one of them may then create the widget.
func TestOneOfManySimultaneousPutsCreatesTheWidget(t *testing.T) {
	t.Parallel()
	const n = 24
	var (
		looking, putting sync.WaitGroup
		taken            atomic.Bool
		createdCount     atomic.Int32
	)
	looking.Add(n)
	s := newHarness()
	s.users.ByPublicIDFunc = func(context.Context, domain.UUID) (domain.User, error) { return ada, nil }
	s.audit.ReadyFunc = func(context.Context) error { return nil }
	s.widgets.UpdateFunc = func(context.Context, domain.WidgetName, domain.WidgetChange, domain.Condition) (domain.Widget, error) {
		if taken.Load() {
			return older, nil
		}
		looking.Done()
		looking.Wait()
		return domain.Widget{}, domain.NotFound
	}
	s.widgets.AddFunc = func(context.Context, domain.Widget) error {
		if !taken.CompareAndSwap(false, true) {
			return domain.AlreadyExists
		}
		return nil
	}
	service := s.service()
	for range n {
		putting.Go(func() {
			_, created, err := service.Put(ctx, admin, name, fields, always)
			if err != nil {
				t.Error(err)
			}
			if created {
				createdCount.Add(1)
			}
		})
	}
	putting.Wait()
	if got := createdCount.Load(); got != 1 {
		t.Errorf("%d Puts created the widget", got)
	}
	if adds, updates := len(s.widgets.AddCalls()), len(s.widgets.UpdateCalls()); adds != n || updates != 2*n-1 {
		t.Errorf("%d adds and %d updates, want %d and %d", adds, updates, n, 2*n-1)
	}
}
