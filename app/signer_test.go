package app_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/app"
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
