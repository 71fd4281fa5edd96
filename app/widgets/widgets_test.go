package widgets_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app/widgets"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

var (
	ctx      = context.Background()
	now      = time.Date(2026, 11, 22, 6, 55, 7, 123456789, time.UTC)
	name     = must(domain.ParseWidgetName("rocket"))
	infoURL  = must(domain.ParseInfoURL("https://example.com/rocket"))
	deadline = domain.RestoreDeadline(time.Date(2027, 5, 13, 23, 59, 59, 0, time.UTC))
	ada      = domain.NewUser(domain.UUID{1}, must(domain.ParseEmail("ada@example.com")), "hash", true, now)
	admin    = domain.NewClaims(domain.UUID{2}, ada, now, time.Hour)
	rocket   = domain.NewWidget(name, infoURL, deadline, ada, now)
	page     = must(domain.ParsePageRequest("2", "5"))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// stage is a service among fakes that do as they are told and note, in order,
// which of them were called.
type stage struct {
	widgets fakes.WidgetRepositoryMock
	users   fakes.UserRepositoryMock
	clock   fakes.ClockMock

	answers map[string]error // of the calls that do not succeed

	calls  []string
	failAt int // the call, counted from 0, that fails
	fault  error
}

func newStage() *stage {
	s := &stage{answers: map[string]error{}}
	s.clock.NowFunc = func() time.Time { return now }
	s.users.ByPublicIDFunc = func(context.Context, domain.UUID) (domain.User, error) {
		return answer(ada, s.call("users.ByPublicID"))
	}
	s.widgets.AddFunc = func(context.Context, domain.Widget) error { return s.call("widgets.Add") }
	s.widgets.ByNameFunc = func(context.Context, domain.WidgetName) (domain.Widget, error) {
		return answer(rocket, s.call("widgets.ByName"))
	}
	s.widgets.ListFunc = func(_ context.Context, page domain.PageRequest) (domain.Page, error) {
		return answer(domain.Page{Request: page, Items: []domain.Widget{rocket}, TotalItems: 6}, s.call("widgets.List"))
	}
	s.widgets.UpdateFunc = func(context.Context, domain.WidgetName, domain.InfoURL, domain.Deadline) error {
		return s.call("widgets.Update")
	}
	s.widgets.DeleteFunc = func(context.Context, domain.WidgetName) error { return s.call("widgets.Delete") }
	return s
}

// answer returns value, or nothing at all with an error.
func answer[T any](value T, err error) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return value, nil
}

func (s *stage) call(name string) error {
	s.calls = append(s.calls, name)
	if s.fault != nil && len(s.calls) == s.failAt+1 {
		return s.fault
	}
	return s.answers[name]
}

func (s *stage) service() *widgets.Service { return widgets.New(&s.widgets, &s.users, &s.clock) }

func (s *stage) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(s.calls, want) {
		t.Errorf("calls are %v, want %v", s.calls, want)
	}
}

// The use cases as functions of one type, for the tables.
func create(s *widgets.Service, claims domain.Claims) (any, error) {
	return struct{}{}, s.Create(ctx, claims, name, infoURL, deadline)
}

func put(s *widgets.Service, claims domain.Claims) (any, error) {
	return s.Put(ctx, claims, name, infoURL, deadline)
}

func remove(s *widgets.Service, claims domain.Claims) (any, error) {
	return struct{}{}, s.Delete(ctx, claims, name)
}
func get(s *widgets.Service, _ domain.Claims) (any, error)  { return s.Get(ctx, name) }
func list(s *widgets.Service, _ domain.Claims) (any, error) { return s.List(ctx, page) }

// TestEveryPortFailing lets each call of each use case fail in turn: the error
// comes back as it is, with no result, and nothing further is called.
func TestEveryPortFailing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		run   func(*widgets.Service, domain.Claims) (any, error)
		given map[string]error
		calls []string
	}{
		"Create":     {create, nil, []string{"users.ByPublicID", "widgets.Add"}},
		"List":       {list, nil, []string{"widgets.List"}},
		"Get":        {get, nil, []string{"widgets.ByName"}},
		"Put":        {put, nil, []string{"widgets.Update"}},
		"Put of new": {put, map[string]error{"widgets.Update": domain.NotFound}, []string{"widgets.Update", "users.ByPublicID", "widgets.Add"}},
		"Delete":     {remove, nil, []string{"widgets.Delete"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.answers = test.given
			if _, err := test.run(s.service(), admin); err != nil {
				t.Fatal(err)
			}
			s.wantCalls(t, test.calls...)
		})
		for i, call := range test.calls {
			for how, fault := range map[string]error{
				"is unavailable":  &domain.Error{Kind: domain.Unavailable, Err: errors.New("no answer")},
				"has a bare kind": domain.Unavailable,
				"is broken":       errors.New("disk on fire"),
			} {
				t.Run(fmt.Sprintf("%s when %s %s", name, call, how), func(t *testing.T) {
					t.Parallel()
					s := newStage()
					s.answers, s.failAt, s.fault = test.given, i, fault
					result, err := test.run(s.service(), admin)
					if err != fault { //nolint:errorlint // the very error
						t.Errorf("error is %v, want %v", err, fault)
					}
					if !reflect.ValueOf(result).IsZero() {
						t.Errorf("a result in spite of the error: %v", result)
					}
					s.wantCalls(t, test.calls[:i+1]...)
				})
			}
		}
	}
}

func TestOnlyAdministratorsWriteAndNobodyElseReachesAPort(t *testing.T) {
	t.Parallel()
	ordinary := admin
	ordinary.Admin = false
	for name, run := range map[string]func(*widgets.Service, domain.Claims) (any, error){
		"Create": create, "Put": put, "Delete": remove,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			result, err := run(s.service(), ordinary)
			if !errors.Is(err, domain.Forbidden) || err.Error() != "You are not an administrator" {
				t.Errorf("got %v", err)
			}
			if !reflect.ValueOf(result).IsZero() {
				t.Errorf("got %v", result)
			}
			s.wantCalls(t)
		})
	}
}

func TestCreateCopiesTheOwnerFromTheirAccount(t *testing.T) {
	t.Parallel()
	s := newStage()
	if err := s.service().Create(ctx, admin, name, infoURL, deadline); err != nil {
		t.Fatal(err)
	}
	if id := s.users.ByPublicIDCalls()[0].ID; id != admin.Subject {
		t.Errorf("looked for the owner %v", id)
	}
	want := domain.Widget{
		Name:      name,
		InfoURL:   infoURL,
		Deadline:  deadline,
		CreatedAt: now.Truncate(time.Millisecond),
		Owner:     domain.Owner{PublicID: ada.PublicID, Email: ada.Email},
	}
	if got := s.widgets.AddCalls()[0].Widget; got != want {
		t.Errorf("added %+v, want %+v", got, want)
	}
}

func TestCreateByAnAdministratorWhoIsGoneMakesTheTokenInvalid(t *testing.T) {
	t.Parallel()
	for how, run := range map[string]func(*widgets.Service, domain.Claims) (any, error){"Create": create, "Put": put} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.answers["widgets.Update"] = domain.NotFound
			s.answers["users.ByPublicID"] = fmt.Errorf("users: %w", domain.NotFound)
			result, err := run(s.service(), admin)
			if !errors.Is(err, domain.TokenInvalid) || errors.Is(err, domain.NotFound) {
				t.Errorf("got %v", err)
			}
			if !reflect.ValueOf(result).IsZero() || len(s.widgets.AddCalls()) != 0 {
				t.Error("a widget was added")
			}
		})
	}
}

func TestCreateOfATakenNameNamesIt(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.answers["widgets.Add"] = fmt.Errorf("index widgets.name: %w", domain.AlreadyExists)
	err := s.service().Create(ctx, admin, name, infoURL, deadline)
	if !errors.Is(err, domain.AlreadyExists) || err.Error() != "Widget name: rocket already exists, must be unique." {
		t.Errorf("got %v", err)
	}
}

func TestListReturnsThePageAsTheStoreGivesIt(t *testing.T) {
	t.Parallel()
	s := newStage()
	got, err := s.service().List(ctx, page)
	want := domain.Page{Request: page, Items: []domain.Widget{rocket}, TotalItems: 6}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestGetReturnsTheWidgetOfThatName(t *testing.T) {
	t.Parallel()
	s := newStage()
	got, err := s.service().Get(ctx, name)
	if err != nil || got != rocket {
		t.Errorf("got %+v, %v", got, err)
	}
	if asked := s.widgets.ByNameCalls()[0].Name; asked != name {
		t.Errorf("asked for %v", asked)
	}
}

func TestDeleteRemovesTheWidgetOfThatName(t *testing.T) {
	t.Parallel()
	s := newStage()
	if err := s.service().Delete(ctx, admin, name); err != nil {
		t.Fatal(err)
	}
	if asked := s.widgets.DeleteCalls()[0].Name; asked != name {
		t.Errorf("deleted %v", asked)
	}
}

func TestGetAndDeleteSayWhichWidgetIsNotThere(t *testing.T) {
	t.Parallel()
	for how, run := range map[string]func(*widgets.Service, domain.Claims) (any, error){"Get": get, "Delete": remove} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.answers["widgets.ByName"] = domain.NotFound
			s.answers["widgets.Delete"] = fmt.Errorf("widgets: %w", domain.NotFound)
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
		update, add []error // what each call answers
		created     bool
		calls       []string
	}{
		"updates the widget that is there": {
			update: []error{nil},
			calls:  []string{"widgets.Update"},
		},
		"creates the widget that is not": {
			update: []error{domain.NotFound}, add: []error{nil}, created: true,
			calls: []string{"widgets.Update", "users.ByPublicID", "widgets.Add"},
		},
		"updates the widget that another was quicker to create": {
			update: []error{domain.NotFound, nil}, add: []error{domain.AlreadyExists},
			calls: []string{"widgets.Update", "users.ByPublicID", "widgets.Add", "widgets.Update"},
		},
		"creates the widget that was created and deleted meanwhile": {
			update: []error{domain.NotFound, domain.NotFound}, add: []error{domain.AlreadyExists, nil}, created: true,
			calls: []string{
				"widgets.Update", "users.ByPublicID", "widgets.Add",
				"widgets.Update", "users.ByPublicID", "widgets.Add",
			},
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.widgets.UpdateFunc = func(context.Context, domain.WidgetName, domain.InfoURL, domain.Deadline) error {
				_ = s.call("widgets.Update")
				return test.update[len(s.widgets.UpdateCalls())-1]
			}
			s.widgets.AddFunc = func(context.Context, domain.Widget) error {
				_ = s.call("widgets.Add")
				return test.add[len(s.widgets.AddCalls())-1]
			}
			created, err := s.service().Put(ctx, admin, name, infoURL, deadline)
			if err != nil || created != test.created {
				t.Errorf("created is %v, error %v", created, err)
			}
			s.wantCalls(t, test.calls...)
			for _, call := range s.widgets.UpdateCalls() {
				if call.Name != name || call.InfoURL != infoURL || call.Deadline != deadline {
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

func TestPutGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	s := newStage()
	ctx, cancel := context.WithCancel(t.Context())
	s.answers["widgets.Update"] = domain.NotFound
	s.widgets.AddFunc = func(context.Context, domain.Widget) error {
		if len(s.widgets.AddCalls()) == 3 {
			cancel()
		}
		return domain.AlreadyExists
	}
	created, err := s.service().Put(ctx, admin, name, infoURL, deadline)
	if created || !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("created is %v, error %v", created, err)
	}
	if n := len(s.widgets.AddCalls()); n != 3 {
		t.Errorf("%d attempts, want 3", n)
	}
}

// TestOneOfManySimultaneousPutsCreates holds back every Put until all have seen
// that there is no such widget, so that all but one lose the race.
func TestOneOfManySimultaneousPutsCreates(t *testing.T) {
	t.Parallel()
	const n = 24
	var (
		looking, putting sync.WaitGroup
		taken            atomic.Bool
		createdCount     atomic.Int32
	)
	looking.Add(n)
	s := newStage()
	s.users.ByPublicIDFunc = func(context.Context, domain.UUID) (domain.User, error) { return ada, nil }
	s.widgets.UpdateFunc = func(context.Context, domain.WidgetName, domain.InfoURL, domain.Deadline) error {
		if taken.Load() {
			return nil
		}
		looking.Done()
		looking.Wait()
		return domain.NotFound
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
			created, err := service.Put(ctx, admin, name, infoURL, deadline)
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
