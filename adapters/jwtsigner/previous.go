package jwtsigner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/widgetd/widgetd/adapters/internal/durable"
)

// The name of the file of a previous secret is the prefix, its kid, and the suffix.
const (
	previousPrefix = "previous-"
	keySuffix      = ".key"
)

// previousFile is the content of the file of a previous secret.
type previousFile struct {
	Secret []byte    `json:"secret"`
	Since  time.Time `json:"since"` // when the secret began to sign
	Until  time.Time `json:"until"` // when the secret stops verifying
}

func isPreviousName(name string) bool {
	return strings.HasPrefix(name, previousPrefix) && strings.HasSuffix(name, keySuffix)
}

// isTempName reports whether the name is that of a file of package durable for a file of
// a secret.
func isTempName(name string) bool {
	name, _, found := strings.Cut(name, durable.TempInfix)
	return found && (isPreviousName(name) || name == SecretFile || name == lifetimeFile)
}

// readPreviousKey reads a previous secret. The error names the file.
func readPreviousKey(path string) (keptKey, error) {
	key, err := parsePreviousKey(path)
	if err != nil {
		return keptKey{}, fmt.Errorf("the previous key in %s cannot be used: %w", path, err)
	}
	return key, nil
}

func parsePreviousKey(path string) (keptKey, error) {
	const toDo = "remove the file, which ends the tokens of this key"
	info, err := os.Lstat(path)
	if err != nil {
		return keptKey{}, err
	}
	if !info.Mode().IsRegular() {
		return keptKey{}, errors.New("it is no regular file")
	}
	if mode := info.Mode().Perm(); isOpenToOthers(path, mode) {
		return keptKey{}, fmt.Errorf("others may read or write it, it has the mode %04o: run chmod 600 %s, "+
			"and if somebody may have read it, %s", mode, path, toDo)
	}
	file, err := os.Open(path)
	if err != nil {
		return keptKey{}, err
	}
	defer file.Close()
	text, err := readLimited(file, maxKeyFile)
	if err != nil {
		return keptKey{}, err
	}
	var content previousFile
	if err := json.Unmarshal(text, &content); err != nil {
		return keptKey{}, fmt.Errorf("it is damaged: restore it, or %s: %w", toDo, err)
	}
	key, err := NewSecret(content.Secret)
	if err != nil {
		return keptKey{}, fmt.Errorf("%w: restore the file, or %s", err, toDo)
	}
	if !strings.HasSuffix(path, previousPrefix+key.id+keySuffix) || content.Until.IsZero() {
		return keptKey{}, fmt.Errorf("it is damaged, or has the name of another key: restore it, or %s", toDo)
	}
	return keptKey{Key: key, since: content.Since, until: content.Until}, nil
}

// writePrevious writes the file of a previous secret. The caller holds the lock.
func (f *Folder) writePrevious(key keptKey) error {
	path := f.previousPath(key.Key)
	text, err := json.Marshal(previousFile{key.secret(), key.since.UTC(), key.until.UTC()}) //nolint:gosec // for a file of its owner
	if err != nil {
		return err
	}
	err = f.write(path, append(text, '\n'))
	// A crash during an earlier rotation of this key may have left the file behind.
	f.unneeded = slices.DeleteFunc(f.unneeded, func(unneeded string) bool { return unneeded == path })
	return err
}
