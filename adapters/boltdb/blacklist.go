package boltdb

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// maxPurge bounds what Purge deletes in one transaction, and so how long other
// writers wait for it.
const maxPurge = 1000

// Blacklist remembers logged-out tokens. It implements [ports.TokenBlacklist].
//
// This process owns the file, so all of them are in memory as well, where
// Contains finds them without touching the disk. Memory follows the disk: a
// token is there after it is durable and until its removal is.
//
// A key without an id is a mark: every token that expires no later may be one
// that was forgotten. There is none before the first purge, and the latest counts.
type Blacklist struct {
	*store
	mu       sync.RWMutex
	expiries map[domain.UUID]int64 // Unix seconds by jti
	mark     int64                 // Unix seconds
}

// noMark is earlier than every expiry.
const noMark = math.MinInt64

var (
	_ ports.TokenBlacklist = (*Blacklist)(nil)
	_ ports.TokenCounter   = (*Blacklist)(nil)
)

// Add implements [ports.TokenBlacklist]. A token that is added with different
// expiries is remembered until the latest.
func (b *Blacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	expiry, kept, err := b.lookUp(ctx, token)
	if err != nil {
		return err
	}
	if kept && expiry >= token.ExpiresAt.Unix() {
		return nil
	}
	return b.AddAll(ctx, []domain.BlacklistedToken{token})
}

// AddAll is Add for many tokens, in one transaction.
func (b *Blacklist) AddAll(ctx context.Context, tokens []domain.BlacklistedToken) error {
	return b.update(ctx, func(tx *bbolt.Tx) error {
		for _, token := range tokens {
			if err := blacklistTable.put(tx, tokenKey(token), nil); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		for _, token := range tokens {
			b.remember(token)
		}
	})
}

// Contains implements [ports.TokenBlacklist].
func (b *Blacklist) Contains(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
	_, kept, err := b.lookUp(ctx, token)
	return kept, err
}

// Purge implements [ports.TokenBlacklist].
func (b *Blacklist) Purge(ctx context.Context, now time.Time) (forgotten int, err error) {
	for {
		expired, marks, err := b.expired(ctx, now)
		if err != nil || len(expired) == 0 {
			return forgotten, err
		}
		n := 0
		err = b.update(ctx, func(tx *bbolt.Tx) error { return replaceByMark(tx, expired, marks) },
			func() { n = b.forget(expired) })
		if err != nil {
			return forgotten, err
		}
		forgotten += n
	}
}

// Count implements [ports.TokenCounter].
func (b *Blacklist) Count(ctx context.Context) (int, error) {
	if err := b.usable(ctx); err != nil {
		return 0, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.expiries), nil
}

// expired returns the maxPurge tokens that expired first, or all that had by now,
// and the marks before them.
func (b *Blacklist) expired(ctx context.Context, now time.Time) (tokens []domain.BlacklistedToken, marks []time.Time, err error) {
	err = b.view(ctx, func(tx *readTx) error {
		cursor := tx.cursor(blacklistTable)
		for key, value := cursor.First(); key != nil && len(tokens) < maxPurge; key, value = cursor.Next() {
			token, isMark, err := readToken(key, value)
			switch {
			case err != nil:
				return err
			case !token.ForgettableAt(now):
				return nil
			case isMark:
				marks = append(marks, token.ExpiresAt)
			default:
				tokens = append(tokens, token)
			}
		}
		return nil
	})
	return tokens, marks, err
}

// replaceByMark takes tokens and marks, all in order of expiry, off the disk and
// puts one mark in their place.
func replaceByMark(tx *bbolt.Tx, tokens []domain.BlacklistedToken, marks []time.Time) error {
	latest := tokens[len(tokens)-1].ExpiresAt
	for _, mark := range marks {
		if err := blacklistTable.delete(tx, markKey(mark)); err != nil {
			return err
		}
		if mark.After(latest) {
			latest = mark
		}
	}
	for _, token := range tokens {
		if err := blacklistTable.delete(tx, tokenKey(token)); err != nil {
			return err
		}
	}
	return blacklistTable.put(tx, markKey(latest), nil)
}

// load makes memory what the file remembers.
func (b *Blacklist) load() error {
	expiries, mark := map[domain.UUID]int64{}, int64(noMark)
	err := b.view(context.Background(), func(tx *readTx) error {
		return blacklistTable.in(tx.Tx).ForEach(func(key, value []byte) error {
			token, isMark, err := readToken(key, value)
			expiry := token.ExpiresAt.Unix()
			switch {
			case err != nil:
				return err
			case isMark:
				mark = max(mark, expiry)
			default: // those of one token are in rising order
				expiries[token.ID] = expiry
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expiries, b.mark = expiries, mark
	return nil
}

// lookUp reports whether the token is remembered, and until when: as a forgotten
// one, until the mark.
func (b *Blacklist) lookUp(ctx context.Context, token domain.BlacklistedToken) (expiry int64, kept bool, err error) {
	if err := b.usable(ctx); err != nil {
		return 0, false, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	expiry, kept = b.expiries[token.ID]
	if !kept && token.ExpiresAt.Unix() <= b.mark {
		return b.mark, true, nil
	}
	return expiry, kept, nil
}

// usable returns an Unavailable error when memory must not be asked any more.
func (b *Blacklist) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	if b.isStopped() {
		return unavailable(errClosed)
	}
	return nil
}

// remember puts a token into memory that is on disk.
func (b *Blacklist) remember(token domain.BlacklistedToken) {
	b.mu.Lock()
	defer b.mu.Unlock()
	expiry, kept := b.expiries[token.ID]
	if !kept || expiry < token.ExpiresAt.Unix() {
		b.expiries[token.ID] = token.ExpiresAt.Unix()
	}
}

// forget drops tokens from memory that are no longer on disk, save those that
// are there with a later expiry too, and returns how many.
func (b *Blacklist) forget(tokens []domain.BlacklistedToken) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, token := range tokens {
		b.mark = max(b.mark, token.ExpiresAt.Unix())
		if expiry, kept := b.expiries[token.ID]; kept && expiry == token.ExpiresAt.Unix() {
			delete(b.expiries, token.ID)
			n++
		}
	}
	return n
}

// expirySign is flipped in keys, so that the times before 1970, which are
// negative, come before the others.
const expirySign = 1 << 63

// tokenKey begins with the expiry, so that a purge finds the expired tokens
// first and need not see the others.
func tokenKey(token domain.BlacklistedToken) []byte {
	return append(markKey(token.ExpiresAt), token.ID[:]...)
}

func markKey(expiry time.Time) []byte {
	return number(uint64(expiry.Unix()) ^ expirySign) //nolint:gosec // the sign is expirySign's business
}

// readToken reads what tokenKey made, or markKey: then all that is known is the
// expiry.
func readToken(key, value []byte) (token domain.BlacklistedToken, isMark bool, err error) {
	if _, err := blacklistTable.unseal(key, value); err != nil {
		return domain.BlacklistedToken{}, false, err
	}
	switch len(key) - 8 {
	case 0:
		isMark = true
	case len(token.ID):
		token.ID = domain.UUID(key[8:])
	default:
		return domain.BlacklistedToken{}, false, blacklistTable.damaged(key, errors.New("it is no token"))
	}
	expiry := int64(binary.BigEndian.Uint64(key) ^ expirySign) //nolint:gosec // as in markKey
	token.ExpiresAt = time.Unix(expiry, 0).UTC()
	return token, isMark, nil
}
