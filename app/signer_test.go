package app_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestServersThatStartTogetherUseOneGeneratedKey(t *testing.T) {
	t.Parallel()
	c, p := keyless(t), inMemory()
	const servers = 16
	apps := make([]*app.App, servers)
	var ready, done sync.WaitGroup
	ready.Add(servers)
	for i := range apps {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			a, err := app.New(t.Context(), c, p.options(slog.New(slog.DiscardHandler))...)
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
	email, password := credentialsOfAdmin()
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
		t.Fatalf("the data folder holds %v, %v", files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() < 32 {
		t.Errorf("the key file: %v, %v", info, err)
	}
}

func TestShortKeyFileIsRefusedAndLeftAlone(t *testing.T) {
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
				t.Errorf("the key file holds %q, %v", left, err)
			}
			// New must have closed the store: without the key file the folder can be used.
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

// TestKeyOfReloadedSettingsSigns starts with the key of the data folder, and reloads settings
// with a key and without one. While the settings have a key, a rotation is refused.
func TestKeyOfReloadedSettingsSigns(t *testing.T) {
	t.Parallel()
	c := keyless(t)
	a, err := app.New(t.Context(), c, quiet()...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	email, password := credentialsOfAdmin()
	sample.Must(a.Auth.Register(t.Context(), email, password))
	for _, step := range []struct {
		secret string
		want   error // of a rotation
		listed int   // keys after the rotation
	}{{config().SecretKey, domain.ErrKeyOfSettings, 1}, {"", nil, 2}, {config().SecretKey, domain.ErrKeyOfSettings, 1}} {
		c.SecretKey = step.secret
		if err := a.ReloadKeys(c); err != nil {
			t.Fatal(err)
		}
		token := sample.Must(a.Auth.LogIn(t.Context(), email, password))
		if _, err := a.Keys.Rotate(t.Context(), domain.Operator()); !errors.Is(err, step.want) {
			t.Errorf("with the secret %q Rotate returned %v, want %v", step.secret, err, step.want)
		}
		if list, err := a.Keys.List(t.Context(), domain.Operator()); err != nil || len(list) != step.listed || !list[0].Signs {
			t.Errorf("with the secret %q List returned %v, %v, want %d keys", step.secret, list, err, step.listed)
		}
		if _, err := a.Auth.Authenticate(t.Context(), token.Text); err != nil {
			t.Errorf("with the secret %q a token is refused after a rotation: %v", step.secret, err)
		}
	}
}
