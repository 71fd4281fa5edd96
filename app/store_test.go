package app_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/testlog"
	"github.com/widgetd/widgetd/ports/fakes"
)

func TestNewRefusesBadSettingsBeforeItConnectsToMongoDB(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set   func(*app.Config)
		field string
	}{
		"no key":            {func(c *app.Config) { c.SecretKey = "" }, "SecretKey"},
		"no file of a key":  {func(c *app.Config) { c.SecretKey, c.SigningKey = "", "/nowhere" }, "SigningKey"},
		"a short key":       {func(c *app.Config) { c.SecretKey = "short" }, "SecretKey"},
		"another setting":   {func(c *app.Config) { c.TokenTTL = 0 }, "TokenTTL"},
		"another scheme":    {func(c *app.Config) { c.MongoDBURI = "postgres://ada:s3cr3t@localhost/" }, "MongoDBURI"},
		"no host":           {func(c *app.Config) { c.MongoDBURI = "mongodb://" }, "MongoDBURI"},
		"a port of letters": {func(c *app.Config) { c.MongoDBURI = "mongodb://ada:s3cr3t@localhost:x" }, "MongoDBURI"},
		"an invalid option": {func(c *app.Config) { c.MongoDBURI += "&tls=perhaps" }, "MongoDBURI"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := onMongoDB(t)
			test.set(&c)
			log := &testlog.Buffer{}
			_, err := app.New(t.Context(), c, app.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
			if err == nil || !strings.HasPrefix(err.Error(), test.field) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("got %v, want an error that begins with %s", err, test.field)
			}
			if log.String() != "" { // New logs a failed attempt
				t.Errorf("New tried to connect:\n%s", log)
			}
		})
	}
}

func TestSharedStoreNeedsAKeyOrASigner(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set     func(*app.Config, *parts)
		refused bool
	}{
		"neither":  {func(*app.Config, *parts) {}, true},
		"a key":    {func(c *app.Config, _ *parts) { c.SecretKey = config().SecretKey }, false},
		"a signer": {func(_ *app.Config, p *parts) { p.signer = &fakes.TokenSignerMock{} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, p := keyless(t), inMemory()
			p.shared = true
			test.set(&c, p)
			_, err := app.New(t.Context(), c, p.options(slog.New(slog.DiscardHandler))...)
			if refused := err != nil && strings.HasPrefix(err.Error(), "SecretKey must be set"); refused != test.refused {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The deadline of the context replaces the 30 seconds after which New gives up.
func TestMongoDBThatDoesNotAnswerIsTriedAgainUntilTheDeadline(t *testing.T) {
	t.Parallel()
	const deadline = 2500 * time.Millisecond // enough for three attempts
	for name, open := range map[string]func(context.Context, app.Config, app.Option) error{
		"New": func(ctx context.Context, c app.Config, log app.Option) error {
			_, err := app.New(ctx, c, log)
			return err
		},
		"OpenAccounts": func(ctx context.Context, c app.Config, log app.Option) error {
			_, err := app.OpenAccounts(ctx, c, log)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &testlog.Buffer{}
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			began := time.Now()
			c := onMongoDB(t)
			err := open(ctx, c, app.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
			if !errors.Is(err, domain.Unavailable) || !strings.HasPrefix(err.Error(), "MongoDBURI: ") {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took < deadline || took > deadline+2*time.Second {
				t.Errorf("%s gave up after %v", name, took)
			}
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "the store does not answer yet") {
				t.Errorf("%d lines in the log:\n%s", n, log)
			}
			if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error()+log.String(), "s3cr3t") {
				t.Errorf("got %v, and the log:\n%s", err, log)
			}
			if _, err := os.Stat(c.DataDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data folder was created: %v", err)
			}
		})
	}
}

// TestAccountsThatShareAnEmailAreLoggedAtEachStart opens a file of format 3 in which five
// accounts have the email of an older account.
func TestAccountsThatShareAnEmailAreLoggedAtEachStart(t *testing.T) {
	t.Parallel()
	c := config()
	c.DataDir = t.TempDir()
	old, err := os.ReadFile(filepath.Join("..", "adapters", "boltdb", "testdata", "shared-emails", "widgetd.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.DataDir, "widgetd.db"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		log := &testlog.Buffer{}
		a, err := app.New(t.Context(), c, app.WithLogger(slog.New(slog.NewJSONHandler(log, nil))))
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, line := range log.Lines("an account cannot log in: its email differs only in case from that of an older account; use its public_id to address it") {
			ids = append(ids, line["public_id"].(string)[34:])
			if line["level"] != "WARN" {
				t.Errorf("the line is %v, want it at level warn", line)
			}
		}
		slices.Sort(ids)
		if got := strings.Join(ids, " "); got != "03 04 07 08 09" {
			t.Errorf("the logged accounts end in %s, want 03 04 07 08 09", got)
		}
		if strings.Contains(log.String(), "@") {
			t.Errorf("the log has an email:\n%s", log)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}
