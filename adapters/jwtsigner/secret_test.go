package jwtsigner_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
)

func TestSecretIsCreatedOnceForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b", "secret.key")
	created, err := jwtsigner.LoadOrCreateSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwtsigner.NewSecret(created); err != nil {
		t.Errorf("New with the created secret: %v", err)
	}
	loaded, err := jwtsigner.LoadOrCreateSecret(path)
	if err != nil || !bytes.Equal(loaded, created) {
		t.Errorf("the second call returned %q, %v; want the secret of the first, %q", loaded, err, created)
	}
	wantOnlyFile(t, path)
	if runtime.GOOS == "windows" {
		return // Windows does not have these permissions
	}
	for name, want := range map[string]fs.FileMode{
		path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir, filepath.Dir(filepath.Dir(path)): 0o700 | fs.ModeDir,
	} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("the mode of %s is %v, error %v; want %v", name, info.Mode(), err, want)
		}
	}
}

func TestCreatedSecretsDiffer(t *testing.T) {
	t.Parallel()
	one, err := jwtsigner.LoadOrCreateSecret(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := jwtsigner.LoadOrCreateSecret(filepath.Join(t.TempDir(), "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(one, other) {
		t.Errorf("two files have the same secret %q", one)
	}
}

// TestSimultaneousCreatorsGetTheSameSecret starts several calls at once, as several
// processes would.
func TestSimultaneousCreatorsGetTheSameSecret(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "secret.key")
	secrets := make([][]byte, 32)
	errs := make([]error, len(secrets))
	var calls sync.WaitGroup
	for i := range secrets {
		calls.Go(func() { secrets[i], errs[i] = jwtsigner.LoadOrCreateSecret(path) })
	}
	calls.Wait()
	stored, err := os.ReadFile(path)
	if err = errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	for i, secret := range secrets {
		if !bytes.Equal(secret, stored) {
			t.Errorf("call %d returned %q, the file has %q", i, secret, stored)
		}
	}
	wantOnlyFile(t, path)
}

func TestSecretFileIsNeverChanged(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content string
		ok      bool
	}{
		"empty":            {"", false},
		"31 bytes":         {strings.Repeat("k", 31), false},
		"32 bytes":         {strings.Repeat("k", 32), true},
		"with a line feed": {strings.Repeat("k", 32) + "\n", true},
		"200 bytes":        {strings.Repeat("k", 200), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "secret.key")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			secret, err := jwtsigner.LoadOrCreateSecret(path)
			switch {
			case test.ok && (err != nil || string(secret) != test.content):
				t.Errorf("got %q, %v; want the content of the file", secret, err)
			case !test.ok && (err == nil || !strings.Contains(err.Error(), path) ||
				!strings.Contains(err.Error(), "32 bytes") || !strings.Contains(err.Error(), "remove the file")):
				t.Errorf("the error is %v; want one that names the file and says how to replace it", err)
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != test.content {
				t.Errorf("the file is now %q, error %v; want it unchanged", left, err)
			}
			wantOnlyFile(t, path)
		})
	}
}

func TestSecretInAFolderThatCannotBeCreated(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := jwtsigner.LoadOrCreateSecret(filepath.Join(file, "secret.key"))
	if err == nil || !strings.Contains(err.Error(), file) || secret != nil {
		t.Errorf("got %q, %v; want an error that names %s", secret, err, file)
	}
}

// wantOnlyFile expects the folder of path to contain nothing but the file.
func wantOnlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("the folder contains %v, error %v; want only %s", entries, err, filepath.Base(path))
	}
}

func TestSecretThatOthersMayReadOrWriteIsRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // it has no such permissions
	}
	for _, test := range []struct {
		folder, file fs.FileMode
		refused      bool
	}{
		{0o700, 0o600, false},
		{0o700, 0o400, false},
		{0o777, 0o600, false},
		{0o770 | fs.ModeSetgid, 0o600, false},
		{0o770 | fs.ModeSetgid, 0o660, false}, // a volume of Kubernetes with fsGroup
		{0o775 | fs.ModeSetgid, 0o640, false},
		{0o700, 0o640, true},
		{0o700, 0o620, true},
		{0o700, 0o604, true},
		{0o700, 0o602, true},
		{0o700, 0o644, true},
		{0o700, 0o666, true},
		{0o700, 0o777, true},
		{0o770, 0o660, true},
		{0o700 | fs.ModeSetgid, 0o660, true},
		{0o750 | fs.ModeSetgid, 0o640, true},
		{0o777 | fs.ModeSetgid, 0o664, true},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "secret.key")
		content := strings.Repeat("k", 32)
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, test.file), os.Chmod(dir, test.folder)); err != nil {
			t.Fatal(err)
		}
		secret, err := jwtsigner.LoadOrCreateSecret(path)
		mode := fmt.Sprintf("mode %04o", test.file)
		switch {
		case !test.refused && (err != nil || string(secret) != content):
			t.Errorf("%v in %v: %v", test.file, test.folder, err)
		case test.refused && (err == nil || secret != nil || !strings.Contains(err.Error(), mode) || !strings.Contains(err.Error(), "chmod 600 "+path)):
			t.Errorf("%v in %v: %q, %v; want an error with the mode and the remedy", test.file, test.folder, secret, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != test.file {
			t.Errorf("the mode is now %v, %v", info.Mode(), err)
		}
	}
}
