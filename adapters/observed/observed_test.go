package observed_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/adapters/observed"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

// nobody is an observer who does not care.
type nobody struct{}

func (nobody) StoreCallBegan(ctx context.Context, _, _ string) context.Context { return ctx }

func (nobody) StoreCallEnded(context.Context, string, string, time.Duration, error) {}

func TestObservedStoreKeepsItsPromises(t *testing.T) {
	t.Parallel()
	t.Run("users", func(t *testing.T) {
		conformance.UserRepository(t, func(*testing.T) ports.UserRepository { return observed.Users(memory.NewUsers(), nobody{}) })
	})
	t.Run("widgets", func(t *testing.T) {
		conformance.WidgetRepository(t, func(*testing.T) ports.WidgetRepository { return observed.Widgets(memory.NewWidgets(), nobody{}) })
	})
	t.Run("blacklist", func(t *testing.T) {
		conformance.TokenBlacklist(t, func(*testing.T) ports.TokenBlacklist { return observed.Blacklist(memory.NewBlacklist(), nobody{}) })
	})
}

// witness is an observer who remembers the calls, and marks their contexts.
type witness struct {
	calls    []string
	failures []error
}

type mark struct{}

func (w *witness) StoreCallBegan(ctx context.Context, store, operation string) context.Context {
	return context.WithValue(ctx, mark{}, store+"."+operation)
}

func (w *witness) StoreCallEnded(ctx context.Context, store, operation string, took time.Duration, failure error) {
	if ctx.Value(mark{}) != store+"."+operation || took < 0 {
		panic("not the call that began")
	}
	w.calls = append(w.calls, store+"."+operation)
	w.failures = append(w.failures, failure)
}

func TestObserverIsToldOfEveryCallByItsName(t *testing.T) {
	t.Parallel()
	var passed []any // what the stores found in their contexts
	met := func(ctx context.Context) { passed = append(passed, ctx.Value(mark{})) }
	w := &witness{}
	users := observed.Users(&fakes.UserRepositoryMock{
		AddFunc: func(ctx context.Context, _ domain.User) error { met(ctx); return nil },
		ByPublicIDFunc: func(ctx context.Context, _ domain.UUID) (domain.User, error) {
			met(ctx)
			return domain.User{}, nil
		},
		ByEmailFunc: func(ctx context.Context, _ domain.Email) (domain.User, error) { met(ctx); return domain.User{}, nil },
		SetCredentialsFunc: func(ctx context.Context, _ domain.User, _ string) error {
			met(ctx)
			return nil
		},
		HasAdminFunc: func(ctx context.Context) (bool, error) { met(ctx); return true, nil },
	}, w)
	widgets := observed.Widgets(&fakes.WidgetRepositoryMock{
		AddFunc: func(ctx context.Context, _ domain.Widget) error { met(ctx); return nil },
		ByNameFunc: func(ctx context.Context, _ domain.WidgetName) (domain.Widget, error) {
			met(ctx)
			return domain.Widget{}, nil
		},
		ListFunc: func(ctx context.Context, _ domain.PageRequest) (domain.Page, error) {
			met(ctx)
			return domain.Page{}, nil
		},
		UpdateFunc: func(ctx context.Context, _ domain.WidgetName, _ domain.InfoURL, _ domain.Deadline) error {
			met(ctx)
			return nil
		},
		DeleteFunc: func(ctx context.Context, _ domain.WidgetName) error { met(ctx); return nil },
	}, w)
	blacklist := observed.Blacklist(&fakes.TokenBlacklistMock{
		AddFunc:      func(ctx context.Context, _ domain.BlacklistedToken) error { met(ctx); return nil },
		ContainsFunc: func(ctx context.Context, _ domain.BlacklistedToken) (bool, error) { met(ctx); return true, nil },
		PurgeFunc:    func(ctx context.Context, _ time.Time) (int, error) { met(ctx); return 1, nil },
	}, w)

	ctx := t.Context()
	_ = users.Add(ctx, domain.User{})
	_, _ = users.ByPublicID(ctx, domain.UUID{})
	_, _ = users.ByEmail(ctx, domain.Email{})
	_ = users.SetCredentials(ctx, domain.User{}, "")
	_, _ = users.HasAdmin(ctx)
	_ = widgets.Add(ctx, domain.Widget{})
	_, _ = widgets.ByName(ctx, domain.WidgetName{})
	_, _ = widgets.List(ctx, domain.PageRequest{})
	_ = widgets.Update(ctx, domain.WidgetName{}, domain.InfoURL{}, domain.Deadline{})
	_ = widgets.Delete(ctx, domain.WidgetName{})
	_ = blacklist.Add(ctx, domain.BlacklistedToken{})
	_, _ = blacklist.Contains(ctx, domain.BlacklistedToken{})
	_, _ = blacklist.Purge(ctx, time.Time{})

	want := []string{
		"users.add", "users.by_public_id", "users.by_email", "users.set_credentials", "users.has_admin",
		"widgets.add", "widgets.by_name", "widgets.list", "widgets.update", "widgets.delete",
		"blacklist.add", "blacklist.contains", "blacklist.purge",
	}
	if !slices.Equal(w.calls, want) {
		t.Errorf("the observer was told of %q", w.calls)
	}
	for i, call := range want {
		if i >= len(passed) || passed[i] != call {
			t.Errorf("the stores were called with %q", passed)
			break
		}
	}
}

func TestAnswerIsNoFailure(t *testing.T) {
	t.Parallel()
	fault := errors.New("out of order")
	for _, test := range []struct {
		err     error
		failure bool
	}{
		{nil, false},
		{domain.NotFound, false},
		{domain.WidgetNotFound("x"), false},
		{&domain.Error{Kind: domain.AlreadyExists}, false},
		{&domain.Error{Kind: domain.Unavailable}, true},
		{fault, true},
	} {
		w := &witness{}
		users := observed.Users(&fakes.UserRepositoryMock{
			AddFunc: func(context.Context, domain.User) error { return test.err },
		}, w)
		if err := users.Add(t.Context(), domain.User{}); err != test.err { //nolint:errorlint // that very error
			t.Errorf("%v became %v", test.err, err)
		}
		if got := w.failures[0]; (got != nil) != test.failure {
			t.Errorf("of %v the observer was told %v", test.err, got)
		}
	}
}
