package app_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/mongodb/mongotest"
	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

// onMongoDB is a config of a store that is not to be opened, nor can be.
func onMongoDB(t *testing.T) app.Config {
	t.Helper()
	c := config()
	c.MongoDBURI = "mongodb://ada:s3cr3t@" + mongotest.Address(t) + "/?timeoutMS=100"
	c.DataDir = filepath.Join(t.TempDir(), "data")
	return c
}

func TestNewRefusesSettingsOfMongoDBAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set  func(*app.Config)
		says string
	}{
		"no key":                 {func(c *app.Config) { c.SecretKey = "" }, "WIDGETD_SECRET_KEY"},
		"a short key":            {func(c *app.Config) { c.SecretKey = "short" }, "WIDGETD_SECRET_KEY"},
		"another setting":        {func(c *app.Config) { c.TokenTTL = 0 }, "WIDGETD_TOKEN_TTL"},
		"scheme of another":      {func(c *app.Config) { c.MongoDBURI = "postgres://ada:s3cr3t@localhost/" }, "WIDGETD_MONGODB_URI"},
		"no host":                {func(c *app.Config) { c.MongoDBURI = "mongodb://" }, "WIDGETD_MONGODB_URI"},
		"port that is none":      {func(c *app.Config) { c.MongoDBURI = "mongodb://ada:s3cr3t@localhost:x" }, "WIDGETD_MONGODB_URI"},
		"option that is no good": {func(c *app.Config) { c.MongoDBURI += "&tls=perhaps" }, "WIDGETD_MONGODB_URI"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := onMongoDB(t)
			test.set(&c)
			log := &journal{}
			_, err := app.New(t.Context(), c, app.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("got %v, want an error that names %s", err, test.says)
			}
			if log.String() != "" { // it would say that it tries
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

func TestSignerOfTheCallersNeedsNoKeyOnMongoDB(t *testing.T) {
	t.Parallel()
	c := onMongoDB(t)
	c.SecretKey = ""
	if _, err := app.New(t.Context(), c, append(inMemory().options(slog.New(slog.DiscardHandler)),
		app.WithTokenSigner(&fakes.TokenSignerMock{}))...); err != nil {
		t.Error(err)
	}
}

// The deadline stands for the half minute for which New tries by itself.
func TestMongoDBThatDoesNotAnswerIsTriedUntilTheDeadline(t *testing.T) {
	t.Parallel()
	const tries = 2500 * time.Millisecond // for three
	email, password := person(t)
	for name, open := range map[string]func(context.Context, app.Config, app.Option) error{
		"New": func(ctx context.Context, c app.Config, log app.Option) error {
			_, err := app.New(ctx, c, log)
			return err
		},
		"AddUser": func(ctx context.Context, c app.Config, log app.Option) error {
			_, err := app.AddUser(ctx, c, email, password, true, log)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &journal{}
			ctx, cancel := context.WithTimeout(t.Context(), tries)
			defer cancel()
			began := time.Now()
			c := onMongoDB(t)
			err := open(ctx, c, app.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
			if !errors.Is(err, domain.Unavailable) || !strings.HasPrefix(err.Error(), "--mongodb-uri (WIDGETD_MONGODB_URI): ") {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took < tries || took > tries+2*time.Second {
				t.Errorf("it gave up after %v", took)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "the store does not answer yet") {
				t.Errorf("it says %d times that it tries:\n%s", n, log)
			}
			if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error()+log.String(), "s3cr3t") {
				t.Errorf("got %v, and the log:\n%s", err, log)
			}
			if _, err := os.Stat(c.DataDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data folder was made: %v", err)
			}
		})
	}
}

func TestAddUserNeedsNoKeyAndTouchesNoFolder(t *testing.T) {
	t.Parallel()
	email, password := person(t)
	for role, admin := range map[string]bool{"user": false, "administrator": true} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			c, h := onMongoDB(t), inMemory()
			c.SecretKey = ""
			options := h.options(slog.New(slog.DiscardHandler))
			user, err := app.AddUser(t.Context(), c, email, password, admin, options...)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := h.users.ByEmail(t.Context(), email)
			if err != nil || kept != user || user.Email != email || user.Admin != admin || user.PasswordHash != password.Reveal() {
				t.Errorf("%+v was made of %+v, %v", kept, user, err)
			}
			again, err := app.AddUser(t.Context(), c, email, password, !admin, options...)
			if !errors.Is(err, domain.AlreadyExists) || !strings.Contains(err.Error(), adminEmail) || again != (domain.User{}) {
				t.Errorf("again: %+v, %v", again, err)
			}
			if found, err := h.users.HasAdmin(t.Context()); found != admin || err != nil {
				t.Errorf("there is an administrator: %v, %v", found, err)
			}
			if _, err := os.Stat(c.DataDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data folder was made: %v", err)
			}
		})
	}
}

func TestAddUserRefuses(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	fault := errors.New("no room for a hash")
	for name, test := range map[string]struct {
		ctx  context.Context
		set  func(*app.Config, *house)
		want string
	}{
		"an ended context": {ended, func(*app.Config, *house) {}, context.Canceled.Error()},
		"a bad setting":    {t.Context(), func(c *app.Config, _ *house) { c.TokenTTL = 0 }, "WIDGETD_TOKEN_TTL"},
		"a failing hasher": {t.Context(), func(_ *app.Config, h *house) {
			trouble := &trouble{fail: func(context.Context) error { return fault }}
			trouble.begun.Store(true)
			h.hasher = trouble.inHasher(h.hasher)
		}, fault.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, h := config(), inMemory()
			users := h.users
			test.set(&c, h)
			email, password := person(t)
			_, err := app.AddUser(test.ctx, c, email, password, true, h.options(slog.New(slog.DiscardHandler))...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if _, err := users.ByEmail(context.WithoutCancel(test.ctx), email); !errors.Is(err, domain.NotFound) {
				t.Errorf("an account was made: %v", err)
			}
		})
	}
}
