package conformance_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// folderBlacklist keeps logged-out tokens and cut-offs in memory and in blacklist.json. The
// store in memory cannot do this: it begins its running time anew.
type folderBlacklist struct {
	folder *folder
	clock  ports.Clock
	start  time.Duration // running time of the store minus that of the process
	file   blacklistFile
}

// blacklistFile is the content of blacklist.json.
type blacklistFile struct {
	Running time.Duration         `json:"running"` // at the last Purge
	Tokens  map[domain.UUID]entry `json:"tokens"`
	CutOffs map[domain.UUID]entry `json:"cut_offs"` // by the public id of the account
}

// entry is a logged-out token or a cut-off.
type entry struct {
	domain.Retention
	Lifetime time.Duration `json:"lifetime"`
	Value    domain.UUID   `json:"value,omitzero"` // of a cut-off
}

func openFolderBlacklist(f *folder, clock ports.Clock) (*folderBlacklist, error) {
	b := &folderBlacklist{folder: f, clock: clock}
	err := f.read("blacklist.json", &b.file)
	b.start = b.file.Running - clock.Running()
	if b.file.Tokens == nil { // there is no file yet
		b.file.Tokens, b.file.CutOffs = map[domain.UUID]entry{}, map[domain.UUID]entry{}
	}
	return b, err
}

func (b *folderBlacklist) running() time.Duration { return b.start + b.clock.Running() }

// read calls f. It returns Unavailable if the context has ended or the store is closed.
func (b *folderBlacklist) read(ctx context.Context, f func()) error {
	b.folder.mu.Lock()
	defer b.folder.mu.Unlock()
	if err := b.folder.Ping(ctx); err != nil {
		return err
	}
	f()
	return nil
}

// write is read, and saves the blacklist.
func (b *folderBlacklist) write(ctx context.Context, f func()) error {
	return b.folder.write(func() error {
		if err := b.folder.Ping(ctx); err != nil {
			return err
		}
		f()
		return nil
	}, func() error { return b.folder.replace("blacklist.json", b.file) })
}

func (b *folderBlacklist) Add(ctx context.Context, t domain.BlacklistedToken) error {
	return b.write(ctx, func() {
		remember(b.file.Tokens, t.ID, entry{Retention: t.RetentionFrom(b.running()), Lifetime: domain.WholeSeconds(t.Lifetime)})
	})
}

func (b *folderBlacklist) EndTokens(ctx context.Context, c domain.CutOff) error {
	return b.write(ctx, func() {
		remember(b.file.CutOffs, c.Subject, entry{c.RetentionFrom(b.running()), domain.WholeSeconds(c.Lifetime), c.Value})
	})
}

// remember adds an entry. If there is an earlier one, the later of both ends count.
func remember(entries map[domain.UUID]entry, id domain.UUID, e entry) {
	e.Retention = e.Extended(entries[id].Retention)
	e.Lifetime = max(e.Lifetime, entries[id].Lifetime)
	entries[id] = e
}

func (b *folderBlacklist) CutOff(ctx context.Context, subject domain.UUID) (value domain.UUID, err error) {
	err = b.read(ctx, func() { value = b.file.CutOffs[subject].Value })
	return value, err
}

func (b *folderBlacklist) Check(ctx context.Context, claims domain.Claims) (revocation domain.Revocation, err error) {
	err = b.read(ctx, func() {
		_, loggedOut := b.file.Tokens[claims.ID]
		revocation = domain.Revocation{LoggedOut: loggedOut, CutOff: b.file.CutOffs[claims.Subject].Value}
	})
	return revocation, err
}

func (b *folderBlacklist) Purge(ctx context.Context, now time.Time) (forgotten int, err error) {
	err = b.write(ctx, func() {
		b.file.Running = b.running()
		before := b.count()
		ended := func(_ domain.UUID, e entry) bool { return e.EndedAt(now, b.file.Running) }
		maps.DeleteFunc(b.file.Tokens, ended)
		maps.DeleteFunc(b.file.CutOffs, ended)
		forgotten = before - b.count()
	})
	return forgotten, err
}

func (b *folderBlacklist) Count(ctx context.Context) (n int, err error) {
	err = b.read(ctx, func() { n = b.count() })
	return n, err
}

func (b *folderBlacklist) count() int { return len(b.file.Tokens) + len(b.file.CutOffs) }

func (b *folderBlacklist) Tokens(ctx context.Context, position string, limit int) (domain.Slice[domain.BlacklistedToken], error) {
	byKey := map[string]domain.BlacklistedToken{}
	err := b.read(ctx, func() {
		for id, e := range b.file.Tokens {
			byKey[fmt.Sprintf("%016x %s", uint64(e.ExpiresAt.Unix())^1<<63, id)] = domain.BlacklistedToken{
				ID: id, ExpiresAt: e.ExpiresAt, Lifetime: e.Lifetime,
			}
		}
	})
	return sliceOf(byKey, tokenPosition, position, limit, err)
}

func (b *folderBlacklist) CutOffs(ctx context.Context, position string, limit int) (domain.Slice[domain.CutOff], error) {
	byKey := map[string]domain.CutOff{}
	err := b.read(ctx, func() {
		for id, e := range b.file.CutOffs {
			byKey[id.String()] = domain.CutOff{Subject: id, Value: e.Value, ExpiresAt: e.ExpiresAt, Lifetime: e.Lifetime}
		}
	})
	return sliceOf(byKey, cutOffPosition, position, limit, err)
}

// The positions are keys.
var (
	tokenPosition  = regexp.MustCompile("^([0-9a-f]{16} [0-9a-f-]{36})?$")
	cutOffPosition = regexp.MustCompile("^([0-9a-f-]{36})?$")
)

// sliceOf returns the items whose keys are after a position, unless err is not nil. The next
// position is the key of the last item.
func sliceOf[T any](byKey map[string]T, valid *regexp.Regexp, position string, limit int, err error) (slice domain.Slice[T], _ error) {
	if !valid.MatchString(position) {
		return slice, domain.Invalid
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		switch {
		case strings.Compare(key, position) <= 0:
		case len(slice.Items) == limit:
			return slice, err
		default:
			slice.Items, slice.Next = append(slice.Items, byKey[key]), key
		}
	}
	slice.Next = "" // no item follows
	return slice, err
}
