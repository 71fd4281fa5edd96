package app_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/testlog"
)

// addAdmin adds the administrator to the store, and returns how it was opened.
func addAdmin(t *testing.T, c app.Config, options ...app.Option) *app.Accounts {
	t.Helper()
	accounts, err := app.OpenAccounts(t.Context(), c, append(quiet(), options...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := accounts.Close(); err != nil {
			t.Error(err)
		}
	}()
	email, password := credentialsOfAdmin()
	user, err := accounts.Create(t.Context(), domain.Operator(), email, password, true)
	if err != nil || user.Email != email || !user.Admin {
		t.Errorf("Create returned %+v, %v", user, err)
	}
	return accounts
}

func TestAccountsNeedNoKeyAndNoFolderOnASharedStore(t *testing.T) {
	t.Parallel()
	c, p := onMongoDB(t), inMemory()
	c.SecretKey, p.shared = "", true
	addAdmin(t, c, p.options(slog.New(slog.DiscardHandler))...)
	email, password := credentialsOfAdmin()
	if kept, err := p.users.ByEmail(t.Context(), email); err != nil || kept.PasswordHash != domain.NewPasswordHash(password.Reveal()) {
		t.Errorf("the store holds %+v, %v", kept, err)
	}
	if _, err := os.Stat(c.DataDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data folder was created: %v", err)
	}
}

func TestAccountsAreNotOpenedWithABadSetting(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	c := embedded(t)
	if _, err := app.OpenAccounts(ended, c, append(quiet(), app.WithNewStore())...); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	c.TokenTTL = 0
	if _, err := app.OpenAccounts(t.Context(), c, append(quiet(), app.WithNewStore())...); err == nil || !strings.HasPrefix(err.Error(), "TokenTTL") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(c.DataDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data folder was created: %v", err)
	}
}

func TestNewStoreIsCreatedOnlyIfThatIsAllowed(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	if _, err := app.OpenAccounts(t.Context(), c, quiet()...); !errors.Is(err, app.ErrNoStore) || !strings.Contains(err.Error(), c.DataDir) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(c.DataDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data folder was created: %v", err)
	}
	if got := addAdmin(t, c, app.WithNewStore()).NewFolder; got != c.DataDir {
		t.Errorf("the new folder is %q, want %q", got, c.DataDir)
	}
	accounts, err := app.OpenAccounts(t.Context(), c, append(quiet(), app.WithNewStore())...)
	if err != nil {
		t.Fatal(err)
	}
	defer accounts.Close()
	if accounts.NewFolder != "" {
		t.Errorf("the folder %q is new at the second time", accounts.NewFolder)
	}
	email, _ := credentialsOfAdmin()
	if _, err := accounts.Find(t.Context(), domain.Operator(), email); err != nil {
		t.Error(err)
	}
}

// serveEmbedded serves an App on the embedded store until the test ends, or until stop is
// called.
func serveEmbedded(t *testing.T, c app.Config) (log *testlog.Buffer, stop func()) {
	t.Helper()
	log = &testlog.Buffer{}
	a, err := app.New(t.Context(), c, append(quiet(), app.WithLogger(slog.New(slog.NewJSONHandler(log, nil))))...)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- a.Serve(ctx, ln) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-stopped, a.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	s := &served{url: "http://" + ln.Addr().String()}
	if status, _, _ := s.send(t, "GET", "/healthz", "", ""); status != 200 {
		t.Fatalf("/healthz answers %d", status)
	}
	return log, stop
}

// wantAdmin wants the store of the config to have the administrator.
func wantAdmin(t *testing.T, c app.Config) {
	t.Helper()
	accounts, err := app.OpenAccounts(t.Context(), c, quiet()...)
	if err != nil {
		t.Fatal(err)
	}
	defer accounts.Close()
	email, _ := credentialsOfAdmin()
	if _, err := accounts.Find(t.Context(), domain.Operator(), email); err != nil {
		t.Error(err)
	}
}

func TestAccountsAreThoseOfTheRunningServer(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	log, stop := serveEmbedded(t, c)
	addAdmin(t, c) // the file is locked
	if lines := log.Lines("commands cannot reach this server: it has no control socket"); lines != nil {
		t.Errorf("the log has %v", lines)
	}
	if lines := log.Lines("created a new, empty store"); len(lines) != 1 || lines[0]["folder"] != c.DataDir {
		t.Errorf("the log has %v", lines)
	}
	stop()
	if _, err := os.Lstat(filepath.Join(c.DataDir, "control.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
	wantAdmin(t, c)
}

func TestServerWithoutASocketServes(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	socket := filepath.Join(c.DataDir, "control.sock")
	if err := os.MkdirAll(socket, 0o700); err != nil {
		t.Fatal(err)
	}
	log, _ := serveEmbedded(t, c)
	lines := log.Lines("commands cannot reach this server: it has no control socket")
	if len(lines) != 1 || lines[0]["level"] != "WARN" || !strings.Contains(lines[0]["error"].(string), socket+" is no socket") {
		t.Errorf("the log has %v", lines)
	}
	_, err := app.OpenAccounts(t.Context(), c, quiet()...)
	if !errors.Is(err, boltdb.ErrInUse) || !strings.Contains(err.Error(), socket+" is no socket") {
		t.Errorf("OpenAccounts returned %v", err)
	}
}

func TestAccountsWaitForAServerThatStops(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	addAdmin(t, c, app.WithNewStore())
	db, err := boltdb.Open(c.DataDir, boltdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		accounts, err := app.OpenAccounts(t.Context(), c, quiet()...)
		if err == nil {
			err = accounts.Close()
		}
		opened <- err
	}()
	time.Sleep(time.Second) // longer than boltdb.Open waits for the lock
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}
