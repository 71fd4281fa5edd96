package app_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

// TestOnlyKeysOfAnEmbeddedStoreRotate proves that no other process can use the folder while
// a key is rotated: the embedded store has a lock.
func TestOnlyKeysOfAnEmbeddedStoreRotate(t *testing.T) {
	t.Parallel()
	withSigner := inMemory()
	withSigner.signer = &fakes.TokenSignerMock{}
	shared := inMemory()
	shared.shared = true
	for name, test := range map[string]struct {
		config app.Config
		parts  *parts
		listed int
	}{
		"a secret of the settings":         {config(), inMemory(), 1},
		"a signer of the program":          {config(), withSigner, 0},
		"a store of the program, no lock":  {keyless(t), inMemory(), 1},
		"a shared store with its settings": {onMongoDB(t), shared, 1},
	} {
		a, err := app.New(t.Context(), test.config, test.parts.options(slog.New(slog.DiscardHandler))...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if list, err := a.Keys.List(t.Context(), domain.Operator()); err != nil || len(list) != test.listed {
			t.Errorf("%s: List returned %v, %v", name, list, err)
		}
		if _, err := a.Keys.Rotate(t.Context(), domain.Operator()); !errors.Is(err, domain.ErrKeyOfSettings) {
			t.Errorf("%s: Rotate returned %v", name, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestKeysAreThoseOfTheRunningServer(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	c.SecretKey, c.TokenTTL = "", time.Minute
	if _, err := app.OpenKeys(t.Context(), c, quiet()...); !errors.Is(err, app.ErrNoStore) {
		t.Errorf("without a store OpenKeys returned %v", err)
	}
	_, stop := serveEmbedded(t, c)
	var ids []string
	for _, running := range []bool{true, false} {
		if !running {
			stop()
		}
		keys, err := app.OpenKeys(t.Context(), c, quiet()...)
		if err != nil {
			t.Fatal(err)
		}
		key, err := keys.Rotate(t.Context(), domain.Operator())
		ids = append(ids, key.ID)
		list, listErr := keys.List(t.Context(), domain.Operator())
		if err := errors.Join(err, listErr, keys.Close()); err != nil || len(list) != len(ids)+1 || list[0].ID != key.ID {
			t.Errorf("running %v: %v, %v, want %s first", running, list, err, key.ID)
		}
		if late := time.Until(list[1].Until); late < 50*time.Second || late > 62*time.Second {
			t.Errorf("running %v: the earlier key verifies for %v", running, late)
		}
	}
	if paths, err := filepath.Glob(filepath.Join(c.DataDir, "previous-*.key")); err != nil || len(paths) != 2 {
		t.Errorf("previous keys: %v, %v", paths, err)
	}
	if _, err := os.Stat(filepath.Join(c.DataDir, "tokens.json")); err != nil {
		t.Error(err)
	}
}
