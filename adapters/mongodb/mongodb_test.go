package mongodb_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/adapters/mongodb/mongotest"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

// The suites run on several handles of one database, as several servers are.

func TestUsers(t *testing.T) {
	t.Parallel()
	server := mongotest.New(t)
	conformance.UserRepository(t, func(t *testing.T) ports.UserRepository {
		uri := server.Database(t)
		return conformance.SharedUsers(open(t, uri).Users, open(t, uri).Users)
	})
}

func TestWidgets(t *testing.T) {
	t.Parallel()
	server := mongotest.New(t)
	conformance.WidgetRepository(t, func(t *testing.T) ports.WidgetRepository {
		uri := server.Database(t)
		return conformance.SharedWidgets(open(t, uri).Widgets, open(t, uri).Widgets)
	})
}

func TestBlacklist(t *testing.T) {
	t.Parallel()
	server := mongotest.New(t)
	conformance.TokenBlacklist(t, func(t *testing.T) ports.TokenBlacklist {
		uri := server.Database(t)
		return conformance.SharedBlacklist(open(t, uri).Blacklist, open(t, uri).Blacklist)
	})
}

func TestBlacklistCount(t *testing.T) {
	t.Parallel()
	server := mongotest.New(t)
	conformance.TokenCounter(t, func(t *testing.T) conformance.CountedBlacklist {
		return open(t, server.Database(t)).Blacklist
	})
}

// The next three kill the server after what it acknowledged, and open it again.

func TestDurableUsers(t *testing.T) {
	t.Parallel()
	conformance.DurableUsers(t, func(t *testing.T) (ports.UserRepository, func() ports.UserRepository) {
		db, reopen := openDurable(t)
		return db.Users, func() ports.UserRepository { return reopen().Users }
	})
}

func TestDurableWidgets(t *testing.T) {
	t.Parallel()
	conformance.DurableWidgets(t, func(t *testing.T) (ports.WidgetRepository, func() ports.WidgetRepository) {
		db, reopen := openDurable(t)
		return db.Widgets, func() ports.WidgetRepository { return reopen().Widgets }
	})
}

func TestDurableBlacklist(t *testing.T) {
	t.Parallel()
	conformance.DurableBlacklist(t, func(t *testing.T) (ports.TokenBlacklist, func() ports.TokenBlacklist) {
		db, reopen := openDurable(t)
		return db.Blacklist, func() ports.TokenBlacklist { return reopen().Blacklist }
	})
}

func openDurable(t *testing.T) (db *mongodb.DB, reopen func() *mongodb.DB) {
	server := mongotest.Start(t)
	uri := server.Database(t)
	return open(t, uri), func() *mongodb.DB {
		server.Kill(t)
		server.Restart(t)
		return open(t, uri)
	}
}

// everyMethod calls them all at the same time and returns their errors.
func everyMethod(ctx context.Context, db *mongodb.DB) map[string]error {
	w, u, to := widget(1), user(1), token(1, 0)
	methods := map[string]func() error{
		"Users.Add":            func() error { return db.Users.Add(ctx, u) },
		"Users.ByPublicID":     func() error { _, err := db.Users.ByPublicID(ctx, u.PublicID); return err },
		"Users.ByEmail":        func() error { _, err := db.Users.ByEmail(ctx, u.Email); return err },
		"Users.SetCredentials": func() error { return db.Users.SetCredentials(ctx, u, u.PasswordHash) },
		"Users.HasAdmin":       func() error { _, err := db.Users.HasAdmin(ctx); return err },
		"Widgets.Add":          func() error { return db.Widgets.Add(ctx, w) },
		"Widgets.ByName":       func() error { _, err := db.Widgets.ByName(ctx, w.Name); return err },
		"Widgets.List": func() error {
			_, err := db.Widgets.List(ctx, must(domain.ParsePageRequest("1", "5")))
			return err
		},
		"Widgets.Update":     func() error { return db.Widgets.Update(ctx, w.Name, w.InfoURL, w.Deadline) },
		"Widgets.Delete":     func() error { return db.Widgets.Delete(ctx, w.Name) },
		"Blacklist.Add":      func() error { return db.Blacklist.Add(ctx, to) },
		"Blacklist.Contains": func() error { _, err := db.Blacklist.Contains(ctx, to); return err },
		"Blacklist.Purge":    func() error { _, err := db.Blacklist.Purge(ctx, noon()); return err },
	}
	errs := make(map[string]error, len(methods))
	var mu sync.Mutex
	var calls sync.WaitGroup
	for name, call := range methods {
		calls.Go(func() {
			err := call()
			mu.Lock()
			defer mu.Unlock()
			errs[name] = err
		})
	}
	calls.Wait()
	return errs
}

// wantUnavailable wants every method to be unavailable within the time that an
// operation may take, and not much more.
func wantUnavailable(t *testing.T, db *mongodb.DB, within time.Duration) {
	t.Helper()
	start := time.Now()
	for method, err := range everyMethod(t.Context(), db) {
		if !errors.Is(err, domain.Unavailable) {
			t.Errorf("%s returned %v, want unavailable", method, err)
		}
	}
	if took := time.Since(start); took > within+time.Second {
		t.Errorf("it took %v, want %v", took, within)
	}
}

func open(t testing.TB, uri string) *mongodb.DB {
	t.Helper()
	db, err := mongodb.Open(t.Context(), uri)
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	return db
}

func list(t testing.TB, db *mongodb.DB, number, size int) domain.Page {
	t.Helper()
	page, err := db.Widgets.List(t.Context(), must(domain.ParsePageRequest(strconv.Itoa(number), strconv.Itoa(size))))
	noError(t, err)
	return page
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func id(n int) domain.UUID {
	u := domain.UUID{6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return u
}

func user(n int) domain.User {
	email := must(domain.ParseEmail(fmt.Sprintf("User.%d@example.com", n)))
	return domain.NewUser(id(n), email, "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", false, noon())
}

func widget(n int) domain.Widget {
	return domain.NewWidget(
		must(domain.ParseWidgetName(fmt.Sprintf("widget-%d", n))),
		must(domain.ParseInfoURL(fmt.Sprintf("https://example.com/widgets/%d", n))),
		domain.RestoreDeadline(noon().AddDate(1, 0, 0)),
		user(0), noon().Add(time.Duration(n)*time.Millisecond))
}

func token(n int, life time.Duration) domain.BlacklistedToken {
	return domain.BlacklistedToken{ID: id(n), ExpiresAt: noon().AddDate(100, 0, 0).Add(life)}
}
