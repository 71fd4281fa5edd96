package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
)

const secretFile = "secret.key"

// secretKey returns the key that tokens are signed with: the configured one, or
// the one in the data folder, which is made when there is none.
func secretKey(config Config) ([]byte, error) {
	if config.SecretKey != "" {
		return []byte(config.SecretKey), nil
	}
	path := filepath.Join(config.DataDir, secretFile)
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSecret(config.DataDir, path); err != nil {
			return nil, fmt.Errorf("making the key that tokens are signed with: %w", err)
		}
		secret, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	if len(secret) < jwtsigner.MinSecretBytes {
		return nil, fmt.Errorf("the key in %s is shorter than %d bytes: remove the file to have a new one made, "+
			"which ends every token", path, jwtsigner.MinSecretBytes)
	}
	return secret, nil
}

// makeSecret writes a new key to path, whole or not at all, and leaves a key that
// another process put there first.
func makeSecret(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, secretFile+"-*") // made with 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	// Text has at least 128 bits of randomness.
	_, err = file.WriteString(rand.Text() + rand.Text())
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a folder as durable as the files.
func syncDir(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
