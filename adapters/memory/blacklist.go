package memory

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Blacklist remembers logged-out tokens and cut-offs. Make one with [NewBlacklist].
type Blacklist struct {
	lock    *lock
	running func() time.Duration
	tokens  map[domain.UUID]token  // by the token's id
	cutOffs map[domain.UUID]cutOff // by the account's public id
}

type token struct {
	domain.Retention
	domain.BlacklistedToken // as it was added
}

type cutOff struct {
	domain.Retention
	domain.CutOff // as it was set
}

var _ ports.TokenBlacklist = (*Blacklist)(nil)

// NewBlacklist returns an empty blacklist.
func NewBlacklist() *Blacklist { return newBlacklist(new(lock), sinceNow()) }

// NewBlacklistWithClock is [NewBlacklist] with another clock for the running time.
func NewBlacklistWithClock(clock ports.Clock) *Blacklist {
	return newBlacklist(new(lock), clock.Running)
}

func newBlacklist(l *lock, running func() time.Duration) *Blacklist {
	return &Blacklist{lock: l, running: running, tokens: map[domain.UUID]token{}, cutOffs: map[domain.UUID]cutOff{}}
}

// sinceNow returns a function that returns the time since the call of sinceNow.
func sinceNow() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// Add implements [ports.TokenBlacklist].
func (b *Blacklist) Add(ctx context.Context, added domain.BlacklistedToken) error {
	return b.lock.write(ctx, func() error {
		kept := token{added.RetentionFrom(b.running()), added}
		if earlier, found := b.tokens[added.ID]; found {
			kept.Retention = kept.Extended(earlier.Retention)
			kept.Lifetime = max(kept.Lifetime, earlier.Lifetime)
		}
		b.tokens[added.ID] = kept
		return nil
	})
}

// EndTokens implements [ports.TokenBlacklist].
func (b *Blacklist) EndTokens(ctx context.Context, c domain.CutOff) error {
	return b.lock.write(ctx, func() error {
		kept := cutOff{c.RetentionFrom(b.running()), c}
		if earlier, found := b.cutOffs[c.Subject]; found {
			kept.Retention = kept.Extended(earlier.Retention)
			kept.Lifetime = max(kept.Lifetime, earlier.Lifetime)
		}
		b.cutOffs[c.Subject] = kept
		return nil
	})
}

// CutOff implements [ports.TokenBlacklist].
func (b *Blacklist) CutOff(ctx context.Context, subject domain.UUID) (value domain.UUID, err error) {
	err = b.lock.read(ctx, func() error {
		value = b.cutOffs[subject].Value
		return nil
	})
	return value, err
}

// Check implements [ports.TokenBlacklist].
func (b *Blacklist) Check(ctx context.Context, claims domain.Claims) (revocation domain.Revocation, err error) {
	err = b.lock.read(ctx, func() error {
		_, loggedOut := b.tokens[claims.ID]
		revocation = domain.Revocation{LoggedOut: loggedOut, CutOff: b.cutOffs[claims.Subject].Value}
		return nil
	})
	return revocation, err
}

// Purge implements [ports.TokenBlacklist].
func (b *Blacklist) Purge(ctx context.Context, now time.Time) (forgotten int, err error) {
	err = b.lock.write(ctx, func() error {
		before, running := b.len(), b.running()
		maps.DeleteFunc(b.tokens, func(_ domain.UUID, t token) bool { return t.EndedAt(now, running) })
		maps.DeleteFunc(b.cutOffs, func(_ domain.UUID, c cutOff) bool { return c.EndedAt(now, running) })
		forgotten = before - b.len()
		return nil
	})
	return forgotten, err
}

// Count implements [ports.TokenBlacklist].
func (b *Blacklist) Count(ctx context.Context) (n int, err error) {
	err = b.lock.read(ctx, func() error {
		n = b.len()
		return nil
	})
	return n, err
}

func (b *Blacklist) len() int { return len(b.tokens) + len(b.cutOffs) }

// Tokens implements [ports.TokenBlacklist].
func (b *Blacklist) Tokens(ctx context.Context, position string, limit int) (slice domain.Slice[domain.BlacklistedToken], err error) {
	key := func(t domain.BlacklistedToken) string {
		return fmt.Sprintf("%016x%x", uint64(t.ExpiresAt.Unix())^1<<63, t.ID[:]) //nolint:gosec // keeps the bits
	}
	err = b.lock.read(ctx, func() error {
		tokens := make([]domain.BlacklistedToken, 0, len(b.tokens))
		for id, t := range b.tokens {
			tokens = append(tokens, domain.BlacklistedToken{ID: id, ExpiresAt: t.Retention.ExpiresAt, Lifetime: domain.WholeSeconds(t.Lifetime)})
		}
		slice, err = sortedSlice(tokens, 24, key, position, limit)
		return err
	})
	return slice, err
}

// CutOffs implements [ports.TokenBlacklist].
func (b *Blacklist) CutOffs(ctx context.Context, position string, limit int) (slice domain.Slice[domain.CutOff], err error) {
	key := func(c domain.CutOff) string { return hex.EncodeToString(c.Subject[:]) }
	err = b.lock.read(ctx, func() error {
		cutOffs := make([]domain.CutOff, 0, len(b.cutOffs))
		for _, c := range b.cutOffs {
			cutOffs = append(cutOffs, domain.CutOff{
				Subject: c.Subject, Value: c.Value, ExpiresAt: c.Retention.ExpiresAt, Lifetime: domain.WholeSeconds(c.Lifetime),
			})
		}
		slice, err = sortedSlice(cutOffs, 16, key, position, limit)
		return err
	})
	return slice, err
}

// sortedSlice sorts the records by key and returns a slice of them: see sliceOf.
func sortedSlice[R any](records []R, size int, key func(R) string, position string, limit int) (domain.Slice[R], error) {
	slices.SortFunc(records, func(a, b R) int { return strings.Compare(key(a), key(b)) })
	return sliceOf(records, size, key, func(r R) R { return r }, position, limit)
}
