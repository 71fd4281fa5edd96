package boltdb

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Exists reports whether the folder dir has a store. If it has none, [Open] creates one.
// Exists returns an error if dir cannot be read.
func Exists(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
