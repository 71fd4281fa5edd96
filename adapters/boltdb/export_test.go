package boltdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// CurrentFormat returns the format of the files that this package writes.
func CurrentFormat() int { return schema().Format }

// Commits returns the number of transactions that were committed to the file.
func (db *DB) Commits() (n int) {
	_ = db.engine.View(context.Background(), func(tx *engine.Tx) error {
		n = tx.ID()
		return nil
	})
	return n
}

// Fill adds n widgets in few transactions.
func (db *DB) Fill(ctx context.Context, n int, widget func(i int) domain.Widget) error {
	return db.each(ctx, n, func(tx *engine.Tx, i int) error { return addWidget(tx, widget(i)) })
}

// DeleteAll deletes widgets in few transactions.
func (db *DB) DeleteAll(ctx context.Context, names []domain.WidgetName) error {
	return db.each(ctx, len(names), func(tx *engine.Tx, i int) error {
		_, err := deleteWidget(tx, names[i], domain.Condition{})
		return err
	})
}

func (db *DB) each(ctx context.Context, n int, run func(*engine.Tx, int) error) error {
	const batch = 10_000
	for start := 0; start < n; start += batch {
		err := db.engine.Update(ctx, func(tx *engine.Tx) error {
			for i := start; i < min(start+batch, n); i++ {
				if err := run(tx, i); err != nil {
					return err
				}
			}
			return nil
		}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// Garble replaces the payload of every record of a table by one that is too short.
func (db *DB) Garble(ctx context.Context, table string) error {
	return db.eachKey(ctx, table, func(tx *engine.Tx, t engine.Table, key []byte) error {
		return t.Put(tx, key, engine.Record{Version: 1, Payload: []byte{1, 2, 3}})
	})
}

// Empty deletes every record of a table.
func (db *DB) Empty(ctx context.Context, table string) error {
	return db.eachKey(ctx, table, func(tx *engine.Tx, t engine.Table, key []byte) error { return t.Delete(tx, key) })
}

func (db *DB) eachKey(ctx context.Context, table string, change func(*engine.Tx, engine.Table, []byte) error) error {
	return db.engine.Update(ctx, func(tx *engine.Tx) error {
		t := engine.Table(table)
		var keys [][]byte
		for row, err := range t.Rows(tx, nil) {
			if err != nil {
				return err
			}
			keys = append(keys, slices.Clone(row.Key))
		}
		for _, key := range keys {
			if err := change(tx, t, key); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

// PutRow sets a row of a table whose records have version 1.
func (db *DB) PutRow(ctx context.Context, table string, key, payload []byte) error {
	return db.engine.Update(ctx, func(tx *engine.Tx) error {
		return engine.Table(table).Put(tx, key, engine.Record{Version: 1, Payload: payload})
	}, nil)
}

// TakeRow deletes the first row of a table and returns it.
func (db *DB) TakeRow(ctx context.Context, table string) (key, payload []byte, err error) {
	err = db.engine.Update(ctx, func(tx *engine.Tx) error {
		for row, err := range engine.Table(table).Rows(tx, nil) {
			if err != nil {
				return err
			}
			key, payload = slices.Clone(row.Key), slices.Clone(row.Payload)
			break
		}
		return engine.Table(table).Delete(tx, key)
	}, nil)
	return key, payload, err
}

// SwapPayloads exchanges the payloads of the first two rows of a table.
func (db *DB) SwapPayloads(ctx context.Context, table string) error {
	a, first, err := db.TakeRow(ctx, table)
	if err != nil {
		return err
	}
	b, second, err := db.TakeRow(ctx, table)
	return errors.Join(err, db.PutRow(ctx, table, a, second), db.PutRow(ctx, table, b, first))
}

// FillCutOffs sets n cut-offs in few transactions.
func (db *DB) FillCutOffs(ctx context.Context, n int, c func(i int) domain.CutOff) error {
	err := db.each(ctx, n, func(tx *engine.Tx, i int) error { return putOnDisk(tx, c(i)) })
	return errors.Join(err, db.Reload(ctx))
}

func putOnDisk(tx *engine.Tx, c domain.CutOff) error {
	_, err := putCutOff(tx, c.Subject, cutOff{retentionOf(c.RetentionFrom(0), c.Lifetime), c.Value})
	return err
}

// FillUsers adds n accounts in few transactions.
func (db *DB) FillUsers(ctx context.Context, n int, user func(i int) domain.User) error {
	return db.each(ctx, n, func(tx *engine.Tx, i int) error { return addUser(tx, user(i)) })
}

// AddOnDiskOnly adds a token and a cut-off to the file and not to memory. A transaction
// has this effect if its commit returned an error but is on disk.
func (db *DB) AddOnDiskOnly(ctx context.Context, token domain.BlacklistedToken, c domain.CutOff) error {
	return db.engine.Update(ctx, func(tx *engine.Tx) error {
		if err := putOnDisk(tx, c); err != nil {
			return err
		}
		return blacklistTable.Put(tx, tokenKey(token.ID, token.ExpiresAt.Unix()), encodeToken(retention{until: token.Lifetime, lifetime: token.Lifetime}))
	}, nil)
}

// Reload does what the engine does after it has recovered from a failed fsync.
func (db *DB) Reload(ctx context.Context) error { return db.engine.View(ctx, db.blacklist.load) }

// CheckAll is Check, and returns an error unless the blacklist in memory is that of the file.
func (db *DB) CheckAll(ctx context.Context) error {
	if err := db.Check(ctx, nil); err != nil {
		return err
	}
	return db.engine.View(ctx, db.blacklist.check)
}

func (b *blacklist) check(tx *engine.Tx) error {
	found := map[domain.UUID]retention{}
	for row, err := range blacklistTable.Rows(tx, nil) {
		if err != nil {
			return err
		}
		token, err := readToken(row)
		switch {
		case err != nil:
			return err
		case token.isWatermark:
			if token.expiry > b.watermark {
				return fmt.Errorf("the watermark %d is not in memory", token.expiry)
			}
			continue
		}
		found[token.id] = later(found, token.id, token.retention)
	}
	if !maps.Equal(found, b.retentions) {
		return fmt.Errorf("memory has the tokens %v, the file has %v", b.retentions, found)
	}
	cutOffs, err := loadCutOffs(tx)
	if err == nil && !maps.Equal(cutOffs, b.cutOffs) {
		err = fmt.Errorf("memory has the cut-offs %v, the file has %v", b.cutOffs, cutOffs)
	}
	return err
}
