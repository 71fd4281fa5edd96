package departures_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app/departures"
	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

var ctx = context.Background()

// harness is a service on fakes that record their calls, with a clock that stands still.
type harness struct {
	calls.Recorder
	*departures.Service
	departed []domain.UUID
	running  time.Duration
	during   func() // is called while the accounts are read
}

func newHarness(departed ...domain.UUID) *harness {
	h := &harness{departed: departed, running: time.Hour, Recorder: calls.Recorder{Errors: map[string]error{}}}
	h.Service = departures.New(departures.Config{
		Users: &fakes.UserRepositoryMock{
			DepartedFunc: func(context.Context) ([]domain.UUID, error) {
				if h.during != nil {
					h.during()
				}
				return calls.Result(slices.Clone(h.departed), h.Call("Departed"))
			},
			SettleFunc: func(_ context.Context, id domain.UUID) error {
				err := h.Call("Settle " + last(id))
				if err == nil {
					h.departed = slices.DeleteFunc(h.departed, func(other domain.UUID) bool { return other == id })
				}
				return err
			},
		},
		Widgets: &fakes.WidgetRepositoryMock{RemoveOwnerEmailFunc: func(_ context.Context, id domain.UUID) error {
			return h.Call("Remove " + last(id))
		}},
		Clock: &fakes.ClockMock{RunningFunc: func() time.Duration { return h.running }},
	})
	return h
}

// last returns the last digit of an id.
func last(id domain.UUID) string { return id.String()[35:] }

// run calls RemoveEmails once and tests which calls it makes.
func (h *harness) run(t *testing.T, settled int, want ...string) {
	t.Helper()
	h.Reset()
	if got, err := h.RemoveEmails(ctx); got != settled || err != nil {
		t.Errorf("RemoveEmails returned %d, %v, want %d", got, err, settled)
	}
	h.Want(t, append([]string{"Departed"}, want...)...)
}

func TestNothingIsDoneWithoutDepartedAccounts(t *testing.T) {
	t.Parallel()
	newHarness().run(t, 0)
}

// TestAccountIsSettledAMinuteAfterItWasSeen: until then each call removes the email again,
// because a request that began before may have written it.
func TestAccountIsSettledAMinuteAfterItWasSeen(t *testing.T) {
	t.Parallel()
	h := newHarness(sample.ID(1))
	h.run(t, 0, "Remove 1")
	h.running += 20 * time.Second
	h.departed = append(h.departed, sample.ID(2))
	h.run(t, 0, "Remove 1", "Remove 2")
	h.running += 40*time.Second - 1
	h.run(t, 0, "Remove 1", "Remove 2")
	h.running++
	h.run(t, 1, "Remove 1", "Settle 1", "Remove 2")
	h.running += 20 * time.Second
	h.run(t, 1, "Remove 2", "Settle 2")
	h.run(t, 0)
}

// TestTheMinuteBeginsAfterTheAccountsWereRead: an account that is deleted while the call
// waits for the store was not seen before.
func TestTheMinuteBeginsAfterTheAccountsWereRead(t *testing.T) {
	t.Parallel()
	h := newHarness(sample.ID(1))
	h.during = func() { h.running += time.Minute }
	h.run(t, 0, "Remove 1")
	h.during = nil
	h.running += time.Minute - 1
	h.run(t, 0, "Remove 1")
}

// TestNewProcessWaitsAgain: the store keeps the accounts over a crash, not the time.
func TestNewProcessWaitsAgain(t *testing.T) {
	t.Parallel()
	newHarness(sample.ID(1)).run(t, 0, "Remove 1")
	restarted := newHarness(sample.ID(1))
	restarted.running = 0
	restarted.run(t, 0, "Remove 1")
	restarted.running = time.Minute
	restarted.run(t, 1, "Remove 1", "Settle 1")
}

// TestAccountThatAnotherServerSettledIsForgotten: if its id comes back, it is a new one.
func TestAccountThatAnotherServerSettledIsForgotten(t *testing.T) {
	t.Parallel()
	h := newHarness(sample.ID(1))
	h.run(t, 0, "Remove 1")
	h.departed, h.running = nil, h.running+time.Hour
	h.run(t, 0)
	h.departed = []domain.UUID{sample.ID(1)}
	h.run(t, 0, "Remove 1")
}

func TestFailuresOfTheStore(t *testing.T) {
	t.Parallel()
	fault := errors.New("a damaged record")
	unavailable := &domain.Error{Kind: domain.Unavailable, Err: errors.New("no answer")}
	for name, test := range map[string]struct {
		call    string
		err     error
		want    []string
		settled int
	}{
		"the accounts cannot be read":            {"Departed", fault, []string{"Departed"}, 0},
		"one account fails, others do not":       {"Remove 1", fault, []string{"Departed", "Remove 1", "Remove 2", "Settle 2"}, 1},
		"the store does not answer":              {"Remove 1", unavailable, []string{"Departed", "Remove 1"}, 0},
		"one account cannot be settled":          {"Settle 1", fault, []string{"Departed", "Remove 1", "Settle 1", "Remove 2", "Settle 2"}, 1},
		"the store does not answer when settled": {"Settle 1", unavailable, []string{"Departed", "Remove 1", "Settle 1"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(sample.ID(1), sample.ID(2))
			h.run(t, 0, "Remove 1", "Remove 2")
			h.running += time.Minute
			h.Reset()
			h.Errors[test.call] = test.err
			settled, err := h.RemoveEmails(ctx)
			if settled != test.settled || !errors.Is(err, test.err) {
				t.Errorf("RemoveEmails returned %d, %v, want %d, %v", settled, err, test.settled, test.err)
			}
			if test.call != "Departed" && !strings.Contains(err.Error(), sample.ID(1).String()) {
				t.Errorf("the error does not name the account: %v", err)
			}
			h.Want(t, test.want...)
			delete(h.Errors, test.call)
			if settled, err := h.RemoveEmails(ctx); settled != 2-test.settled || err != nil {
				t.Errorf("after the failure RemoveEmails returned %d, %v", settled, err)
			}
		})
	}
}

// TestEmailThatIsWrittenLateIsRemoved uses a real store: a request that began before the
// account was deleted creates a widget afterwards.
func TestEmailThatIsWrittenLateIsRemoved(t *testing.T) {
	t.Parallel()
	store := memory.New()
	var running time.Duration
	service := departures.New(departures.Config{
		Users: store.Users(), Widgets: store.Widgets(),
		Clock: &fakes.ClockMock{RunningFunc: func() time.Duration { return running }},
	})
	user := sample.User(0)
	late := sample.Widget("late")
	for _, err := range []error{
		store.Users().Add(ctx, user), store.Widgets().Add(ctx, sample.Widget("early")), store.Users().Delete(ctx, user),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for round := range 5 {
		if _, err := service.RemoveEmails(ctx); err != nil {
			t.Fatal(err)
		}
		for _, widget := range sample.Must(store.Widgets().Slice(ctx, domain.WidgetQuery{Sort: domain.ByCreation}, "", 10)).Items {
			if want := (domain.Owner{PublicID: user.PublicID}); widget.Owner != want {
				t.Errorf("round %d: the owner of %v is %+v", round, widget.Name, widget.Owner)
			}
		}
		if round == 0 {
			if err := store.Widgets().Add(ctx, late); err != nil {
				t.Fatal(err)
			}
		}
		running += 20 * time.Second
	}
	if left := sample.Must(store.Users().Departed(ctx)); len(left) > 0 {
		t.Errorf("not settled: %v", left)
	}
}

func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	h := newHarness(sample.ID(1))
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			if _, err := h.RemoveEmails(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
}
