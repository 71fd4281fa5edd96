package boltdb

import (
	"context"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
)

// Update gives the tests an operation of their own.
func (db *DB) Update(ctx context.Context, run func(*bbolt.Tx) error, committed func()) error {
	return db.Users.update(ctx, run, committed)
}

// Commits returns how many transactions the file has seen.
func (db *DB) Commits() (n int) {
	_ = db.Users.bolt.Load().View(func(tx *bbolt.Tx) error {
		n = tx.ID()
		return nil
	})
	return n
}

// LimitSize makes the file as good as full at its present size, or lifts that.
func (db *DB) LimitSize(limit bool) {
	db.Users.bolt.Load().MaxSize = 0
	if limit {
		_ = db.Users.bolt.Load().View(func(tx *bbolt.Tx) error {
			db.Users.bolt.Load().MaxSize = int(tx.Size())
			return nil
		})
	}
}

// Doubt runs an operation whose transaction is in doubt afterwards, as if the fsync
// of its meta page had failed.
func (db *DB) Doubt(ctx context.Context) error {
	return db.Update(ctx, func(*bbolt.Tx) error {
		db.Users.inDoubt = true
		return nil
	}, nil)
}

// Fill adds n widgets in few transactions.
func (db *DB) Fill(ctx context.Context, n int, widget func(i int) domain.Widget) error {
	return db.each(ctx, n, func(tx *bbolt.Tx, i int) error { return addWidget(tx, widget(i)) })
}

// DeleteAll deletes widgets in few transactions.
func (db *DB) DeleteAll(ctx context.Context, names []domain.WidgetName) error {
	return db.each(ctx, len(names), func(tx *bbolt.Tx, i int) error { return deleteWidget(tx, names[i]) })
}

func (db *DB) each(ctx context.Context, n int, run func(*bbolt.Tx, int) error) error {
	const batch = 10_000
	for start := 0; start < n; start += batch {
		err := db.Update(ctx, func(tx *bbolt.Tx) error {
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

// Marks returns how many marks of the purge are in the file.
func (db *DB) Marks() (n int) {
	_ = db.Users.bolt.Load().View(func(tx *bbolt.Tx) error {
		return blacklistTable.in(tx).ForEach(func(key, value []byte) error {
			if _, isMark, err := readToken(key, value); err == nil && isMark {
				n++
			}
			return nil
		})
	})
	return n
}

// Check returns an error unless the tables, and what is in memory, agree.
func (db *DB) Check() error {
	return db.Users.view(context.Background(), func(tx *readTx) error {
		for err := range tx.Check() {
			return err
		}
		for _, check := range []func(*readTx) error{checkUsers, checkWidgets, checkCounts, db.Blacklist.check} {
			if err := check(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

func checkUsers(tx *readTx) error {
	users, admins := 0, 0
	err := userTable.in(tx.Tx).ForEach(func(id, _ []byte) error {
		user, err := getUser(tx, domain.UUID(id))
		if err != nil {
			return err
		}
		users++
		if user.Admin {
			admins++
		}
		if user.Admin != adminTable.has(tx.Tx, id) {
			return fmt.Errorf("table admins is wrong about %s", user.PublicID)
		}
		found, err := emailTable.get(tx, []byte(user.Email.Key()))
		if err == nil && !slices.Equal(found, id) {
			return fmt.Errorf("table emails says %x for %s", found, user.PublicID)
		}
		return err
	})
	if err != nil {
		return err
	}
	return checkSizes(tx, map[table]int{emailTable: users, adminTable: admins})
}

func checkWidgets(tx *readTx) error {
	widgets := 0
	err := widgetTable.in(tx.Tx).ForEach(func(key, value []byte) error {
		payload, err := widgetTable.unseal(key, value)
		if err != nil {
			return err
		}
		widget, err := readWidget(key, payload)
		if err != nil {
			return err
		}
		widgets++
		seq, err := sequenceOf(tx, widget.Name)
		if err == nil && !slices.Equal(number(seq), key) {
			return fmt.Errorf("table names says %d for the widget %x", seq, key)
		}
		return err
	})
	if err != nil {
		return err
	}
	return checkSizes(tx, map[table]int{nameTable: widgets})
}

func checkCounts(tx *readTx) error {
	counts, seqs := map[string]map[int]int{}, map[string]uint64{}
	err := widgetTable.in(tx.Tx).ForEach(func(key, _ []byte) error {
		seq, err := widgetTable.parseNumber(key, key)
		for _, l := range levels() {
			record := string(l.key(seq))
			if counts[record] == nil {
				counts[record] = map[int]int{}
			}
			counts[record][l.index(seq)]++
			seqs[record] = seq
		}
		return err
	})
	if err != nil {
		return err
	}
	for record, want := range counts {
		for _, l := range levels() {
			if record[0] != l.bits {
				continue
			}
			got, err := l.counts(tx, seqs[record])
			if err != nil {
				return err
			}
			for i := range got.len() {
				if n := got.at(i); n != want[i] {
					return fmt.Errorf("count %d of record %x is %d, want %d", i, record, n, want[i])
				}
				delete(want, i)
			}
			if len(want) > 0 {
				return fmt.Errorf("record %x lacks the counts %v", record, want)
			}
		}
	}
	return checkSizes(tx, map[table]int{countTable: len(counts)})
}

func (b *Blacklist) check(tx *readTx) error {
	kept := map[domain.UUID]bool{}
	err := blacklistTable.in(tx.Tx).ForEach(func(key, value []byte) error {
		token, isMark, err := readToken(key, value)
		if err != nil || isMark {
			if token.ExpiresAt.Unix() > b.mark {
				return fmt.Errorf("the mark %s is not in memory", token.ExpiresAt)
			}
			return err
		}
		kept[token.ID] = true
		if expiry, found := b.expiries[token.ID]; !found || expiry < token.ExpiresAt.Unix() {
			return fmt.Errorf("the token %s is not in memory", token.ID)
		}
		return nil
	})
	if err == nil && len(kept) != len(b.expiries) {
		return fmt.Errorf("%d tokens are in memory, %d on disk", len(b.expiries), len(kept))
	}
	return err
}

func checkSizes(tx *readTx, want map[table]int) error {
	for t, n := range want {
		if got := t.in(tx.Tx).Stats().KeyN; got != n {
			return fmt.Errorf("table %s has %d records, want %d", t, got, n)
		}
	}
	return nil
}
