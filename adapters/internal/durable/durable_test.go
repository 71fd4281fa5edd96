package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// linkFuncs are the file systems that the tests run on: one with hard links and
// one without.
func linkFuncs() map[string]linkFunc {
	return map[string]linkFunc{
		"with hard links": os.Link,
		"without hard links": func(oldname, newname string) error {
			return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: errors.ErrUnsupported}
		},
	}
}

func TestCreateFile(t *testing.T) {
	t.Parallel()
	for name, link := range linkFuncs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if err := createFile(path, writeText("first"), link); err != nil {
				t.Fatal(err)
			}
			if err := createFile(path, writeText("second"), link); !errors.Is(err, fs.ErrExist) {
				t.Errorf("createFile of an existing file returned %v, want fs.ErrExist", err)
			}
			wantFile(t, path, "first")
			wantFiles(t, dir, 1)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if runtime.GOOS != "windows" && info.Mode() != 0o600 {
				t.Errorf("mode = %v, want 0600", info.Mode())
			}
		})
	}
}

func TestReplaceFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first", "second"} {
		if err := ReplaceFile(path, writeText(text)); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, text)
		wantFiles(t, dir, 1)
	}
	failure := errors.New("failed")
	err := ReplaceFile(path, func(file *os.File) error {
		_, err := file.WriteString("a part")
		return errors.Join(err, failure)
	})
	if !errors.Is(err, failure) {
		t.Errorf("ReplaceFile returned %v", err)
	}
	wantFile(t, path, "second")
	wantFiles(t, dir, 1)
}

// TestCreateFileHasOneWinner starts several calls at once, as several processes
// would.
func TestCreateFileHasOneWinner(t *testing.T) {
	t.Parallel()
	for name, link := range linkFuncs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			const callers = 32
			errs := make([]error, callers)
			var done sync.WaitGroup
			for i := range callers {
				done.Go(func() { errs[i] = createFile(path, writeText(fmt.Sprint(i)), link) })
			}
			done.Wait()
			winners := 0
			for i, err := range errs {
				switch {
				case err == nil:
					winners++
					wantFile(t, path, fmt.Sprint(i))
				case !errors.Is(err, fs.ErrExist):
					t.Errorf("createFile returned %v, want nil or fs.ErrExist", err)
				}
			}
			if winners != 1 {
				t.Errorf("%d calls created the file, want 1", winners)
			}
			wantFiles(t, dir, 1)
		})
	}
}

func TestCreateFileLeavesNothingWhenWriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	boom := errors.New("boom")
	err := CreateFile(filepath.Join(dir, "file"), func(file *os.File) error {
		_, err := file.WriteString("half")
		return errors.Join(err, boom)
	})
	if !errors.Is(err, boom) {
		t.Errorf("CreateFile returned %v, want the error of write", err)
	}
	wantFiles(t, dir, 0)
}

func TestCreateFileInMissingFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "missing", "file")
	if err := CreateFile(path, writeText("")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CreateFile returned %v, want fs.ErrNotExist", err)
	}
}

func TestLinkOrCopy(t *testing.T) {
	t.Parallel()
	for name, link := range linkFuncs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			from, to, other := filepath.Join(dir, "from"), filepath.Join(dir, "to"), filepath.Join(dir, "other")
			for path, content := range map[string]string{from: "content", other: "other"} {
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := linkOrCopy(from, to, link); err != nil {
				t.Fatal(err)
			}
			if err := linkOrCopy(other, to, link); !errors.Is(err, fs.ErrExist) {
				t.Errorf("linkOrCopy to an existing file returned %v, want fs.ErrExist", err)
			}
			wantFile(t, to, "content")
			wantFile(t, from, "content")
			wantFiles(t, dir, 3)
		})
	}
}

func TestRenameReplaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for _, path := range []string{from, to} {
		if err := CreateFile(path, writeText(filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	if err := Rename(from, to); err != nil {
		t.Fatal(err)
	}
	wantFile(t, to, "from")
	wantFiles(t, dir, 1)
}

func TestMkdirAll(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	for range 2 {
		if err := MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for path := dir; filepath.Base(path) != "a"; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("mode of %s = %v, want 0700", path, info.Mode())
		}
	}
}

func TestMkdirAllUnderAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := CreateFile(file, writeText("")); err != nil {
		t.Fatal(err)
	}
	err := MkdirAll(filepath.Join(file, "dir"), 0o700)
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("MkdirAll returned %v, want an error that names %s", err, file)
	}
}

func TestSyncDirOfMissingFolder(t *testing.T) {
	t.Parallel()
	err := SyncDir(filepath.Join(t.TempDir(), "missing"))
	if runtime.GOOS != "windows" && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SyncDir returned %v, want fs.ErrNotExist", err)
	}
}

func writeText(text string) func(*os.File) error {
	return func(file *os.File) error {
		_, err := file.WriteString(text)
		return err
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("the content of %s is %q, error %v, want %q", path, got, err, want)
	}
}

func wantFiles(t *testing.T, dir string, want int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != want {
		t.Errorf("%s holds %v, error %v, want %d files", dir, entries, err, want)
	}
}
