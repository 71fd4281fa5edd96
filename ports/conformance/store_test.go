package conformance_test

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

func brokenStore(damage func(broken *fakes.StoreMock, good ports.Store)) func(*testing.T) {
	return clockedStore(func(clock ports.Clock) ports.Store {
		good := memory.NewWithClock(clock)
		broken := mockStore(good)
		damage(broken, good)
		return broken
	})
}

// clockedStore returns a test that runs the suite on the stores that open returns.
func clockedStore(open func(clock ports.Clock) ports.Store) func(*testing.T) {
	return func(t *testing.T) {
		conformance.Store(t, func(_ *testing.T, clock ports.Clock) ports.Store { return open(clock) })
	}
}

func storeMutants() []mutant {
	type (
		mock = *fakes.StoreMock
		repo = ports.Store
	)
	return []mutant{
		{unbroken, nil, brokenStore(func(mock, repo) {})},

		{"DeletesNoWidgets", []string{"Widgets"}, brokenStore(func(broken mock, good repo) {
			widgets := mockWidgets(good.Widgets())
			widgets.DeleteFunc = func(ctx context.Context, name domain.WidgetName, _ domain.Condition) (domain.Widget, error) {
				return good.Widgets().ByName(ctx, name)
			}
			broken.WidgetsFunc = func() ports.WidgetRepository { return widgets }
		})},
		{"NeverHasAdmin", []string{"Users"}, brokenStore(func(broken mock, good repo) {
			users := mockUsers(good.Users())
			users.HasAdminFunc = func(ctx context.Context) (bool, error) {
				_, err := good.Users().HasAdmin(ctx)
				return false, err
			}
			broken.UsersFunc = func() ports.UserRepository { return users }
		})},
		{"CountsNoTokens", []string{"Blacklist"}, brokenStore(func(broken mock, good repo) {
			blacklist := mockBlacklist(good.Blacklist())
			blacklist.CountFunc = func(ctx context.Context) (int, error) {
				_, err := good.Blacklist().Count(ctx)
				return 0, err
			}
			broken.BlacklistFunc = func() ports.TokenBlacklist { return blacklist }
		})},
		{"NewRepositoryInEachCall", []string{"Together"}, brokenStore(func(broken mock, good repo) {
			broken.BlacklistFunc = func() ports.TokenBlacklist { return memory.NewBlacklist() }
		})},

		{"PingFails", []string{"Ping"}, brokenStore(func(broken mock, good repo) {
			broken.PingFunc = func(context.Context) error { return domain.Unavailable }
		})},
		{"PingWorksOnce", []string{"Ping"}, brokenStore(func(broken mock, good repo) {
			var pinged atomic.Bool
			broken.PingFunc = func(ctx context.Context) error {
				if pinged.Swap(true) {
					return domain.Unavailable
				}
				return good.Ping(ctx)
			}
		})},
		{"PingIgnoresTheContext", []string{"EndedContext"}, brokenStore(func(broken mock, good repo) {
			broken.PingFunc = func(ctx context.Context) error { return good.Ping(context.WithoutCancel(ctx)) }
		})},

		{"CloseFails", []string{"Close", "CloseDuringWrites", "Shared"}, brokenStore(func(broken mock, good repo) {
			broken.CloseFunc = func() error {
				_ = good.Close()
				return errDriver
			}
		})},
		{"SecondCloseFails", []string{"Close"}, brokenStore(func(broken mock, good repo) {
			var closed atomic.Bool
			broken.CloseFunc = func() error {
				if closed.Swap(true) {
					return errDriver
				}
				return good.Close()
			}
		})},
		{"SecondCloseOpens", []string{"Close"}, brokenStore(func(broken mock, good repo) {
			var closed atomic.Int32
			broken.CloseFunc = func() error {
				closed.Add(1)
				return nil
			}
			broken.PingFunc = func(ctx context.Context) error {
				if closed.Load() == 1 {
					return domain.Unavailable
				}
				return good.Ping(ctx)
			}
		})},
		{"CloseDoesNothing", []string{"Close", "CloseDuringWrites"}, brokenStore(func(broken mock, good repo) {
			broken.CloseFunc = func() error { return nil }
		})},
		{"PingWorksAfterClose", []string{"Close"}, brokenStore(func(broken mock, good repo) {
			broken.PingFunc = memory.New().Ping
		})},
		{"ClosedIsAFault", []string{"Close", "CloseDuringWrites"}, brokenStore(func(broken mock, good repo) {
			widgets := mockWidgets(good.Widgets())
			widgets.AddFunc = func(ctx context.Context, w domain.Widget) error {
				return instead(errDriver, domain.Unavailable, good.Widgets().Add(ctx, w))
			}
			broken.WidgetsFunc = func() ports.WidgetRepository { return widgets }
		})},
		{"ReadsAfterClose", []string{"Close"}, brokenStore(func(broken mock, good repo) {
			var cache sync.Map
			var closed atomic.Bool
			users := mockUsers(good.Users())
			users.AddFunc = func(ctx context.Context, u domain.User) error {
				err := good.Users().Add(ctx, u)
				if err == nil {
					cache.Store(u.PublicID, u)
				}
				return err
			}
			users.ByPublicIDFunc = func(ctx context.Context, id domain.UUID) (domain.User, error) {
				if cached, found := cache.Load(id); found && closed.Load() {
					return cached.(domain.User), nil
				}
				return good.Users().ByPublicID(ctx, id)
			}
			broken.UsersFunc = func() ports.UserRepository { return users }
			broken.CloseFunc = func() error {
				closed.Store(true)
				return good.Close()
			}
		})},
		{"CloseInterruptsAWrite", []string{"CloseDuringWrites"}, brokenStore(func(broken mock, good repo) {
			var closing, interrupted atomic.Bool
			widgets := mockWidgets(good.Widgets())
			widgets.AddFunc = func(ctx context.Context, w domain.Widget) error {
				if closing.Load() && !interrupted.Swap(true) {
					return errDriver
				}
				return good.Widgets().Add(ctx, w)
			}
			broken.WidgetsFunc = func() ports.WidgetRepository { return widgets }
			broken.CloseFunc = func() error {
				closing.Store(true)
				return good.Close()
			}
		})},

		{"CursorKeyIsZero", []string{"CursorKey"}, brokenStore(func(broken mock, good repo) {
			broken.CursorKeyFunc = func() domain.CursorKey { return domain.CursorKey{} }
		})},
		{"EveryStoreHasOneCursorKey", []string{"CursorKey"}, brokenStore(func(broken mock, good repo) {
			broken.CursorKeyFunc = func() domain.CursorKey { return domain.CursorKey{1} }
		})},
		{"CursorKeyIsNewInEachCall", []string{"CursorKey"}, brokenStore(func(broken mock, good repo) {
			broken.CursorKeyFunc = func() domain.CursorKey { return memory.New().CursorKey() }
		})},

		{"SharedUntilClosed", []string{"Shared"}, brokenStore(func(broken mock, good repo) {
			broken.SharedFunc = func() bool { return good.Ping(context.Background()) == nil }
		})},

		{"SharedUnbroken", nil, clockedStore(func(clock ports.Clock) repo {
			good := memory.NewWithClock(clock)
			return conformance.SharedStore(sharedHandle(good), sharedHandle(good))
		})},
		{"SharesNothing", []string{"Users", "Widgets", "Blacklist", "Together"}, clockedStore(func(clock ports.Clock) repo {
			return conformance.SharedStore(sharedHandle(memory.NewWithClock(clock)), sharedHandle(memory.NewWithClock(clock)))
		})},
		{"HandlesHaveTheirOwnCursorKeys", []string{"CursorKey"}, clockedStore(func(clock ports.Clock) repo {
			good := memory.NewWithClock(clock)
			other := mockStore(good)
			other.CursorKeyFunc = memory.New().CursorKey
			return conformance.SharedStore(sharedHandle(good), other)
		})},
		{"IsNotShared", []string{"Shared"}, clockedStore(func(clock ports.Clock) repo {
			good := memory.NewWithClock(clock)
			return conformance.SharedStore(good, sharedHandle(good))
		})},
	}
}

// sharedHandle returns a handle of good that reports that it is shared.
func sharedHandle(good ports.Store) ports.Store {
	handle := mockStore(good)
	handle.SharedFunc = func() bool { return true }
	return handle
}

// TestEveryMethodCallsEveryMethod finds a method or a repository that is added to the ports and
// is missing in EveryMethod.
func TestEveryMethodCallsEveryMethod(t *testing.T) {
	t.Parallel()
	var want []string
	store := reflect.TypeFor[ports.Store]()
	for method := range store.Methods() {
		repository := method.Type.Out(0)
		switch {
		case repository.PkgPath() == store.PkgPath(): // such as Users
			for operation := range repository.Methods() {
				want = append(want, method.Name+"."+operation.Name)
			}
		case method.Type.NumIn() > 0: // not Close, CursorKey and Shared
			want = append(want, method.Name)
		}
	}
	slices.Sort(want)
	got := slices.Sorted(maps.Keys(conformance.EveryMethod(t.Context(), memory.New())))
	if !slices.Equal(got, want) {
		t.Errorf("EveryMethod called %v, want %v", got, want)
	}
}

func TestEveryMethodReturnsErrors(t *testing.T) {
	t.Parallel()
	store := memory.New()
	if err := store.Users().Add(t.Context(), sample.User(1)); err != nil {
		t.Fatal(err)
	}
	errs := conformance.EveryMethod(t.Context(), store)
	if got := errs["Users.Add"]; !errors.Is(got, domain.AlreadyExists) {
		t.Errorf("Users.Add of an existing account returned %v", got)
	}
	if got := errs["Users.ByPublicID"]; got != nil {
		t.Errorf("Users.ByPublicID of an existing account returned %v", got)
	}
}
