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
	"slices"
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
// An expiry and the word forgotten is a mark: Purge forgot tokens up to there.
type fileBlacklist struct {
	dir string
}

const mark = "forgotten"

// Add implements [ports.TokenBlacklist].
func (b fileBlacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	return b.do(ctx, func() error { return b.create(token.ExpiresAt, token.ID.String()) })
}

// Contains implements [ports.TokenBlacklist]. It looks for marks last, because
// Purge makes them first.
func (b fileBlacklist) Contains(ctx context.Context, token domain.BlacklistedToken) (found bool, err error) {
	err = b.do(ctx, func() error {
		matches, err := b.named(token.ID.String())
		if found = len(matches) > 0; found || err != nil {
			return err
		}
		marks, err := b.named(mark)
		for _, name := range marks {
			found = found || !token.ExpiresAt.After(expiry(name))
		}
		return err
	})
	return found, err
}

// Purge implements [ports.TokenBlacklist].
func (b fileBlacklist) Purge(ctx context.Context, now time.Time) (forgotten int, err error) {
	err = b.do(ctx, func() error {
		expired, err := b.named("*-*") // what looks like a token's id
		expired = slices.DeleteFunc(expired, func(name string) bool { return expiry(name).After(now) })
		if err != nil || len(expired) == 0 {
			return err
		}
		latest := slices.MaxFunc(expired, func(a, b string) int { return expiry(a).Compare(expiry(b)) })
		if err := b.create(expiry(latest), mark); err != nil {
			return err
		}
		for _, name := range expired {
			switch err := os.Remove(filepath.Join(b.dir, name)); {
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

// create makes a file. Its name is durable when the folder is synced.
func (b fileBlacklist) create(expiry time.Time, what string) error {
	name := filepath.Join(b.dir, fmt.Sprintf("%d.%s", expiry.Unix(), what))
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), b.sync())
}

// named returns the names of the files of whatever expiry.
func (b fileBlacklist) named(what string) ([]string, error) {
	names, err := fs.Glob(os.DirFS(b.dir), "*."+what)
	if err == nil && len(names) == 0 {
		_, err = os.Stat(b.dir) // which Glob does not tell from an empty one
	}
	return names, err
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

// expiry returns the one in a file's name.
func expiry(name string) time.Time {
	digits, _, _ := strings.Cut(name, ".")
	seconds, _ := strconv.ParseInt(digits, 10, 64) // nobody else makes files here
	return time.Unix(seconds, 0)
}
