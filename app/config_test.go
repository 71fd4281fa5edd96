package app_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

func TestNewRefusesSettingsByTheirName(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set  func(*app.Config)
		says string
	}{
		"port that is none":         {func(c *app.Config) { c.Addr = "127.0.0.1:65536" }, "WIDGETD_ADDR"},
		"no life of tokens":         {func(c *app.Config) { c.TokenTTL = 0 }, "WIDGETD_TOKEN_TTL"},
		"a negative one":            {func(c *app.Config) { c.TokenTTL = -time.Hour }, "WIDGETD_TOKEN_TTL"},
		"one of half a second":      {func(c *app.Config) { c.TokenTTL = time.Second / 2 }, "WIDGETD_TOKEN_TTL"},
		"one with half a second":    {func(c *app.Config) { c.TokenTTL = 3 * time.Second / 2 }, "WIDGETD_TOKEN_TTL"},
		"key of 31 bytes":           {func(c *app.Config) { c.SecretKey = strings.Repeat("k", 31) }, "WIDGETD_SECRET_KEY"},
		"passwords of no length":    {func(c *app.Config) { c.PasswordMinLength = 0 }, "WIDGETD_PASSWORD_MIN_LENGTH"},
		"passwords that none are":   {func(c *app.Config) { c.PasswordMinLength = 1025 }, "WIDGETD_PASSWORD_MIN_LENGTH"},
		"negative log-in failures":  {func(c *app.Config) { c.MaxLoginFailures = -1 }, "WIDGETD_MAX_LOGIN_FAILURES"},
		"negative registrations":    {func(c *app.Config) { c.MaxRegistrations = -1 }, "WIDGETD_MAX_REGISTRATIONS"},
		"origin without a scheme":   {func(c *app.Config) { c.CORSOrigins = []string{"example.com"} }, "WIDGETD_CORS_ORIGINS"},
		"origin of another scheme":  {func(c *app.Config) { c.CORSOrigins = []string{"file://x"} }, "WIDGETD_CORS_ORIGINS"},
		"origin with a path":        {func(c *app.Config) { c.CORSOrigins = []string{"https://example.com/"} }, "WIDGETD_CORS_ORIGINS"},
		"origin with a user":        {func(c *app.Config) { c.CORSOrigins = []string{"https://me@example.com"} }, "WIDGETD_CORS_ORIGINS"},
		"origin with a wildcard":    {func(c *app.Config) { c.CORSOrigins = []string{"https://*.example.com"} }, "WIDGETD_CORS_ORIGINS"},
		"origin with no port":       {func(c *app.Config) { c.CORSOrigins = []string{"https://example.com:"} }, "WIDGETD_CORS_ORIGINS"},
		"origin with a huge port":   {func(c *app.Config) { c.CORSOrigins = []string{"https://example.com:99999"} }, "WIDGETD_CORS_ORIGINS"},
		"address without a port":    {func(c *app.Config) { c.Addr = "localhost" }, "WIDGETD_ADDR"},
		"metrics without a port":    {func(c *app.Config) { c.MetricsAddr = "localhost" }, "WIDGETD_METRICS_ADDR"},
		"all origins and one":       {func(c *app.Config) { c.CORSOrigins = []string{"*", "https://example.com"} }, "WIDGETD_CORS_ORIGINS"},
		"one origin and an empty":   {func(c *app.Config) { c.CORSOrigins = []string{"https://example.com", ""} }, "WIDGETD_CORS_ORIGINS"},
		"administrator's email":     {func(c *app.Config) { c.AdminEmail = adminEmail }, "WIDGETD_ADMIN_PASSWORD"},
		"administrator's password":  {func(c *app.Config) { c.AdminPassword = adminPassword }, "WIDGETD_ADMIN_EMAIL"},
		"no administrator's email":  {func(c *app.Config) { c.AdminEmail, c.AdminPassword = "root", adminPassword }, "WIDGETD_ADMIN_EMAIL: root"},
		"administrator's too short": {func(c *app.Config) { *c = withAdmin(); c.PasswordMinLength = 50 }, "WIDGETD_ADMIN_PASSWORD: "},
		"no data folder":            {func(c *app.Config) { c.DataDir = "" }, "WIDGETD_DATA"},
		"data folder that is none":  {func(c *app.Config) { c.DataDir = os.DevNull }, "WIDGETD_DATA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config()
			c.DataDir = filepath.Join(t.TempDir(), "data")
			test.set(&c)
			_, err := app.New(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), adminPassword) {
				t.Errorf("got %v, want an error that names %s", err, test.says)
			}
			if _, err := os.Stat(c.DataDir); err == nil && c.DataDir != os.DevNull {
				t.Error("the data folder was made")
			}
		})
	}
}

func TestNewAcceptsSettingsAtTheirLimits(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*app.Config){
		"as they are":           func(*app.Config) {},
		"tokens of one second":  func(c *app.Config) { c.TokenTTL = time.Second },
		"longest password":      func(c *app.Config) { c.PasswordMinLength = domain.MaxPasswordBytes },
		"origins with ports":    func(c *app.Config) { c.CORSOrigins = []string{"https://a.example:8443", "http://[::1]:80"} },
		"no origins":            func(c *app.Config) { c.CORSOrigins = nil },
		"an administrator":      func(c *app.Config) { *c = withAdmin() },
		"many, but not endless": func(c *app.Config) { c.MaxLoginFailures, c.MaxRegistrations = 1<<40, 1<<40 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config()
			set(&c)
			if _, err := app.New(t.Context(), c, inMemory().options(slog.New(slog.DiscardHandler))...); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRunNeedsAnAddress(t *testing.T) {
	t.Parallel()
	c := config()
	c.Addr = ""
	a, err := app.New(t.Context(), c, inMemory().options(slog.New(slog.DiscardHandler))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "WIDGETD_ADDR") {
		t.Errorf("got %v", err)
	}
}

// keyless is a config whose key is kept in a data folder that is not there yet.
func keyless(t *testing.T) app.Config {
	c := config()
	c.SecretKey, c.DataDir = "", filepath.Join(t.TempDir(), "data")
	return c
}

func TestServersThatStartAtOnceAgreeOnOneKey(t *testing.T) {
	t.Parallel()
	c, h := keyless(t), inMemory()
	const servers = 16
	apps := make([]*app.App, servers)
	var ready, done sync.WaitGroup
	ready.Add(servers)
	for i := range apps {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			a, err := app.New(t.Context(), c, h.options(slog.New(slog.DiscardHandler))...)
			if err != nil {
				t.Error(err)
			}
			apps[i] = a
		})
	}
	done.Wait()
	if t.Failed() {
		return
	}
	email, password := person(t)
	token, err := apps[0].Auth.Register(t.Context(), email, password)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range apps {
		if _, err := a.Auth.Authenticate(t.Context(), token.Text); err != nil {
			t.Errorf("server %d refuses a token of server 0: %v", i, err)
		}
	}
	files, err := os.ReadDir(c.DataDir)
	if err != nil || len(files) != 1 || files[0].Name() != "secret.key" {
		t.Fatalf("in the folder: %v, %v", files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() < 32 {
		t.Errorf("the key: %v, %v", info, err)
	}
}

func TestKeyThatIsTooShortIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"empty": "", "31 bytes": strings.Repeat("k", 31)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := keyless(t)
			path := filepath.Join(c.DataDir, "secret.key")
			if err := os.Mkdir(c.DataDir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := app.New(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "32 bytes") {
				t.Errorf("got %v", err)
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != key {
				t.Errorf("the key became %q, %v", left, err)
			}
			// The store was closed again: with another key the folder can be used.
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			a, err := app.New(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func person(t *testing.T) (domain.Email, domain.Password) {
	t.Helper()
	email, err := domain.ParseEmail(adminEmail)
	if err != nil {
		t.Fatal(err)
	}
	password, err := domain.ParsePassword(adminPassword)
	if err != nil {
		t.Fatal(err)
	}
	return email, password
}
