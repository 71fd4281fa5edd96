package conformance

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// Store tests an implementation of [ports.Store]. It tests the three repositories
// with [UserRepository], [WidgetRepository] and [TokenBlacklist], and then the
// methods of the store itself.
//
// Each call of open returns a new, empty store, and registers Close and everything
// else that must be released with t.Cleanup. Some subtests also close the store. For
// the clock see [TokenBlacklist].
func Store(t *testing.T, open func(t *testing.T, clock ports.Clock) ports.Store) {
	t.Run("Users", func(t *testing.T) { UserRepository(t, part(open, ports.Store.Users)) })
	t.Run("Widgets", func(t *testing.T) { WidgetRepository(t, part(open, ports.Store.Widgets)) })
	t.Run("Blacklist", func(t *testing.T) {
		TokenBlacklist(t, func(t *testing.T, clock ports.Clock) ports.TokenBlacklist { return open(t, clock).Blacklist() })
	})
	run(t, func(t *testing.T) store {
		return store{t, open(t, &clock{}), func(t *testing.T) ports.Store { return open(t, &clock{}) }}
	}, []promise[store]{
		{"Together", store.together},
		{"Ping", store.ping},
		{"EndedContext", store.endedContext},
		{"Close", store.close},
		{"CloseDuringWrites", store.closeDuringWrites},
		{"Shared", store.shared},
		{"CursorKey", store.cursorKey},
	})
}

// DurableStore tests that acknowledged writes are there when a store is opened
// again. It tests the three repositories with [DurableUsers], [DurableWidgets] and
// [DurableBlacklist].
//
// Each call of open returns a new, empty store and a function reopen. Reopen ends
// the store that was opened last, in the way that the adapter claims to survive
// (by Close or by a crash), and opens it again. For the clocks see
// [DurableBlacklist].
func DurableStore(t *testing.T, open func(t *testing.T, clock ports.Clock) (s ports.Store, reopen func(clock ports.Clock) ports.Store)) {
	t.Run("Users", func(t *testing.T) { DurableUsers(t, durablePart(open, ports.Store.Users)) })
	t.Run("Widgets", func(t *testing.T) { DurableWidgets(t, durablePart(open, ports.Store.Widgets)) })
	t.Run("Blacklist", func(t *testing.T) {
		DurableBlacklist(t, func(t *testing.T, clock ports.Clock) (ports.TokenBlacklist, func(ports.Clock) ports.TokenBlacklist) {
			s, reopen := open(t, clock)
			return s.Blacklist(), func(clock ports.Clock) ports.TokenBlacklist { return reopen(clock).Blacklist() }
		})
	})
	t.Run("KeepsCursorKey", func(t *testing.T) {
		s, reopen := open(t, &clock{})
		key := s.CursorKey()
		for range 2 {
			if got := reopen(&clock{}).CursorKey(); got != key {
				t.Error("CursorKey is another one after the store was opened again")
			}
		}
	})
}

// EveryMethod calls every method of the store and of its repositories at the same
// time, except Close, CursorKey and Shared, and returns their errors by the method's name,
// such as "Ping" or "Users.Add". An adapter's tests use it to show what every
// method returns during an outage.
func EveryMethod(ctx context.Context, s ports.Store) map[string]error {
	methods := methods(s)
	errs := make(map[string]error, len(methods))
	var mu sync.Mutex
	var calls sync.WaitGroup
	for name, method := range methods {
		calls.Go(func() {
			err := method(ctx)
			mu.Lock()
			defer mu.Unlock()
			errs[name] = err
		})
	}
	calls.Wait()
	return errs
}

func methods(s ports.Store) map[string]func(context.Context) error {
	users, widgets, blacklist := s.Users(), s.Widgets(), s.Blacklist()
	user, widget, token, cutOff := sample.User(1), sample.Widget("gear"), token(1, time.Hour), cutOff(1, 1, time.Hour)
	unknown, other := sample.User(2), sample.User(3) // so that Delete does not delete an account that another method uses
	change, always := widget.ChangeAll(), domain.Condition{}
	query := domain.WidgetQuery{Sort: domain.ByDeadline}
	return map[string]func(context.Context) error{
		"Ping":                     s.Ping,
		"Users.Add":                func(ctx context.Context) error { return users.Add(ctx, user) },
		"Users.AddAll":             func(ctx context.Context) error { return errorOf(users.AddAll(ctx, []domain.User{other})) },
		"Users.ByPublicID":         func(ctx context.Context) error { return errorOf(users.ByPublicID(ctx, user.PublicID)) },
		"Users.ByEmail":            func(ctx context.Context) error { return errorOf(users.ByEmail(ctx, user.Email)) },
		"Users.List":               func(ctx context.Context) error { return errorOf(users.List(ctx, sample.Page(1, 5))) },
		"Users.Slice":              func(ctx context.Context) error { return errorOf(users.Slice(ctx, "", 5)) },
		"Users.Update":             func(ctx context.Context) error { return users.Update(ctx, user, user) },
		"Users.Delete":             func(ctx context.Context) error { return users.Delete(ctx, unknown) },
		"Users.Departed":           func(ctx context.Context) error { return errorOf(users.Departed(ctx)) },
		"Users.Settle":             func(ctx context.Context) error { return users.Settle(ctx, unknown.PublicID) },
		"Users.HasAdmin":           func(ctx context.Context) error { return errorOf(users.HasAdmin(ctx)) },
		"Widgets.Add":              func(ctx context.Context) error { return widgets.Add(ctx, widget) },
		"Widgets.AddAll":           func(ctx context.Context) error { return errorOf(widgets.AddAll(ctx, sample.Widgets(2))) },
		"Widgets.ByName":           func(ctx context.Context) error { return errorOf(widgets.ByName(ctx, widget.Name)) },
		"Widgets.List":             func(ctx context.Context) error { return errorOf(widgets.List(ctx, sample.Page(1, 5))) },
		"Widgets.Slice":            func(ctx context.Context) error { return errorOf(widgets.Slice(ctx, query, "", 5)) },
		"Widgets.Update":           func(ctx context.Context) error { return errorOf(widgets.Update(ctx, widget.Name, change, always)) },
		"Widgets.Delete":           func(ctx context.Context) error { return errorOf(widgets.Delete(ctx, widget.Name, always)) },
		"Widgets.RemoveOwnerEmail": func(ctx context.Context) error { return widgets.RemoveOwnerEmail(ctx, widget.Owner.PublicID) },
		"Blacklist.Add":            func(ctx context.Context) error { return blacklist.Add(ctx, token) },
		"Blacklist.EndTokens":      func(ctx context.Context) error { return blacklist.EndTokens(ctx, cutOff) },
		"Blacklist.CutOff":         func(ctx context.Context) error { return errorOf(blacklist.CutOff(ctx, cutOff.Subject)) },
		"Blacklist.Check":          func(ctx context.Context) error { return errorOf(blacklist.Check(ctx, claimsOf(token))) },
		"Blacklist.Purge":          func(ctx context.Context) error { return errorOf(blacklist.Purge(ctx, then())) },
		"Blacklist.Count":          func(ctx context.Context) error { return errorOf(blacklist.Count(ctx)) },
		"Blacklist.Tokens":         func(ctx context.Context) error { return errorOf(blacklist.Tokens(ctx, "", 5)) },
		"Blacklist.CutOffs":        func(ctx context.Context) error { return errorOf(blacklist.CutOffs(ctx, "", 5)) },
	}
}

// part returns a function that opens a store and returns one of its repositories.
func part[R any](open func(*testing.T, ports.Clock) ports.Store, repository func(ports.Store) R) func(*testing.T) R {
	return func(t *testing.T) R { return repository(open(t, &clock{})) }
}

// durablePart is [part] for a store that can be reopened.
func durablePart[R any](open func(*testing.T, ports.Clock) (ports.Store, func(ports.Clock) ports.Store), repository func(ports.Store) R) func(*testing.T) (R, func() R) {
	return func(t *testing.T) (R, func() R) {
		s, reopen := open(t, &clock{})
		return repository(s), func() R { return repository(reopen(&clock{})) }
	}
}

// store is a test of one store.
type store struct {
	*testing.T
	store ports.Store
	open  func(t *testing.T) ports.Store // opens another store
}

// together uses all repositories of one store. It calls Users, Widgets and Blacklist
// again for each operation.
func (t store) together() {
	user, widget := sample.Admin(1), sample.Widget("gear")
	blacklisted := token(1, time.Hour) // its id is also the account's
	users{t.T, t.store.Users()}.add(user)
	widgets{t.T, t.store.Widgets()}.add(widget)
	blacklist{t.T, t.store.Blacklist(), nil}.add(blacklisted)
	users{t.T, t.store.Users()}.wantKept(user)
	widgets{t.T, t.store.Widgets()}.wantList(widget)
	blacklist{t.T, t.store.Blacklist(), nil}.want(true, blacklisted)
	blacklist{t.T, t.store.Blacklist(), nil}.endTokens(cutOff(1, 1, time.Hour))
	blacklist{t.T, t.store.Blacklist(), nil}.wantCutOff(sample.ID(1), value(1))
	users{t.T, t.store.Users()}.wantKept(user)
}

func (t store) ping() {
	for range 2 {
		if err := t.store.Ping(t.Context()); err != nil {
			t.Errorf("Ping of an open store failed: %v", err)
		}
	}
}

func (t store) endedContext() {
	eachEnded(t.T, func(how string, ctx context.Context) {
		for method, err := range EveryMethod(ctx, t.store) {
			wantKind(t.T, method+" "+how, err, domain.Unavailable)
		}
	})
}

func (t store) close() {
	users{t.T, t.store.Users()}.add(sample.User(1))
	widgets{t.T, t.store.Widgets()}.add(sample.Widget("gear"))
	blacklist{t.T, t.store.Blacklist(), nil}.add(token(1, time.Hour))
	for _, which := range []string{"first", "second"} {
		if err := t.store.Close(); err != nil {
			t.Errorf("the %s Close failed: %v", which, err)
		}
		for method, err := range EveryMethod(t.Context(), t.store) {
			wantKind(t.T, method+" after the "+which+" Close", err, domain.Unavailable)
		}
	}
}

// closeDuringWrites closes the store while goroutines write. Each write must
// succeed or return Unavailable, and after Close return Unavailable.
func (t store) closeDuringWrites() {
	repository := t.store.Widgets()
	var closed atomic.Bool
	var writing, ended sync.WaitGroup
	writing.Add(contenders)
	for i := range contenders {
		ended.Go(func() {
			wrote := sync.OnceFunc(writing.Done)
			defer wrote()
			for n := 0; ; n++ {
				after := closed.Load()
				err := repository.Add(t.Context(), sample.Widget(fmt.Sprintf("w%d-%d", i, n)))
				if err != nil || after {
					wantKind(t.T, "Add during or after Close", err, domain.Unavailable)
					return
				}
				wrote()
			}
		})
	}
	writing.Wait()
	if err := t.store.Close(); err != nil {
		t.Errorf("Close during writes failed: %v", err)
	}
	closed.Store(true)
	ended.Wait()
}

func (t store) shared() {
	before := t.store.Shared()
	if _, several := t.store.(*sharedStore); several && !before {
		t.Error("Shared is false, but the test opened several handles of the store")
	}
	if err := t.store.Close(); err != nil {
		t.Errorf("Close failed: %v", err)
	}
	if after := t.store.Shared(); after != before {
		t.Errorf("Shared is %t before Close and %t after Close", before, after)
	}
}

// cursorKey compares the key with that of another store. If the store has several handles,
// their keys must be equal.
func (t store) cursorKey() {
	key := t.store.CursorKey()
	if key == (domain.CursorKey{}) {
		t.Error("CursorKey is zero, or the handles of the store have different keys")
	}
	t.Run("OfAnotherStore", func(sub *testing.T) {
		if other := t.open(sub).CursorKey(); other == key {
			sub.Error("CursorKey is the same in another store")
		}
	})
	users{t.T, t.store.Users()}.add(sample.User(1))
	if again := t.store.CursorKey(); again != key {
		t.Error("CursorKey is another one in the second call")
	}
}
