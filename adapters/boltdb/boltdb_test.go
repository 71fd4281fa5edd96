package boltdb_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

// TestMain lets the crash tests run this program as the process that they kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashChild(dir)
		return
	}
	os.Exit(m.Run())
}

func TestUsers(t *testing.T) {
	t.Parallel()
	conformance.UserRepository(t, func(t *testing.T) ports.UserRepository { return openTemp(t).Users })
}

func TestWidgets(t *testing.T) {
	t.Parallel()
	conformance.WidgetRepository(t, func(t *testing.T) ports.WidgetRepository { return openTemp(t).Widgets })
}

func TestBlacklist(t *testing.T) {
	t.Parallel()
	conformance.TokenBlacklist(t, func(t *testing.T) ports.TokenBlacklist { return openTemp(t).Blacklist })
}

func TestBlacklistCount(t *testing.T) {
	t.Parallel()
	conformance.TokenCounter(t, func(t *testing.T) conformance.CountedBlacklist { return openTemp(t).Blacklist })
}

func TestUsersDurable(t *testing.T) {
	t.Parallel()
	conformance.DurableUsers(t, func(t *testing.T) (ports.UserRepository, func() ports.UserRepository) {
		reopen := reopening(t)
		return reopen().Users, func() ports.UserRepository { return reopen().Users }
	})
}

func TestWidgetsDurable(t *testing.T) {
	t.Parallel()
	conformance.DurableWidgets(t, func(t *testing.T) (ports.WidgetRepository, func() ports.WidgetRepository) {
		reopen := reopening(t)
		return reopen().Widgets, func() ports.WidgetRepository { return reopen().Widgets }
	})
}

func TestBlacklistDurable(t *testing.T) {
	t.Parallel()
	conformance.DurableBlacklist(t, func(t *testing.T) (ports.TokenBlacklist, func() ports.TokenBlacklist) {
		reopen := reopening(t)
		return reopen().Blacklist, func() ports.TokenBlacklist { return reopen().Blacklist }
	})
}

// reopening returns a function that opens one folder again and again.
func reopening(t *testing.T) func() *boltdb.DB {
	dir := t.TempDir()
	var db *boltdb.DB
	return func() *boltdb.DB {
		if db != nil {
			noError(t, db.Close())
		}
		db = open(t, dir)
		return db
	}
}

func TestReopenFindsEverything(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	db := open(t, dir)
	plain, admin := user(1), user(2)
	admin.Admin = true
	kept, changed, deleted := widget(1), widget(2), widget(3)
	valid, expired := token(1, time.Hour), token(2, -time.Hour)
	for _, err := range []error{
		db.Users.Add(ctx, plain),
		db.Users.Add(ctx, admin),
		db.Widgets.Add(ctx, deleted),
		db.Widgets.Add(ctx, kept),
		db.Widgets.Add(ctx, changed),
		db.Widgets.Delete(ctx, deleted.Name),
		db.Blacklist.Add(ctx, valid),
		db.Blacklist.Add(ctx, expired),
	} {
		noError(t, err)
	}
	plain.PasswordHash = "another"
	noError(t, db.Users.SetCredentials(ctx, plain, user(1).PasswordHash))
	changed.Deadline = domain.RestoreDeadline(time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC))
	changed.InfoURL = must(domain.ParseInfoURL("https://例え.example/?q=é&r=%00"))
	noError(t, db.Widgets.Update(ctx, changed.Name, changed.InfoURL, changed.Deadline))
	purged, err := db.Blacklist.Purge(ctx, noon())
	noError(t, err)
	equal(t, "purged", purged, 1)
	noError(t, db.Close())

	db = open(t, dir)
	noError(t, db.Check())
	for _, want := range []domain.User{plain, admin} {
		got, err := db.Users.ByEmail(ctx, want.Email)
		noError(t, err)
		equal(t, "user", got, want)
	}
	hasAdmin, err := db.Users.HasAdmin(ctx)
	noError(t, err)
	equal(t, "HasAdmin", hasAdmin, true)
	page := list(t, db, 1, 5)
	equal(t, "total", page.TotalItems, 2)
	if want := []domain.Widget{kept, changed}; !slices.Equal(page.Items, want) {
		t.Errorf("List returned %v, want %v", page.Items, want)
	}
	for token, want := range map[domain.BlacklistedToken]bool{valid: true, expired: true, token(9, time.Hour): false} {
		got, err := db.Blacklist.Contains(ctx, token)
		noError(t, err)
		equal(t, "Contains", got, want)
	}
}

func TestSetCredentialsKeepsAccountOfAdmins(t *testing.T) {
	t.Parallel()
	db, ctx := openTemp(t), t.Context()
	u := user(1)
	noError(t, db.Users.Add(ctx, u))
	for _, admin := range []bool{true, true, false, false, true} {
		u.Admin = admin
		noError(t, db.Users.SetCredentials(ctx, u, u.PasswordHash))
		got, err := db.Users.HasAdmin(ctx)
		noError(t, err)
		equal(t, "HasAdmin", got, admin)
		noError(t, db.Check())
	}
}

func TestCloseMakesEverythingUnavailable(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	noError(t, db.Blacklist.Add(t.Context(), token(1, time.Hour)))
	noError(t, db.Close())
	noError(t, db.Close())
	for call, err := range everyMethod(t.Context(), db) {
		if !errors.Is(err, domain.Unavailable) {
			t.Errorf("%s after Close: %v, want unavailable", call, err)
		}
	}
}

func TestEndedContextIsUnavailable(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := db.Commits()
	for call, err := range everyMethod(ctx, db) {
		if !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want unavailable because of the context", call, err)
		}
	}
	equal(t, "commits", db.Commits(), before)
}

// TestCloseWaitsForWrites closes the store amid writers: what they were told is
// written must be there.
func TestCloseWaitsForWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	const writers = 16
	written := make([]int, writers)
	var begun, ended sync.WaitGroup
	begun.Add(writers)
	for i := range writers {
		ended.Go(func() {
			for n := 0; ; n++ {
				err := db.Widgets.Add(t.Context(), widget(1000*i+n))
				if n == 0 {
					begun.Done()
				}
				if err != nil {
					if !errors.Is(err, domain.Unavailable) {
						t.Errorf("Add during Close: %v", err)
					}
					return
				}
				written[i]++
			}
		})
	}
	begun.Wait()
	noError(t, db.Close())
	ended.Wait()

	db = open(t, dir)
	noError(t, db.Check())
	want := 0
	for i, n := range written {
		want += n
		for n := range n {
			_, err := db.Widgets.ByName(t.Context(), widget(1000*i+n).Name)
			noError(t, err)
		}
	}
	equal(t, "total", list(t, db, 1, 5).TotalItems, want)
}

// everyMethod calls them all and returns their errors.
func everyMethod(ctx context.Context, db *boltdb.DB) map[string]error {
	w, u := widget(1), user(1)
	errs := map[string]error{
		"Users.Add":            db.Users.Add(ctx, u),
		"Users.SetCredentials": db.Users.SetCredentials(ctx, u, ""),
		"Widgets.Add":          db.Widgets.Add(ctx, w),
		"Widgets.Update":       db.Widgets.Update(ctx, w.Name, w.InfoURL, w.Deadline),
		"Widgets.Delete":       db.Widgets.Delete(ctx, w.Name),
		"Blacklist.Add":        db.Blacklist.Add(ctx, token(1, time.Hour)),
	}
	_, errs["Users.ByPublicID"] = db.Users.ByPublicID(ctx, u.PublicID)
	_, errs["Users.ByEmail"] = db.Users.ByEmail(ctx, u.Email)
	_, errs["Users.HasAdmin"] = db.Users.HasAdmin(ctx)
	_, errs["Widgets.ByName"] = db.Widgets.ByName(ctx, w.Name)
	_, errs["Widgets.List"] = db.Widgets.List(ctx, must(domain.ParsePageRequest("1", "5")))
	_, errs["Blacklist.Contains"] = db.Blacklist.Contains(ctx, token(1, time.Hour))
	_, errs["Blacklist.Purge"] = db.Blacklist.Purge(ctx, noon())
	return errs
}

func openTemp(t testing.TB) *boltdb.DB { return open(t, t.TempDir()) }

func open(t testing.TB, dir string) *boltdb.DB {
	t.Helper()
	db, err := boltdb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { noError(t, db.Close()) })
	return db
}

func list(t testing.TB, db *boltdb.DB, number, size int) domain.Page {
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
	return domain.BlacklistedToken{ID: id(n), ExpiresAt: noon().Add(life)}
}
