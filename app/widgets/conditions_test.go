package widgets_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/app/widgets"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// onMemory returns a service on a store in memory with the administrators ada and bob. If
// the widget exists, its version is 7.
func onMemory(t *testing.T, exists bool) (*widgets.Service, *memory.Store) {
	t.Helper()
	store, h := memory.New(), newHarness()
	for _, u := range []domain.User{ada, bob} {
		if err := store.Users().Add(ctx, u); err != nil {
			t.Fatal(err)
		}
	}
	if exists {
		stored := older
		stored.Version = 7
		if err := store.Widgets().Add(ctx, stored); err != nil {
			t.Fatal(err)
		}
	}
	return widgets.New(widgets.Config{Widgets: store.Widgets(), Users: store.Users(), Clock: &h.clock, CursorKey: store.CursorKey()}), store
}

// TestConditions has each kind of condition for a widget of version 7, and for none.
func TestConditions(t *testing.T) {
	t.Parallel()
	every, none := &domain.Versions{Every: true}, &domain.Versions{}
	seven, eight := version(7).Match, version(8).Match
	const (
		meanwhile = "'rocket' was changed meanwhile"
		missing   = "'rocket' does not exist"
		present   = "'rocket' exists already"
		taken     = "Widget name: rocket already exists, must be unique."
		unknown   = "rocket not found in database"
	)
	type want struct{ create, put, change, remove string } // the messages of the errors
	for how, test := range map[string]struct {
		condition      domain.Condition
		exists, absent want
	}{
		"none":                           {always, want{create: taken}, want{change: unknown, remove: unknown}},
		"the version":                    {domain.Condition{Match: seven}, want{create: taken}, want{meanwhile, missing, unknown, unknown}},
		"another version":                {domain.Condition{Match: eight}, want{taken, meanwhile, meanwhile, meanwhile}, want{meanwhile, missing, unknown, unknown}},
		"every version":                  {domain.Condition{Match: every}, want{create: taken}, want{meanwhile, missing, unknown, unknown}},
		"no version":                     {domain.Condition{Match: none}, want{taken, meanwhile, meanwhile, meanwhile}, want{meanwhile, missing, unknown, unknown}},
		"that there is none":             {domain.Condition{NoneMatch: every}, want{taken, present, meanwhile, meanwhile}, want{change: unknown, remove: unknown}},
		"not the version":                {domain.Condition{NoneMatch: seven}, want{taken, meanwhile, meanwhile, meanwhile}, want{change: unknown, remove: unknown}},
		"not another version":            {domain.Condition{NoneMatch: eight}, want{create: taken}, want{change: unknown, remove: unknown}},
		"the version and not another":    {domain.Condition{Match: seven, NoneMatch: eight}, want{create: taken}, want{meanwhile, missing, unknown, unknown}},
		"the version and not it":         {domain.Condition{Match: seven, NoneMatch: seven}, want{taken, meanwhile, meanwhile, meanwhile}, want{meanwhile, missing, unknown, unknown}},
		"the version and that none is":   {domain.Condition{Match: seven, NoneMatch: every}, want{taken, present, meanwhile, meanwhile}, want{meanwhile, missing, unknown, unknown}},
		"every version and that none is": {domain.Condition{Match: every, NoneMatch: every}, want{taken, present, meanwhile, meanwhile}, want{meanwhile, missing, unknown, unknown}},
	} {
		for _, exists := range []bool{true, false} {
			wanted := test.absent
			if exists {
				wanted = test.exists
			}
			for method, call := range map[string]struct {
				run  func(s *widgets.Service) (domain.Widget, error)
				want string
			}{
				"Create": {func(s *widgets.Service) (domain.Widget, error) {
					return s.Create(ctx, admin, name, fields, test.condition)
				}, wanted.create},
				"Put": {func(s *widgets.Service) (domain.Widget, error) {
					w, _, err := s.Put(ctx, admin, name, fields, test.condition)
					return w, err
				}, wanted.put},
				"Change": {func(s *widgets.Service) (domain.Widget, error) {
					return s.Change(ctx, admin, name, handOver, test.condition)
				}, wanted.change},
				"Delete": {func(s *widgets.Service) (domain.Widget, error) {
					return domain.Widget{}, s.Delete(ctx, admin, name, test.condition)
				}, wanted.remove},
			} {
				t.Run(fmt.Sprintf("%s requires %s, exists %t", method, how, exists), func(t *testing.T) {
					t.Parallel()
					service, store := onMemory(t, exists)
					before, _ := store.Widgets().ByName(ctx, name)
					got, err := call.run(service)
					after, _ := store.Widgets().ByName(ctx, name)
					switch {
					case call.want == "" && err != nil:
						t.Errorf("failed: %v", err)
					case call.want == "" && got != after:
						t.Errorf("returned %+v, and the store has %+v", got, after)
					case call.want == "" && after == before:
						t.Error("changed nothing")
					case call.want != "" && (err == nil || err.Error() != call.want):
						t.Errorf("returned the error %v, want %q", err, call.want)
					case call.want != "" && (after != before || got != domain.Widget{}):
						t.Errorf("returned %+v, and the store has %+v, want %+v", got, after, before)
					}
					if isPrecondition := call.want == meanwhile || call.want == missing || call.want == present; isPrecondition != errors.Is(err, domain.ChangedMeanwhile) {
						t.Errorf("the error is of kind %s", domain.KindOf(err))
					}
				})
			}
		}
	}
}

// TestPutHoldsToItsConditionInARace has another request create the widget after Put has found
// none.
func TestPutHoldsToItsConditionInARace(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.widgets.UpdateFunc = func(context.Context, domain.WidgetName, domain.WidgetChange, domain.Condition) (domain.Widget, error) {
		if len(s.widgets.AddCalls()) == 0 {
			return domain.Widget{}, domain.NotFound
		}
		return domain.Widget{}, domain.ChangedMeanwhile
	}
	s.Errors["widgets.Add"] = domain.AlreadyExists
	condition := domain.Condition{NoneMatch: &domain.Versions{Every: true}}
	widget, created, err := s.service().Put(ctx, admin, name, fields, condition)
	if created || widget != (domain.Widget{}) || !reflect.DeepEqual(err, domain.WidgetExists(name)) {
		t.Errorf("got %+v, %t, %v", widget, created, err)
	}
	for _, call := range s.widgets.UpdateCalls() {
		if !reflect.DeepEqual(call.Condition, condition) {
			t.Errorf("updated with the condition %+v", call.Condition)
		}
	}
	calls.WantEvent(t, s.audit, domain.AuditEvent{
		Action: domain.AuditWidgetUpdate, Target: "rocket", Actor: ada.PublicID.String(), Outcome: domain.OutcomeOf(domain.ChangedMeanwhile),
	})
}

func TestCreateWithAConditionReadsTheWidgetAndAddsNone(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{domain.Unavailable, errors.New("disk failure")} {
		s := newHarness()
		s.Errors["widgets.ByName"] = fault
		widget, err := s.service().Create(ctx, admin, name, fields, version(7))
		if err != fault || widget != (domain.Widget{}) { //nolint:errorlint // unchanged
			t.Errorf("got %+v, %v, want %v", widget, err, fault)
		}
		s.Want(t, "audit.Ready", "users.ByPublicID", "widgets.ByName")
	}
}

func TestChangeHandsTheWidgetOver(t *testing.T) {
	t.Parallel()
	s := newHarness()
	mallory := domain.Owner{PublicID: bob.PublicID, Email: sample.Email("mallory@example.com")} // only the PublicID is used
	widget, err := s.service().Change(ctx, admin, name, domain.WidgetChange{Owner: &mallory}, version(7))
	want := older.Changed(domain.WidgetChange{Owner: &domain.Owner{PublicID: bob.PublicID, Email: bob.Email}})
	if err != nil || widget != want {
		t.Errorf("got %+v, %v; want %+v", widget, err, want)
	}
	call := s.widgets.UpdateCalls()[0]
	if call.Name != name || *call.Change.Owner != want.Owner || call.Change.InfoURL != nil || call.Change.Deadline != nil || !reflect.DeepEqual(call.Condition, version(7)) {
		t.Errorf("updated %+v", call)
	}
	calls.WantEvent(t, s.audit, domain.AuditEvent{
		Action: domain.AuditWidgetUpdate, Target: "rocket", Actor: ada.PublicID.String(), Outcome: domain.Success,
		Before: map[string]any{"owner": ada.PublicID.String()},
		After:  map[string]any{"owner": bob.PublicID.String()},
	})
	if mallory.Email != sample.Email("mallory@example.com") {
		t.Error("Change wrote to the owner of its caller")
	}
}

func TestChangeRecordsTheFieldsThatItChanges(t *testing.T) {
	t.Parallel()
	secret := sample.InfoURL("https://ada:open-sesame@example.com/a")
	before := sample.WidgetFields("older")
	everything := fields.ChangeAll()
	everything.Owner = handOver.Owner
	for how, test := range map[string]struct {
		change        domain.WidgetChange
		before, after map[string]any
	}{
		"the URL": {
			domain.WidgetChange{InfoURL: &secret},
			map[string]any{"info_url": before.InfoURL.String()}, map[string]any{"info_url": "https://***@example.com/a"},
		},
		"the deadline": {
			domain.WidgetChange{Deadline: &fields.Deadline},
			map[string]any{"deadline": before.Deadline.Time().Format(time.RFC3339)}, map[string]any{"deadline": fields.Deadline.Time().Format(time.RFC3339)},
		},
		"nothing":         {domain.WidgetChange{}, map[string]any{}, map[string]any{}},
		"the same values": {domain.WidgetChange{InfoURL: &before.InfoURL, Deadline: &before.Deadline, Owner: &older.Owner}, map[string]any{}, map[string]any{}},
		"the deadline, with the same URL": {
			domain.WidgetChange{InfoURL: &before.InfoURL, Deadline: &fields.Deadline},
			map[string]any{"deadline": before.Deadline.Time().Format(time.RFC3339)}, map[string]any{"deadline": fields.Deadline.Time().Format(time.RFC3339)},
		},
		"everything": {
			everything,
			with(recorded("older"), "owner", ada.PublicID.String()), with(recorded("rocket"), "owner", bob.PublicID.String()),
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			if _, err := s.service().Change(ctx, admin, name, test.change, always); err != nil {
				t.Fatal(err)
			}
			calls.WantEvent(t, s.audit, domain.AuditEvent{
				Action: domain.AuditWidgetUpdate, Target: "rocket", Actor: ada.PublicID.String(), Outcome: domain.Success,
				Before: test.before, After: test.after,
			})
		})
	}
}

// with returns the fields and one more.
func with(fields map[string]any, name string, value any) map[string]any {
	fields[name] = value
	return fields
}

// TestChangeToAnOwnerWhoIsNoAdministrator wants the error also for a widget that does not
// exist, and no write.
func TestChangeToAnOwnerWhoIsNoAdministrator(t *testing.T) {
	t.Parallel()
	for how, test := range map[string]struct {
		heir domain.User
		find error
	}{
		"a user":     {heir: sample.User(7)},
		"no account": {find: fmt.Errorf("users: %w", domain.NotFound)},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.heir, s.Errors["users.ByPublicID of the owner"] = test.heir, test.find
			s.Errors["widgets.Update"] = domain.NotFound
			widget, err := s.service().Change(ctx, admin, name, handOver, version(1))
			if widget != (domain.Widget{}) || !reflect.DeepEqual(err, domain.NotAnAdministrator("owner")) {
				t.Errorf("got %+v, %v", widget, err)
			}
			s.Want(t, "audit.Ready", "users.ByPublicID", "users.ByPublicID of the owner")
			calls.WantEvent(t, s.audit, domain.AuditEvent{
				Action: domain.AuditWidgetUpdate, Target: "rocket", Actor: ada.PublicID.String(), Outcome: domain.OutcomeOf(domain.Invalid),
			})
		})
	}
}

// TestRefusedWritesRecordNoFields wants an audit line without before and after.
func TestRefusedWritesRecordNoFields(t *testing.T) {
	t.Parallel()
	for how, run := range map[string]func(*widgets.Service, domain.Claims) (any, error){"Put": put, "Change": change, "Delete": remove} {
		for _, kind := range []domain.Kind{domain.ChangedMeanwhile, domain.Unavailable} {
			t.Run(how+", "+kind.Error(), func(t *testing.T) {
				t.Parallel()
				s := newHarness()
				s.Errors["widgets.Update"] = fmt.Errorf("widgets: %w", kind)
				s.Errors["widgets.Delete"] = s.Errors["widgets.Update"]
				result, err := run(s.service(), admin)
				if domain.KindOf(err) != kind || !reflect.ValueOf(result).IsZero() {
					t.Errorf("got %+v, %v", result, err)
				}
				event := s.audit.RecordCalls()[0].Event
				if event.Before != nil || event.After != nil || event.Outcome != domain.OutcomeOf(kind) {
					t.Errorf("recorded %+v", event)
				}
			})
		}
	}
}

func TestSliceSealsPositions(t *testing.T) {
	t.Parallel()
	s := newHarness()
	service := s.service()
	first, err := service.Slice(ctx, byOwner, "", 5)
	if err != nil || len(first.Items) != 1 || first.Items[0] != rocket {
		t.Fatalf("got %+v, %v", first, err)
	}
	if first.Next == "" || first.Next == "behind rocket" {
		t.Errorf("the cursor is %q", first.Next)
	}
	if _, err := service.Slice(ctx, byOwner, first.Next, 50); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		position string
		limit    int
	}{{"", 5}, {"behind rocket", 50}} {
		call := s.widgets.SliceCalls()[i]
		if call.Position != want.position || call.Limit != want.limit || call.Query != byOwner {
			t.Errorf("call %d was %+v", i, call)
		}
	}
	s.widgets.SliceFunc = func(context.Context, domain.WidgetQuery, string, int) (domain.Slice[domain.Widget], error) {
		return domain.Slice[domain.Widget]{Items: []domain.Widget{rocket}}, nil
	}
	if last, err := service.Slice(ctx, byOwner, first.Next, 5); err != nil || last.Next != "" {
		t.Errorf("the last slice has the cursor %q, error %v", last.Next, err)
	}
}

func TestSliceRefusesOtherCursorsAndCallsNoStore(t *testing.T) {
	t.Parallel()
	other := byOwner
	other.Reverse = true
	for how, cursor := range map[string]string{
		"of another list":  key.Seal("behind rocket", other.String()),
		"of another store": domain.CursorKey{9}.Seal("behind rocket", byOwner.String()),
		"a position":       "behind rocket",
		"no cursor":        "x",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			slice, err := s.service().Slice(ctx, byOwner, cursor, 5)
			if len(slice.Items) > 0 || slice.Next != "" || domain.KindOf(err) != domain.Invalid {
				t.Errorf("got %+v, %v", slice, err)
			}
			s.Want(t)
		})
	}
}

// TestSliceNamesNoStore has a store that refuses a position, such as one of an earlier
// version.
func TestSliceNamesNoStore(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.Errors["widgets.Slice"] = &domain.Error{Kind: domain.Invalid, Message: "memory: no position", Err: errors.New("cause")}
	if _, err := s.service().Slice(ctx, byOwner, key.Seal("old", byOwner.String()), 5); err != domain.ErrCursor { //nolint:errorlint // unchanged
		t.Errorf("got %v, want %v", err, domain.ErrCursor)
	}
}

// TestWalkThroughAList reads a list of a store to its end.
func TestWalkThroughAList(t *testing.T) {
	t.Parallel()
	service, store := onMemory(t, false)
	all := sample.Widgets(7)
	if _, err := store.Widgets().AddAll(ctx, all); err != nil {
		t.Fatal(err)
	}
	var got []domain.Widget
	query, cursor := domain.WidgetQuery{Sort: domain.ByCreation}, ""
	for limit := range 3 { // the limit may change on the way
		slice, err := service.Slice(ctx, query, cursor, limit+2)
		if err != nil {
			t.Fatal(err)
		}
		got, cursor = append(got, slice.Items...), slice.Next
	}
	if !reflect.DeepEqual(got, all) || cursor != "" {
		t.Errorf("got %d widgets and the cursor %q", len(got), cursor)
	}
}
