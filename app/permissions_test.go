package app_test

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/internal/testlog"
)

func TestDataFolderThatOthersCanWriteIsAWarning(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // it has no such permissions
	}
	for mode, warned := range map[fs.FileMode]bool{
		0o700: false, 0o750: false, 0o755: false, 0o770: true, 0o770 | fs.ModeSetgid: true, 0o777: true, 0o777 | fs.ModeSticky: true, 0o720: true,
	} {
		c := config()
		c.DataDir = t.TempDir()
		if err := os.Chmod(c.DataDir, mode); err != nil {
			t.Fatal(err)
		}
		log := &testlog.Buffer{}
		a, err := app.New(t.Context(), c, app.WithLogger(slog.New(slog.NewJSONHandler(log, nil))))
		if err != nil {
			t.Fatalf("%v: %v", mode, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		lines := log.Lines("others can write to the data folder: they can replace the store and the key")
		if (len(lines) > 0) != warned || warned && (lines[0]["level"] != "WARN" || lines[0]["path"] != c.DataDir) {
			t.Errorf("%v: the log has %v", mode, lines)
		}
	}
}

func TestKeyFileThatOthersCanReadIsRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // it has no such permissions
	}
	c := keyless(t)
	path := filepath.Join(c.DataDir, "secret.key")
	if err := os.Mkdir(c.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := app.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
		t.Errorf("got %v", err)
	}
}
