package conformance_test

// This file is a complete example of an adapter and its tests: a blacklist in a folder,
// for one server.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

// The tests run the suite on a new folder, and on a folder that is opened again.

func TestFileBlacklist(t *testing.T) {
	t.Parallel()
	conformance.TokenBlacklist(t, func(t *testing.T, clock ports.Clock) ports.TokenBlacklist {
		return openFileBlacklist(t.TempDir(), clock)
	})
}

func TestFileBlacklistDurable(t *testing.T) {
	t.Parallel()
	conformance.DurableBlacklist(t, func(t *testing.T, clock ports.Clock) (ports.TokenBlacklist, func(ports.Clock) ports.TokenBlacklist) {
		dir := t.TempDir()
		reopen := func(clock ports.Clock) ports.TokenBlacklist { return openFileBlacklist(dir, clock) }
		return reopen(clock), reopen
	})
}

// The adapter.

// fileBlacklist remembers a token by a file. Its name is the token's id. It holds the
// ends of the token's retention and its lifetime in seconds. A cut-off is a file too. Its name is
// "account-" and the account's public id. It also holds the value. The file named
// "running" holds the running time in seconds.
type fileBlacklist struct {
	dir   string
	clock ports.Clock
	start time.Duration // running time of the store minus that of the process
	mu    sync.Mutex
}

const runningFile = "running"

func openFileBlacklist(dir string, clock ports.Clock) *fileBlacklist {
	b := &fileBlacklist{dir: dir, clock: clock}
	var stored int64
	_, _ = b.read(runningFile, &stored) // a new folder has no such file
	b.start = time.Duration(stored)*time.Second - clock.Running()
	return b
}

func (b *fileBlacklist) running() time.Duration { return b.start + b.clock.Running() }

// Add implements [ports.TokenBlacklist].
func (b *fileBlacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	return b.do(ctx, func() error {
		return b.remember(token.ID.String(), token.RetentionFrom(b.running()), token.Lifetime)
	})
}

// EndTokens implements [ports.TokenBlacklist].
func (b *fileBlacklist) EndTokens(ctx context.Context, c domain.CutOff) error {
	return b.do(ctx, func() error {
		return b.remember(cutOffFile(c.Subject), c.RetentionFrom(b.running()), c.Lifetime, c.Value)
	})
}

func cutOffFile(subject domain.UUID) string { return cutOffPrefix + subject.String() }

const cutOffPrefix = "account-"

// remember writes the file of a token or a cut-off.
func (b *fileBlacklist) remember(name string, retention domain.Retention, lifetime time.Duration, value ...any) error {
	earlier, err := b.entry(name)
	if err != nil {
		return err
	}
	retention = retention.Extended(earlier.Retention)
	lifetime = max(lifetime, earlier.lifetime)
	return b.write(name, append([]any{retention.ExpiresAt.Unix(), roundUp(retention.Until), roundUp(lifetime)}, value...)...)
}

// roundUp returns the seconds of a duration.
func roundUp(d time.Duration) int64 {
	return int64(min(d, math.MaxInt64-time.Second)+time.Second-1) / int64(time.Second)
}

// CutOff implements [ports.TokenBlacklist].
func (b *fileBlacklist) CutOff(ctx context.Context, subject domain.UUID) (value domain.UUID, err error) {
	err = b.do(ctx, func() error {
		cutOff, err := b.entry(cutOffFile(subject))
		value = cutOff.value
		return err
	})
	return value, err
}

// Check implements [ports.TokenBlacklist].
func (b *fileBlacklist) Check(ctx context.Context, claims domain.Claims) (revocation domain.Revocation, err error) {
	err = b.do(ctx, func() error {
		token, err := b.entry(claims.ID.String())
		if err != nil {
			return err
		}
		cutOff, err := b.entry(cutOffFile(claims.Subject))
		revocation = domain.Revocation{LoggedOut: token.found, CutOff: cutOff.value}
		return err
	})
	return revocation, err
}

// Purge implements [ports.TokenBlacklist].
func (b *fileBlacklist) Purge(ctx context.Context, now time.Time) (forgotten int, err error) {
	err = b.do(ctx, func() error {
		running := b.running()
		if err := b.write(runningFile, int64(running/time.Second)); err != nil {
			return err
		}
		names, err := b.names()
		for _, name := range names {
			entry, err := b.entry(name)
			if err != nil {
				return err
			}
			if !entry.EndedAt(now, running) {
				continue
			}
			if err := os.Remove(filepath.Join(b.dir, name)); err != nil {
				return err
			}
			forgotten++
		}
		return errors.Join(err, b.sync())
	})
	return forgotten, err
}

// Count implements [ports.TokenBlacklist]. It reads the whole folder. An adapter
// for many tokens would keep a counter, because the port wants a constant cost.
func (b *fileBlacklist) Count(ctx context.Context) (count int, err error) {
	err = b.do(ctx, func() error {
		names, err := b.names()
		count = len(names)
		return err
	})
	return count, err
}

// Tokens implements [ports.TokenBlacklist]. It reads the whole folder.
func (b *fileBlacklist) Tokens(ctx context.Context, position string, limit int) (domain.Slice[domain.BlacklistedToken], error) {
	return sliceOf(ctx, b, tokenPosition, position, limit, func(name string, e entry) (key string, token domain.BlacklistedToken, err error) {
		token = domain.BlacklistedToken{ExpiresAt: e.ExpiresAt, Lifetime: e.lifetime}
		token.ID, err = domain.ParseUUID(name)
		return fmt.Sprintf("%016x %s", uint64(e.ExpiresAt.Unix())^1<<63, name), token, err
	})
}

// CutOffs implements [ports.TokenBlacklist]. It reads the whole folder.
func (b *fileBlacklist) CutOffs(ctx context.Context, position string, limit int) (domain.Slice[domain.CutOff], error) {
	return sliceOf(ctx, b, cutOffPosition, position, limit, func(name string, e entry) (key string, cutOff domain.CutOff, err error) {
		name, isCutOff := strings.CutPrefix(name, cutOffPrefix)
		if !isCutOff {
			return "", cutOff, errOther
		}
		cutOff = domain.CutOff{Value: e.value, ExpiresAt: e.ExpiresAt, Lifetime: e.lifetime}
		cutOff.Subject, err = domain.ParseUUID(name)
		return name, cutOff, err
	})
}

// The positions are keys of records.
var (
	tokenPosition  = regexp.MustCompile("^([0-9a-f]{16} [0-9a-f-]{36})?$")
	cutOffPosition = regexp.MustCompile("^([0-9a-f-]{36})?$")
)

// errOther is the error for a file of the other kind.
var errOther = errors.New("the file is that of a token")

// sliceOf returns the records after a position, which is the key of a record. Read returns
// the key and the record of a file, or an error for a file of the other kind.
func sliceOf[R any](ctx context.Context, b *fileBlacklist, positions *regexp.Regexp, position string, limit int, read func(name string, e entry) (string, R, error)) (slice domain.Slice[R], err error) {
	if !positions.MatchString(position) {
		return slice, domain.Invalid
	}
	err = b.do(ctx, func() error {
		names, err := b.names()
		records := map[string]R{}
		for _, name := range names {
			e, err := b.entry(name)
			if err != nil {
				return err
			}
			if key, record, err := read(name, e); err == nil {
				records[key] = record
			}
		}
		last := ""
		for _, key := range slices.Sorted(maps.Keys(records)) {
			switch {
			case key <= position:
			case len(slice.Items) == limit:
				slice.Next = last
				return err
			default:
				slice.Items, last = append(slice.Items, records[key]), key
			}
		}
		return err
	})
	return slice, err
}

// entry is the content of a file.
type entry struct {
	domain.Retention
	lifetime time.Duration
	value    domain.UUID // of a cut-off
	found    bool        // false if there is no such file
}

// entry reads the file of a token or a cut-off.
func (b *fileBlacklist) entry(name string) (e entry, err error) {
	var expiry, until, lifetime int64
	var value string
	if e.found, err = b.read(name, &expiry, &until, &lifetime, &value); err != nil || !e.found {
		return e, err
	}
	e.Retention = domain.Retention{ExpiresAt: time.Unix(expiry, 0).UTC(), Until: time.Duration(until) * time.Second}
	e.lifetime = time.Duration(lifetime) * time.Second
	if value != "" {
		e.value, err = domain.ParseUUID(value)
	}
	return e, err
}

// names returns the names of the files of tokens and cut-offs.
func (b *fileBlacklist) names() ([]string, error) {
	tokens, err := fs.Glob(os.DirFS(b.dir), "????????-*-????????????")
	cutOffs, errCutOffs := fs.Glob(os.DirFS(b.dir), "account-????????-*-????????????")
	return append(tokens, cutOffs...), errors.Join(err, errCutOffs)
}

// read reads the fields of a file. It returns false if the file does not exist.
func (b *fileBlacklist) read(name string, fields ...any) (bool, error) {
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(b.dir) // the file may be missing, but not the folder
		return false, err
	}
	for i, field := range strings.Fields(string(text)) {
		if _, err := fmt.Sscan(field, fields[i]); err != nil {
			return true, err
		}
	}
	return true, err
}

// write replaces a file and syncs the folder, which makes its name durable.
func (b *fileBlacklist) write(name string, fields ...any) error {
	file, err := os.CreateTemp(b.dir, "new-*")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, fields...)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(file.Name(), filepath.Join(b.dir, name)), b.sync())
}

// do returns the error of work as an Unavailable error.
func (b *fileBlacklist) do(ctx context.Context, work func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := ctx.Err()
	if err == nil {
		err = work()
	}
	if err != nil {
		return &domain.Error{Kind: domain.Unavailable, Err: err}
	}
	return nil
}

func (b *fileBlacklist) sync() error {
	dir, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
