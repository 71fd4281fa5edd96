package jwtsigner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/widgetd/widgetd/adapters/internal/durable"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// SecretFile is the name of the file in a [Folder] that has the secret that signs.
const SecretFile = "secret.key"

// rotationTime is longer than a rotation takes, unless the disk does not answer. The
// earlier secret signs tokens while its file is written.
const rotationTime = time.Minute

// Folder keeps the secrets of a [Signer] in files of a folder. It implements
// [ports.KeyRing].
//
// The secret that signs is in the file [SecretFile]. A secret that was replaced is in a
// file of its own, named previous-<kid>.key. This file also has the time when the last
// token of the secret expires. The secret verifies until then, and [Folder.RemoveExpired]
// removes the file afterwards.
//
// Each file is complete and on disk before the next one is written, and files are replaced
// atomically: first the earlier secret gets its own file, then a new secret takes its
// place. After a crash between the two, the earlier secret is in both files and goes on
// signing.
//
// One process at a time may use the folder. A Folder is safe for concurrent use.
type Folder struct {
	dir      string
	clock    ports.Clock
	replace  func(path string, write func(*os.File) error) error // durable.ReplaceFile
	onChange func(signing Key, verifying []Key) error

	mu       sync.Mutex
	signing  keptKey   // the zero value: none
	previous []keptKey // the newest first
	lifetime lifetime
	unneeded []string // files to remove
}

var _ ports.KeyRing = (*Folder)(nil)

// keptKey is a key with its times.
type keptKey struct {
	Key
	since time.Time // when the key began to sign
	until time.Time // when the key stops verifying; zero for the key that signs
}

// OpenFolder reads the secrets in the folder dir. It writes nothing. It returns an error
// that names the file if a file cannot be read, is damaged, is too short, or may be read
// or written by others than its owner.
func OpenFolder(dir string, clock ports.Clock) (*Folder, error) {
	f := &Folder{
		dir: dir, clock: clock, replace: durable.ReplaceFile,
		onChange: func(Key, []Key) error { return nil },
	}
	var err error
	if f.signing, err = f.readSigning(); err != nil {
		return nil, err
	}
	if f.lifetime, err = readLifetime(f.path(lifetimeFile)); err != nil {
		return nil, err
	}
	return f, f.readPrevious()
}

// OnChange sets the function that is called with all keys when they have changed. If the
// function returns an error, a rotation is undone. OnChange must be called before the
// Folder is shared.
func (f *Folder) OnChange(changed func(signing Key, verifying []Key) error) { f.onChange = changed }

// Apply calls the function of [Folder.OnChange] with the keys as they are, and returns its
// error.
func (f *Folder) Apply() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.onChange(f.keys())
}

// Keys returns the key that signs, and those that only verify. The key that signs is the
// zero value if the folder has none; see [Folder.Start].
func (f *Folder) Keys() (signing Key, verifying []Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keys()
}

// Start prepares the folder for a server with tokens that live for ttl. If there is no
// secret, Start makes one and removes the previous ones, so that every token ends. Start
// must be called before a secret signs. It returns an error if a file cannot be written or
// removed.
func (f *Folder) Start(ttl time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.signing.ID() == "" {
		return f.create(ttl)
	}
	return f.setLifetime(f.lifetime.changedTo(ttl, f.clock.Now()))
}

// List implements [ports.KeyRing].
func (f *Folder) List(context.Context) ([]domain.TokenKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.signing.ID() == "" {
		return nil, nil
	}
	list := []domain.TokenKey{f.signing.describe(true)}
	for _, key := range f.valid() {
		list = append(list, key.describe(false))
	}
	return list, nil
}

// Rotate implements [ports.KeyRing]. It returns an error if another process has replaced
// the file of the secret that signs.
func (f *Folder) Rotate(ctx context.Context) (domain.TokenKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return domain.TokenKey{}, &domain.Error{Kind: domain.Unavailable, Err: err}
	}
	if f.signing.ID() == "" {
		err := f.create(f.lifetime.TokenTTL)
		return f.signing.describe(true), err
	}
	if err := f.checkUnchanged(); err != nil {
		return domain.TokenKey{}, err
	}
	if err := f.rotate(); err != nil {
		return domain.TokenKey{}, fmt.Errorf("the key was not rotated: %w", err)
	}
	return f.signing.describe(true), nil
}

// RemoveExpired removes the secrets that have expired and returns their ids: from then on
// they verify no token. It also removes their files, and files that a crash has left
// behind. It returns an error if a file cannot be removed; the next call tries again.
func (f *Folder) RemoveExpired() (ids []string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	valid := f.valid()
	if len(valid) == len(f.previous) {
		return nil, f.removeUnneeded()
	}
	for _, key := range f.previous {
		if !slices.ContainsFunc(valid, func(other keptKey) bool { return other.id == key.id }) {
			f.unneeded = append(f.unneeded, f.previousPath(key.Key))
			ids = append(ids, key.id)
		}
	}
	f.previous = valid
	return ids, errors.Join(f.onChange(f.signing.Key, keysOf(valid)), f.removeUnneeded())
}

// NextExpiry returns when the next secret expires. It returns the zero time if only one
// secret is left.
func (f *Folder) NextExpiry() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.previous) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(f.previous, func(a, b keptKey) int { return a.until.Compare(b.until) }).until
}

// keys returns what Keys returns. The caller holds the lock, as for all methods below.
func (f *Folder) keys() (signing Key, verifying []Key) { return f.signing.Key, keysOf(f.valid()) }

// valid returns the previous keys that have not expired.
func (f *Folder) valid() []keptKey {
	now := f.clock.Now()
	return slices.DeleteFunc(slices.Clone(f.previous), func(key keptKey) bool { return !now.Before(key.until) })
}

func keysOf(kept []keptKey) []Key {
	keys := make([]Key, len(kept))
	for i, key := range kept {
		keys[i] = key.Key
	}
	return keys
}

func (f *Folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *Folder) previousPath(key Key) string { return f.path(previousPrefix + key.id + keySuffix) }

func (f *Folder) readSigning() (keptKey, error) {
	path := f.path(SecretFile)
	secret, err := loadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		return keptKey{}, nil
	}
	if err != nil {
		return keptKey{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return keptKey{}, err
	}
	key, err := NewSecret(secret)
	return keptKey{Key: key, since: info.ModTime()}, err
}

// readPrevious reads the previous secrets, and finds the files that are not needed.
func (f *Folder) readPrevious() error {
	entries, err := os.ReadDir(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := f.path(entry.Name())
		switch {
		case isPreviousName(entry.Name()):
			key, err := readPreviousKey(path)
			if err != nil {
				return err
			}
			if key.id == f.signing.id { // left by a crash during a rotation
				f.unneeded = append(f.unneeded, path)
				continue
			}
			f.previous = append(f.previous, key)
		case isTempName(entry.Name()):
			f.unneeded = append(f.unneeded, path)
		}
	}
	slices.SortFunc(f.previous, func(a, b keptKey) int { return b.since.Compare(a.since) })
	return nil
}

// create makes the first secret, for tokens that live for ttl.
func (f *Folder) create(ttl time.Duration) error {
	for _, key := range f.previous {
		f.unneeded = append(f.unneeded, f.previousPath(key.Key))
	}
	f.previous = nil
	if err := f.removeUnneeded(); err != nil {
		return err
	}
	path := f.path(SecretFile)
	if err := durable.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	if err := f.setLifetime(lifetime{TokenTTL: ttl}); err != nil {
		return err
	}
	if _, err := LoadOrCreateSecret(path); err != nil {
		return err
	}
	var err error
	if f.signing, err = f.readSigning(); err != nil {
		return err
	}
	return f.onChange(f.keys())
}

// checkUnchanged returns an error if the file of the secret that signs has another secret.
// The folder may have been replaced while the server runs.
func (f *Folder) checkUnchanged() error {
	path := f.path(SecretFile)
	secret, err := readSecret(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(secret, f.signing.secret()) {
		return fmt.Errorf("the key in %s is not the one that signs: it was replaced meanwhile; restart the server to sign with it", path)
	}
	return nil
}

// rotate replaces the key that signs. After an error, the keys are as they were.
func (f *Folder) rotate() error {
	before, previous := f.signing, f.previous
	if err := f.replaceSigning(); err != nil {
		return errors.Join(err, f.restore(before, previous))
	}
	f.setUntil(f.lifetime.lastExpiry(f.clock.Now()))
	return nil
}

// replaceSigning makes a new key that signs. An error may leave some of the steps done.
func (f *Folder) replaceSigning() error {
	next, err := NewSecret(randomSecret())
	if err != nil {
		return err
	}
	earlier := f.signing
	// The earlier key signs until the new one is on disk.
	earlier.until = f.lifetime.lastExpiry(f.clock.Now()).Add(rotationTime)
	if err := f.writePrevious(earlier); err != nil {
		return err
	}
	if err := f.writeSigning(next); err != nil {
		return err
	}
	f.signing = keptKey{Key: next, since: f.clock.Now()}
	f.previous = append([]keptKey{earlier}, f.previous...)
	return f.onChange(f.keys())
}

// setUntil sets the exact time until which the key that was replaced last verifies. If its
// file cannot be written, the file keeps a later time, which counts after a restart.
func (f *Folder) setUntil(until time.Time) {
	f.previous[0].until = until
	_ = f.writePrevious(f.previous[0])
	// The new key has signed no token with an earlier lifetime.
	_ = f.setLifetime(lifetime{TokenTTL: f.lifetime.TokenTTL})
}

// restore undoes a rotation that has failed.
func (f *Folder) restore(signing keptKey, previous []keptKey) error {
	changed := f.signing.id != signing.id
	f.signing, f.previous = signing, previous
	if secret, err := readSecret(f.path(SecretFile)); err != nil || !bytes.Equal(secret, signing.secret()) {
		if err := f.writeSigning(signing.Key); err != nil {
			return err
		}
	}
	err := os.Remove(f.previousPath(signing.Key))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if changed {
		err = errors.Join(err, f.onChange(f.keys()))
	}
	return err
}

// writeSigning makes a key the one that signs after the next start.
func (f *Folder) writeSigning(key Key) error { return f.write(f.path(SecretFile), key.secret()) }

// write creates or replaces a file.
func (f *Folder) write(path string, content []byte) error {
	return f.replace(path, func(file *os.File) error {
		_, err := file.Write(content)
		return err
	})
}

func (f *Folder) removeUnneeded() error {
	if len(f.unneeded) == 0 {
		return nil
	}
	if _, err := os.Stat(f.dir); err != nil { // the folder was moved, and may be moved back
		return err
	}
	var problems []error
	f.unneeded = slices.DeleteFunc(f.unneeded, func(path string) bool {
		err := os.Remove(path)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return true
		}
		problems = append(problems, err)
		return false
	})
	return errors.Join(append(problems, durable.SyncDir(f.dir))...)
}

func (k keptKey) describe(signs bool) domain.TokenKey {
	key := k.describeKey(signs)
	key.Since, key.Until = k.since.UTC().Truncate(time.Second), k.until
	return key
}

// readLimited returns the content of a file of at most the given number of bytes, or an
// error if there are more.
func readLimited(file io.Reader, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(text)) > most {
		err = errors.New("it is too large")
	}
	return text, err
}
