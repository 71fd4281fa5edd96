package boltdb

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// maxPurge is the maximum number of rows that Purge deletes in one transaction. It
// limits how long other writes wait.
const maxPurge = 1000

// runningKey is the only key of the table of the running time.
const runningKey = "running"

// blacklist implements [ports.TokenBlacklist].
//
// All tokens and cut-offs are in memory too, and Check does not read the file: no other
// process can write to it. A token or a cut-off is added to memory after it was written
// to disk, and removed from memory after it was removed from disk.
//
// The running time is the time that the file had counted when it was opened, and the
// time that has passed since by the monotonic clock. Purge stores it. After a crash the
// time since the last purge is not counted, so that tokens are remembered longer.
//
// Files of format 3 or older may have a watermark: a key with an expiry and without an
// id. See [domain.BlacklistedToken.ForgottenThrough]. If there are several, the latest
// counts. Nothing writes or deletes one.
type blacklist struct {
	engine  *engine.DB
	process func() time.Duration // running time of this process

	mu         sync.RWMutex
	retentions map[domain.UUID]retention // by the token's id
	cutOffs    map[domain.UUID]cutOff    // by the account's public id
	watermark  int64                     // Unix seconds; noWatermark in a file that has none
	loaded     bool                      // start and stored are set
	start      time.Duration             // running time of the file minus that of the process
	stored     time.Duration             // running time in the file
}

// noWatermark is earlier than every expiry.
const noWatermark = math.MinInt64

// runningOf returns the running time of the process by the clock, or by the monotonic
// clock if clock is nil.
func runningOf(clock ports.Clock) func() time.Duration {
	if clock != nil {
		return clock.Running
	}
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

func (b *blacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	if err := b.engine.Ready(ctx); err != nil {
		return err
	}
	wanted, enough := b.wanted(token)
	if enough {
		return nil
	}
	key := tokenKey(token.ID, wanted.expiry)
	return b.engine.Update(ctx, func(tx *engine.Tx) error {
		added := wanted
		switch record, err := blacklistTable.Get(tx, key); {
		case err == nil: // a call of Add for the same token may have been faster
			row, err := readToken(engine.Row{Key: key, Record: record})
			if err != nil {
				return err
			}
			added = added.extended(row.retention)
		case !errors.Is(err, domain.NotFound):
			return err
		}
		return blacklistTable.Put(tx, key, encodeToken(added))
	}, func() { b.remember(token.ID, wanted) })
}

func (b *blacklist) Check(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
	if err := b.engine.Ready(ctx); err != nil {
		return domain.Revocation{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return domain.Revocation{LoggedOut: b.isLoggedOut(&claims), CutOff: b.cutOffs[claims.Subject].value}, nil
}

func (b *blacklist) isLoggedOut(claims *domain.Claims) bool {
	if _, found := b.retentions[claims.ID]; found {
		return true
	}
	return b.watermark != noWatermark &&
		domain.NewBlacklistedToken(*claims).ForgottenThrough(time.Unix(b.watermark, 0))
}

func (b *blacklist) Purge(ctx context.Context, now time.Time) (purged int, err error) {
	for {
		running := b.running()
		rows, err := b.ended(ctx, now, running)
		if err != nil || len(rows) == 0 && !b.mustStore(running) {
			return purged, err
		}
		var deleted []engine.TableRow
		n := 0
		err = b.engine.Update(ctx, func(tx *engine.Tx) (err error) {
			deleted, err = purge(tx, rows, running)
			return err
		}, func() { n = b.forget(deleted, now, running) })
		if err != nil {
			return purged, err // the engine may set n later
		}
		purged += n
		if len(rows) < maxPurge {
			return purged, nil
		}
	}
}

func (b *blacklist) Count(ctx context.Context) (int, error) {
	if err := b.engine.Ready(ctx); err != nil {
		return 0, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.retentions) + len(b.cutOffs), nil
}

// running returns the running time of the file.
func (b *blacklist) running() time.Duration {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.start + b.process()
}

// mustStore reports whether the running time must be stored: it has grown, and there are
// tokens or cut-offs whose retention depends on it. So a server without them does not
// write.
func (b *blacklist) mustStore(running time.Duration) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return running > b.stored && len(b.retentions)+len(b.cutOffs) > 0
}

// ended returns copies of the rows of tokens and cut-offs that may be forgotten, at most
// maxPurge.
func (b *blacklist) ended(ctx context.Context, now time.Time, running time.Duration) (rows []engine.TableRow, err error) {
	err = b.engine.View(ctx, func(tx *engine.Tx) error {
		if rows, err = b.endedTokens(tx, now, running); err != nil {
			return err
		}
		rows, err = appendEndedCutOffs(rows, tx, now, running)
		return err
	})
	return rows, err
}

// endedTokens returns copies of the rows of tokens that may be forgotten, in order of
// expiry and at most maxPurge.
func (b *blacklist) endedTokens(tx *engine.Tx, now time.Time, running time.Duration) (rows []engine.TableRow, err error) {
	for row, err := range blacklistTable.Rows(tx, nil) {
		if err != nil {
			return nil, err
		}
		token, err := readToken(row)
		switch {
		case err != nil:
			return nil, err
		case token.expiry > now.Unix() || len(rows) == maxPurge:
			return rows, nil
		case !token.isWatermark && b.latest(token).endedAt(now, running):
			rows = append(rows, cloned(blacklistTable, row))
		}
	}
	return rows, nil
}

// cloned returns a copy of a row that can be used after the transaction.
func cloned(table engine.Table, row engine.Row) engine.TableRow {
	row.Key, row.Payload = slices.Clone(row.Key), slices.Clone(row.Payload)
	return engine.TableRow{Table: table, Row: row}
}

// latest returns the retention of the token of a row, extended by that in memory. Memory has
// the values of all rows of the token, except of one that was committed just now.
func (b *blacklist) latest(token tokenRow) retention {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return later(b.retentions, token.id, token.retention)
}

// purge deletes the rows, except those that have changed, and stores the running time. It
// returns the rows that it has deleted.
func purge(tx *engine.Tx, rows []engine.TableRow, running time.Duration) (deleted []engine.TableRow, err error) {
	for _, row := range rows {
		record, err := row.Table.Get(tx, row.Key)
		if errors.Is(err, domain.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if record.Version != row.Version || !bytes.Equal(record.Payload, row.Payload) {
			continue // the token was added again, or the tokens of the account were ended again
		}
		if err := row.Table.Delete(tx, row.Key); err != nil {
			return nil, err
		}
		deleted = append(deleted, row)
	}
	return deleted, runningTable.Put(tx, []byte(runningKey), encodeRunning(running))
}

// Tokens implements [ports.TokenBlacklist]. A token has several rows if it was added with
// different expiries. Tokens returns the token once, at the row with the latest expiry, which
// is the expiry in memory.
func (b *blacklist) Tokens(ctx context.Context, position string, limit int) (domain.Slice[domain.BlacklistedToken], error) {
	scan := engine.Scan{Table: blacklistTable, Rest: expirySize + len(domain.UUID{})}
	return slice(ctx, b.engine, scan, position, limit, func(_ *engine.Tx, row engine.Row) (token domain.BlacklistedToken, isItem bool, err error) {
		found, err := readToken(row)
		if err != nil || found.isWatermark {
			return token, false, err
		}
		r := b.latest(found)
		if r.expiry != found.expiry {
			return token, false, nil
		}
		return domain.BlacklistedToken{ID: found.id, ExpiresAt: r.expiresAt(), Lifetime: r.lifetimeAt(b.running())}, true, nil
	})
}

// CutOffs implements [ports.TokenBlacklist].
func (b *blacklist) CutOffs(ctx context.Context, position string, limit int) (domain.Slice[domain.CutOff], error) {
	scan := engine.Scan{Table: cutOffTable, Rest: len(domain.UUID{})}
	return slice(ctx, b.engine, scan, position, limit, func(_ *engine.Tx, row engine.Row) (domain.CutOff, bool, error) {
		c, err := readCutOff(row)
		if err != nil {
			return domain.CutOff{}, false, err
		}
		return domain.CutOff{
			Subject: domain.UUID(row.Key), Value: c.value, ExpiresAt: c.expiresAt(), Lifetime: c.lifetimeAt(b.running()),
		}, true, nil
	})
}

// load reads the file into memory. The engine calls it whenever it has opened the file.
func (b *blacklist) load(tx *engine.Tx) error {
	retentions, watermark := map[domain.UUID]retention{}, int64(noWatermark)
	for row, err := range blacklistTable.Rows(tx, nil) {
		if err != nil {
			return err
		}
		token, err := readToken(row)
		switch {
		case err != nil:
			return err
		case token.isWatermark:
			watermark = max(watermark, token.expiry)
		default:
			retentions[token.id] = later(retentions, token.id, token.retention)
		}
	}
	cutOffs, err := loadCutOffs(tx)
	if err != nil {
		return err
	}
	stored, err := storedRunning(tx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retentions, b.cutOffs, b.watermark, b.stored = retentions, cutOffs, watermark, stored
	if !b.loaded { // else the running time goes on
		b.start, b.loaded = stored-b.process(), true
	}
	return nil
}

// storedRunning returns the running time in the file, which is 0 in a new file.
func storedRunning(tx *engine.Tx) (time.Duration, error) {
	record, err := runningTable.Get(tx, []byte(runningKey))
	if errors.Is(err, domain.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	running, err := decodeRunning(record)
	if err != nil {
		return 0, runningTable.Damaged([]byte(runningKey), err)
	}
	return running, nil
}

// wanted returns the retention of a token that is logged out now. It returns true if
// memory has no less already.
func (b *blacklist) wanted(token domain.BlacklistedToken) (_ retention, enough bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	added := retentionOf(token.RetentionFrom(b.start+b.process()), token.Lifetime)
	r := later(b.retentions, token.ID, added)
	before, found := b.retentions[token.ID]
	return r, found && r == before
}

// remember adds a token to memory after it was written to disk.
func (b *blacklist) remember(id domain.UUID, r retention) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retentions[id] = later(b.retentions, id, r)
}

// forget removes tokens and cut-offs from memory after their rows were removed from disk,
// and returns how many it removed. It keeps a token that was added again.
func (b *blacklist) forget(deleted []engine.TableRow, now time.Time, running time.Duration) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored = max(b.stored, running)
	before := len(b.retentions) + len(b.cutOffs)
	for _, row := range deleted {
		if row.Table == cutOffTable {
			delete(b.cutOffs, domain.UUID(row.Key))
			continue
		}
		id := domain.UUID(row.Key[expirySize:])
		if r, found := b.retentions[id]; found && r.endedAt(now, running) {
			delete(b.retentions, id)
		}
	}
	return before - len(b.retentions) - len(b.cutOffs)
}
