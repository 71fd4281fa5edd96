package observed_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/adapters/observed"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

func TestStore(t *testing.T) {
	t.Parallel()
	conformance.Store(t, func(_ *testing.T, clock ports.Clock) ports.Store {
		return observed.Store(memory.NewWithClock(clock), &recorder{})
	})
}

// recorder is a [observed.StoreObserver] that remembers the ended operations.
type recorder struct {
	context func(context.Context) context.Context // changes the context of an operation; may be nil

	mu       sync.Mutex
	failures map[string][]error // by the name of the operation, for example "users.add"
}

type operationKey struct{}

func (r *recorder) StoreCallBegan(ctx context.Context, store, operation string) context.Context {
	if r.context != nil {
		ctx = r.context(ctx)
	}
	return context.WithValue(ctx, operationKey{}, store+"."+operation)
}

func (r *recorder) StoreCallEnded(ctx context.Context, store, operation string, took time.Duration, failure error) {
	name := store + "." + operation
	if ctx.Value(operationKey{}) != name || took < 0 {
		panic(fmt.Sprintf("%s ended after %v with the context of %v", name, took, ctx.Value(operationKey{})))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures == nil {
		r.failures = map[string][]error{}
	}
	r.failures[name] = append(r.failures[name], failure)
}

func TestEveryOperationIsReportedByItsName(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"Ping":                     "store.ping",
		"Users.Add":                "users.add",
		"Users.ByPublicID":         "users.by_public_id",
		"Users.ByEmail":            "users.by_email",
		"Users.List":               "users.list",
		"Users.Update":             "users.update",
		"Users.Delete":             "users.delete",
		"Users.HasAdmin":           "users.has_admin",
		"Widgets.Add":              "widgets.add",
		"Widgets.ByName":           "widgets.by_name",
		"Widgets.List":             "widgets.list",
		"Widgets.Update":           "widgets.update",
		"Widgets.Delete":           "widgets.delete",
		"Blacklist.Add":            "blacklist.add",
		"Blacklist.EndTokens":      "blacklist.end_tokens",
		"Blacklist.CutOff":         "blacklist.cut_off",
		"Blacklist.Check":          "blacklist.check",
		"Blacklist.Purge":          "blacklist.purge",
		"Users.AddAll":             "users.add_all",
		"Users.Slice":              "users.slice",
		"Users.Departed":           "users.departed",
		"Users.Settle":             "users.settle",
		"Widgets.AddAll":           "widgets.add_all",
		"Widgets.Slice":            "widgets.slice",
		"Widgets.RemoveOwnerEmail": "widgets.remove_owner_email",
		"Blacklist.Tokens":         "blacklist.tokens",
		"Blacklist.CutOffs":        "blacklist.cut_offs",
		"Blacklist.Count":          "blacklist.count",
	}
	r := &recorder{}
	for method := range conformance.EveryMethod(t.Context(), observed.Store(memory.New(), r)) {
		if reports := r.failures[want[method]]; len(reports) != 1 {
			t.Errorf("%s was reported %d times as %q, want once", method, len(reports), want[method])
		}
	}
	if len(r.failures) != len(want) {
		t.Errorf("the reported operations are %v, want %v", r.failures, want)
	}
}

func TestOperationsRunWithTheContextOfTheObserver(t *testing.T) {
	t.Parallel()
	r := &recorder{context: func(ctx context.Context) context.Context {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return ctx
	}}
	for method, err := range conformance.EveryMethod(t.Context(), observed.Store(memory.New(), r)) {
		if domain.KindOf(err) != domain.Unavailable {
			t.Errorf("%s with an ended context returned %v, want Unavailable", method, err)
		}
	}
}

func TestCloseAndSharedAreNotReported(t *testing.T) {
	t.Parallel()
	wantErr := errors.New("close failed")
	r := &recorder{}
	s := observed.Store(&fakes.StoreMock{
		CloseFunc:  func() error { return wantErr },
		SharedFunc: func() bool { return true },
	}, r)
	if err := s.Close(); err != wantErr { //nolint:errorlint // the same error, not wrapped
		t.Errorf("Close returned %v, want %v", err, wantErr)
	}
	if !s.Shared() {
		t.Error("Shared returned false, want true")
	}
	if len(r.failures) > 0 {
		t.Errorf("the reported operations are %v, want none", r.failures)
	}
}

func TestRefusalsAreNoFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err     error
		failure bool
	}{
		{nil, false},
		{domain.NotFound, false},
		{domain.WidgetNotFound("x"), false},
		{&domain.Error{Kind: domain.AlreadyExists}, false},
		{domain.ChangedMeanwhile, false},
		{&domain.Error{Kind: domain.ChangedMeanwhile}, false},
		{domain.ErrLastAdministrator, false},
		{&domain.Error{Kind: domain.Unavailable}, true},
		{&domain.Error{Kind: domain.Unavailable, Err: domain.NotFound}, true},
		{&domain.Error{Kind: domain.Unavailable, Err: domain.ChangedMeanwhile}, true},
		{errors.New("damaged"), true},
	} {
		r := &recorder{}
		s := observed.Store(&fakes.StoreMock{
			PingFunc: func(context.Context) error { return test.err },
		}, r)
		if err := s.Ping(t.Context()); err != test.err { //nolint:errorlint // the same error, not wrapped
			t.Errorf("the error %v was returned as %v", test.err, err)
		}
		if failure := r.failures["store.ping"][0]; (failure != nil) != test.failure {
			t.Errorf("the error %v was reported as the failure %v", test.err, failure)
		}
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	reached := &domain.LimitReachedError{RetryAfter: time.Minute}
	for _, test := range []struct {
		err     error
		failure bool
	}{
		{nil, false},
		{reached, false},
		{domain.Unavailable, true},
	} {
		r := &recorder{}
		ended := false
		end, err := observed.Attempts(&fakes.AttemptLimiterMock{
			BeginFunc: func(_ context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
				return func(isEvent bool) { ended = isEvent && limit.Name == "failures" && key == "key" }, test.err
			},
		}, r).Begin(t.Context(), domain.AttemptLimit{Name: "failures"}, "key")
		if end(true); !ended || err != test.err { //nolint:errorlint // the same error, not wrapped
			t.Errorf("the results of Begin, with the error %v, were not passed on: got %v", test.err, err)
		}
		if failures := r.failures["attempts.begin"]; len(failures) != 1 || (failures[0] != nil) != test.failure {
			t.Errorf("the error %v was reported as %v", test.err, failures)
		}
	}
}
