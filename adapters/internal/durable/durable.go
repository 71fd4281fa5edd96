// Package durable creates folders and files that survive a power failure.
//
// A file system may lose the name of a new file although the content of the file
// was synced. The functions of this package therefore sync the folder as well.
// When a function returns nil, its result is on disk.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// TempInfix is the text between the name of a file and the random suffix in the name of
// the file that [CreateFile] and [ReplaceFile] write first.
const TempInfix = ".new-"

// MkdirAll creates the folder dir with the permissions perm, and the parents that
// are missing, like [os.MkdirAll]. It syncs the parent of each folder it creates.
func MkdirAll(dir string, perm fs.FileMode) error {
	err := os.Mkdir(dir, perm)
	if errors.Is(err, fs.ErrNotExist) {
		if err := MkdirAll(filepath.Dir(dir), perm); err != nil {
			return err
		}
		err = os.Mkdir(dir, perm)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil // if dir is a file, the first use of the folder fails
	case err != nil:
		return err
	}
	return SyncDir(filepath.Dir(dir))
}

// CreateFile creates the file path with mode 0600 and the content that write
// writes. The file gets its name only when it is complete and synced. So no process
// can read a part of it, also after a crash.
//
// CreateFile never replaces a file. If path exists already, or another process
// creates it first, it returns an error that is [fs.ErrExist]. It then has synced
// the name of the existing file.
//
// The content is first written to a file in the same folder, named path + ".new-"
// and a random suffix; see [TempInfix]. A crash may leave that file behind.
func CreateFile(path string, write func(*os.File) error) error {
	return createFile(path, write, os.Link)
}

// ReplaceFile is like [CreateFile], but atomically replaces a file with the name path. After
// an error, path may have the old content or the new one.
func ReplaceFile(path string, write func(*os.File) error) error {
	temp, err := writeTemp(path, write)
	if err != nil {
		return err
	}
	defer os.Remove(temp) // fails if the file was renamed
	return Rename(temp, path)
}

// LinkOrCopy gives the file from the second name to, with a hard link. If the file
// system has no hard links, it makes a copy. It never replaces a file: when to
// exists already, it returns an error that is [fs.ErrExist].
func LinkOrCopy(from, to string) error {
	return linkOrCopy(from, to, os.Link)
}

// Rename renames the file from to the name to in the same folder. It atomically
// replaces a file that has this name.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir syncs the names in the folder dir. On Windows, which cannot sync a
// folder, it does nothing.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// linkFunc has the signature of os.Link. Tests replace it to simulate a file
// system without hard links.
type linkFunc func(oldname, newname string) error

func createFile(path string, write func(*os.File) error, link linkFunc) error {
	temp, err := writeTemp(path, write)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	err = link(temp, path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = renameNoReplace(temp, path) // the file system has no hard links
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errors.Join(err, SyncDir(filepath.Dir(path)))
}

// writeTemp writes a new file with mode 0600 beside path, syncs it and returns its name.
func writeTemp(path string, write func(*os.File) error) (name string, err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+TempInfix+"*") // with mode 0600
	if err != nil {
		return "", err
	}
	err = write(temp)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return "", errors.Join(err, os.Remove(temp.Name()))
	}
	return temp.Name(), nil
}

func linkOrCopy(from, to string, link linkFunc) error {
	err := link(from, to)
	switch {
	case err == nil:
		return SyncDir(filepath.Dir(to))
	case errors.Is(err, fs.ErrExist):
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	return createFile(to, func(file *os.File) error {
		_, err := io.Copy(file, source)
		return err
	}, link)
}
