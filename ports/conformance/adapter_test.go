package conformance_test

// A complete adapter of somebody else's, and its proof: a blacklist in a folder,
// for servers that share a file system. The README points here.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

// The proof: every promise of the port's doc comments, two handles of one store
// that must agree, and what a store keeps when it is opened again.

func TestFileBlacklist(t *testing.T) {
	conformance.TokenBlacklist(t, func(t *testing.T) ports.TokenBlacklist {
		return fileBlacklist{dir: t.TempDir()}
	})
}

func TestFileBlacklistShared(t *testing.T) {
	conformance.TokenBlacklist(t, func(t *testing.T) ports.TokenBlacklist {
		dir := t.TempDir()
		return conformance.SharedBlacklist(fileBlacklist{dir}, fileBlacklist{dir})
	})
}

func TestFileBlacklistDurable(t *testing.T) {
	conformance.DurableBlacklist(t, func(t *testing.T) (ports.TokenBlacklist, func() ports.TokenBlacklist) {
		dir := t.TempDir()
		return fileBlacklist{dir}, func() ports.TokenBlacklist { return fileBlacklist{dir} }
	})
}

// The adapter.

// fileBlacklist remembers a token as an empty file that is named for the token's
// expiry, in Unix seconds, and id: 1795343602.5b59a636-4968-4818-8bdf-08df597a1e10.
type fileBlacklist struct {
	dir string
}

// Add implements [ports.TokenBlacklist]. A name is durable when its folder is
// synced.
func (b fileBlacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	name := fmt.Sprintf("%d.%s", token.ExpiresAt.Unix(), token.ID)
	return b.do(ctx, func() error {
		file, err := os.OpenFile(filepath.Join(b.dir, name), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		return errors.Join(file.Close(), b.sync())
	})
}

// Contains implements [ports.TokenBlacklist].
func (b fileBlacklist) Contains(ctx context.Context, id domain.UUID) (found bool, err error) {
	err = b.do(ctx, func() error {
		matches, err := filepath.Glob(filepath.Join(b.dir, "*."+id.String()))
		if err == nil && len(matches) == 0 {
			_, err = os.Stat(b.dir) // which Glob does not tell from an empty one
		}
		found = len(matches) > 0
		return err
	})
	return found, err
}

// Purge implements [ports.TokenBlacklist].
func (b fileBlacklist) Purge(ctx context.Context, now time.Time) (forgotten int, err error) {
	err = b.do(ctx, func() error {
		files, err := os.ReadDir(b.dir)
		if err != nil {
			return err
		}
		for _, file := range files {
			if !expired(file.Name(), now) {
				continue
			}
			switch err := os.Remove(filepath.Join(b.dir, file.Name())); {
			case err == nil:
				forgotten++
			case !errors.Is(err, fs.ErrNotExist): // else another server was quicker
				return err
			}
		}
		return b.sync()
	})
	return forgotten, err
}

// do turns the technology's errors into the domain's kinds.
func (b fileBlacklist) do(ctx context.Context, work func() error) error {
	err := ctx.Err()
	if err == nil {
		err = work()
	}
	if err != nil {
		return &domain.Error{Kind: domain.Unavailable, Err: err}
	}
	return nil
}

func (b fileBlacklist) sync() error {
	dir, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// expired reports whether it is the file of a token that had expired by now.
func expired(name string, now time.Time) bool {
	expiry, _, _ := strings.Cut(name, ".")
	seconds, err := strconv.ParseInt(expiry, 10, 64)
	return err == nil && domain.BlacklistedToken{ExpiresAt: time.Unix(seconds, 0)}.ForgettableAt(now)
}
