package boltdb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
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
	conformance.UserRepository(t, func(t *testing.T) ports.UserRepository { return openTemp(t).Users() })
}

func TestWidgets(t *testing.T) {
	t.Parallel()
	conformance.WidgetRepository(t, func(t *testing.T) ports.WidgetRepository { return openTemp(t).Widgets() })
}

func TestBlacklist(t *testing.T) {
	t.Parallel()
	conformance.TokenBlacklist(t, func(t *testing.T, clock ports.Clock) ports.TokenBlacklist {
		return openWith(t, t.TempDir(), boltdb.Options{Clock: clock}).Blacklist()
	})
}

func TestUsersDurable(t *testing.T) {
	t.Parallel()
	conformance.DurableUsers(t, func(t *testing.T) (ports.UserRepository, func() ports.UserRepository) {
		reopen := reopening(t)
		return reopen(nil).Users(), func() ports.UserRepository { return reopen(nil).Users() }
	})
}

func TestWidgetsDurable(t *testing.T) {
	t.Parallel()
	conformance.DurableWidgets(t, func(t *testing.T) (ports.WidgetRepository, func() ports.WidgetRepository) {
		reopen := reopening(t)
		return reopen(nil).Widgets(), func() ports.WidgetRepository { return reopen(nil).Widgets() }
	})
}

func TestBlacklistDurable(t *testing.T) {
	t.Parallel()
	conformance.DurableBlacklist(t, func(t *testing.T, clock ports.Clock) (ports.TokenBlacklist, func(ports.Clock) ports.TokenBlacklist) {
		reopen := reopening(t)
		return reopen(clock).Blacklist(), func(clock ports.Clock) ports.TokenBlacklist { return reopen(clock).Blacklist() }
	})
}

// reopening returns a function that closes and opens one folder again.
func reopening(t *testing.T) func(clock ports.Clock) *boltdb.DB {
	dir := t.TempDir()
	var db *boltdb.DB
	return func(clock ports.Clock) *boltdb.DB {
		if db != nil {
			noError(t, db.Close())
		}
		db = openWith(t, dir, boltdb.Options{Clock: clock})
		return db
	}
}

func TestReopenFindsEverything(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	db := open(t, dir)
	plain, admin := sample.User(1), sample.User(2)
	admin.Admin = true
	kept, changed, deleted := widget(1), widget(2), widget(3)
	valid, expired := sample.Token(1, time.Hour), sample.Token(2, -time.Hour)
	gone, ended := sample.User(3), cutOff(1, 1, time.Hour)
	for _, err := range []error{
		db.Users().Add(ctx, plain),
		db.Users().Add(ctx, admin),
		db.Widgets().Add(ctx, deleted),
		db.Widgets().Add(ctx, kept),
		db.Widgets().Add(ctx, changed),
		deleteWidget(ctx, db, deleted.Name),
		db.Blacklist().Add(ctx, valid),
		db.Blacklist().Add(ctx, expired),
	} {
		noError(t, err)
	}
	plain.PasswordHash, plain.Disabled = domain.NewPasswordHash("another"), true
	noError(t, db.Users().Update(ctx, sample.User(1), plain))
	noError(t, db.Users().Add(ctx, gone))
	noError(t, db.Users().Delete(ctx, gone))
	noError(t, db.Blacklist().EndTokens(ctx, ended))
	changed.Deadline = domain.RestoreDeadline(time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC))
	changed.InfoURL = sample.InfoURL("https://例え.example/?q=é&r=%00")
	_, err := db.Widgets().Update(ctx, changed.Name, changed.ChangeAll(), domain.Condition{})
	noError(t, err)
	purged, err := db.Blacklist().Purge(ctx, sample.Time())
	noError(t, err)
	equal(t, "purged", purged, 1)
	noError(t, db.Close())

	db = open(t, dir)
	noError(t, db.CheckAll(t.Context()))
	for _, want := range []domain.User{plain, admin} {
		got, err := db.Users().ByEmail(ctx, want.Email)
		noError(t, err)
		equal(t, "user", got, want)
	}
	users, err := db.Users().List(ctx, sample.Page(1, 5))
	noError(t, err)
	if want := []domain.User{plain, admin}; !slices.Equal(users.Items, want) {
		t.Errorf("List returned %v, want %v", users.Items, want)
	}
	wantCutOff(t, db, ended.Subject, ended.Value)
	hasAdmin, err := db.Users().HasAdmin(ctx)
	noError(t, err)
	equal(t, "HasAdmin", hasAdmin, true)
	changed.Version++
	page := list(t, db, 1, 5)
	equal(t, "total", page.TotalItems, 2)
	if want := []domain.Widget{kept, changed}; !slices.Equal(page.Items, want) {
		t.Errorf("List returned %v, want %v", page.Items, want)
	}
	for token, want := range map[domain.BlacklistedToken]bool{valid: true, expired: false, sample.Token(9, time.Hour): false} {
		wantBlacklisted(t, db, token, want)
	}
}

func TestStoreIsNotShared(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	equal(t, "Shared", db.Shared(), false)
	noError(t, db.Ping(t.Context()))
}

// TestRefusedWritesDoNotCommit counts the fsyncs of writes that change nothing.
func TestRefusedWritesDoNotCommit(t *testing.T) {
	t.Parallel()
	db, ctx := openTemp(t), t.Context()
	noError(t, db.Widgets().Add(ctx, widget(1)))
	noError(t, db.Blacklist().Add(ctx, sample.Token(1, time.Hour)))
	admin := sample.Admin(1)
	noError(t, db.Users().Add(ctx, admin))
	before := db.Commits()
	for _, refused := range []struct {
		err  error
		kind domain.Kind
	}{
		{db.Widgets().Add(ctx, widget(1)), domain.AlreadyExists},
		{deleteWidget(ctx, db, widget(2).Name), domain.NotFound},
		{db.Users().Add(ctx, admin), domain.AlreadyExists},
		{db.Users().Update(ctx, sample.User(2), sample.User(2)), domain.NotFound},
		{db.Users().Delete(ctx, sample.User(2)), domain.NotFound},
		{db.Users().Update(ctx, sample.User(1), admin), domain.ChangedMeanwhile},
		{db.Users().Delete(ctx, sample.User(1)), domain.ChangedMeanwhile},
		{db.Users().Update(ctx, admin, sample.User(1)), domain.Conflict},
		{db.Users().Delete(ctx, admin), domain.Conflict},
	} {
		equal(t, "kind of the error", domain.KindOf(refused.err), refused.kind)
	}
	equal(t, "commits", db.Commits(), before)
}

func TestCloseMakesEverythingUnavailable(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	noError(t, db.Blacklist().Add(t.Context(), sample.Token(1, time.Hour)))
	noError(t, db.Close())
	noError(t, db.Close())
	for call, err := range conformance.EveryMethod(t.Context(), db) {
		if !errors.Is(err, domain.Unavailable) {
			t.Errorf("%s after Close returned %v, want Unavailable", call, err)
		}
	}
}

func TestEndedContextIsUnavailable(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := db.Commits()
	for call, err := range conformance.EveryMethod(ctx, db) {
		if !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s returned %v, want Unavailable caused by the context", call, err)
		}
	}
	equal(t, "commits", db.Commits(), before)
}

func openTemp(t testing.TB) *boltdb.DB { return open(t, t.TempDir()) }

func open(t testing.TB, dir string) *boltdb.DB {
	t.Helper()
	return openWith(t, dir, boltdb.Options{})
}

func openWith(t testing.TB, dir string, options boltdb.Options) *boltdb.DB {
	t.Helper()
	db, err := boltdb.Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { noError(t, db.Close()) })
	return db
}

func list(t testing.TB, db *boltdb.DB, number, size int) domain.Page[domain.Widget] {
	t.Helper()
	page, err := db.Widgets().List(t.Context(), sample.Page(number, size))
	noError(t, err)
	return page
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, name string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", name, got, want)
	}
}

// wantError wants an error of one line that contains the text.
func wantError(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", want)
	}
	if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "\n") {
		t.Errorf("the error is\n\t%q\nwant one line with\n\t%q", text, want)
	}
}

func deleteWidget(ctx context.Context, db *boltdb.DB, name domain.WidgetName) error {
	_, err := db.Widgets().Delete(ctx, name, domain.Condition{})
	return err
}

func widget(n int) domain.Widget { return sample.Widget(fmt.Sprintf("w%d", n)) }
