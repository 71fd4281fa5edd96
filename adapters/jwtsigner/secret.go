package jwtsigner

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/widgetd/widgetd/adapters/internal/durable"
)

// LoadOrCreateSecret returns the secret in the file path. If the file does not
// exist, LoadOrCreateSecret creates it with a random secret and mode 0600, and its
// folder with mode 0700. The new file is on disk before the secret is returned.
//
// LoadOrCreateSecret never replaces a file. If several processes create the file at the
// same time, all of them return the secret of the first. If the file is shorter than
// [MinSecretBytes], or others than its owner may read or write it, LoadOrCreateSecret
// returns an error that names the file and says what to do.
func LoadOrCreateSecret(path string) ([]byte, error) {
	secret, err := loadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createSecret(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("create the key that signs tokens: %w", err)
		}
		secret, err = loadSecret(path)
	}
	return secret, err
}

// loadSecret is [readSecret] for a secret that signs: it also checks the length.
func loadSecret(path string) ([]byte, error) {
	secret, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	if len(secret) < MinSecretBytes {
		return nil, fmt.Errorf("the key in %s is shorter than %d bytes: remove the file, and the next start creates "+
			"a new key, which ends every token", path, MinSecretBytes)
	}
	return secret, nil
}

func createSecret(path string) error {
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.CreateFile(path, func(file *os.File) error {
		_, err := file.Write(randomSecret())
		return err
	})
}

// randomSecret returns a new secret of printable characters.
func randomSecret() []byte { return []byte(rand.Text() + rand.Text()) } // at least 128 bits of randomness each

// readSecret returns the content of a file that only its owner may read and write.
func readSecret(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); isOpenToOthers(path, mode) {
		return nil, fmt.Errorf("others may read or write the key in %s, which has the mode %04o: run chmod 600 %s, "+
			"and if somebody may have read it, remove the file to have a new one made, which ends every token", path, mode, path)
	}
	return io.ReadAll(file)
}

// isOpenToOthers reports whether others than the owner may read or write a file.
//
// The rights of the group do not count where the group owns the folder too, with
// the right to write and the set-group-ID bit. Kubernetes makes a volume so, files
// included, at every start of a container with fsGroup. The group could replace a
// file of any mode there.
func isOpenToOthers(path string, mode fs.FileMode) bool {
	const group, others = 0o060, 0o006
	if runtime.GOOS == "windows" {
		return false // it has no such modes
	}
	if mode&others != 0 {
		return true
	}
	folder, err := os.Stat(filepath.Dir(path))
	isGroups := err == nil && folder.Mode()&fs.ModeSetgid != 0 && folder.Mode()&0o020 != 0
	return mode&group != 0 && !isGroups
}
