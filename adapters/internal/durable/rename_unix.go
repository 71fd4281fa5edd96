//go:build !windows

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// renameNoReplace renames a file within its folder, unless to exists. In POSIX, rename
// always replaces. So renameNoReplace locks the folder, checks that to does not exist,
// and renames. All callers on a file system without hard links take the same lock. The
// system releases the lock when the process ends.
func renameNoReplace(from, to string) error {
	folder, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer folder.Close() // releases the lock
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return &fs.PathError{Op: "flock", Path: folder.Name(), Err: err}
	}
	switch _, err := os.Lstat(to); {
	case err == nil:
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return os.Rename(from, to)
}
