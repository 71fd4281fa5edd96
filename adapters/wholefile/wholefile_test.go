package wholefile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/widgetd/widgetd/adapters/wholefile"
)

// text returns a function that writes a text and then returns an error.
func text(text string, err error) func(io.Writer) error {
	return func(w io.Writer) error {
		_, writeErr := io.WriteString(w, text)
		return errors.Join(writeErr, err)
	}
}

// wantOnly checks that the folder has the file alone, with the content and mode 0600.
func wantOnly(t *testing.T, path, content string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != content {
		t.Errorf("the file has %q, %v, want %q", got, err, content)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("the folder has %v, %v", files, err)
	}
}

func TestFileIsWrittenAsAWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	failure := errors.New("no space")
	if err := wholefile.Write(path, false, text("half", failure)); !errors.Is(err, failure) {
		t.Errorf("Write returned %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file after an error: %v", err)
	}
	if err := wholefile.Write(path, false, text("first", nil)); err != nil {
		t.Error(err)
	}
	wantOnly(t, path, "first")
	if err := wholefile.Write(path, true, text("half", failure)); !errors.Is(err, failure) {
		t.Errorf("Write returned %v", err)
	}
	wantOnly(t, path, "first")
}

func TestFileIsReplacedOnlyOnRequest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	err := wholefile.Write(path, false, func(w io.Writer) error {
		if err := os.WriteFile(path, []byte("of another program"), 0o600); err != nil { // meanwhile
			t.Error(err)
		}
		return text("ours", nil)(w)
	})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("Write returned %v", err)
	}
	wantOnly(t, path, "of another program")
	if err := wholefile.Write(path, true, text("ours", nil)); err != nil {
		t.Error(err)
	}
	wantOnly(t, path, "ours")
}
