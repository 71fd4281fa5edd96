package boltdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

var _ ports.FileStore = (*DB)(nil)

// Backup implements [ports.FileStore]. The copy can be used as the file of a data folder.
// Backup returns an error, and writes nothing, if the file is damaged.
func (db *DB) Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) error {
	return db.engine.Backup(ctx, w, progress)
}

// Check implements [ports.FileStore]. It reads the file in one read transaction, so that it
// sees one state of all tables. The error names the table and the key of the row that is
// wrong.
func (db *DB) Check(ctx context.Context, progress func(done, total int64)) error {
	err := db.engine.Check(ctx, progress, func(c engine.Checked) error {
		for _, check := range []func(engine.Checked) error{
			checkWidgets, widgetOrder().CheckCounts, checkUsers, registrationOrder().CheckCounts, checkLoadedRows,
		} {
			if err := check(c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return checkModes(db.dir)
}

// checkModes returns an error if other users of the machine can use a file in the data
// folder.
func checkModes(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // files on Windows have no permission bits for other users
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the file was removed after ReadDir
		}
		if err != nil {
			return err
		}
		if mode := info.Mode(); !mode.IsDir() && mode.Perm()&0o077 != 0 {
			return fmt.Errorf("file %s has mode %04o: other users of this machine can use it; run chmod 600 on it", path, mode.Perm())
		}
	}
	return nil
}

// checkLoadedRows checks the row of the running time and the row of the key for cursors.
func checkLoadedRows(c engine.Checked) error {
	if _, err := storedRunning(c.Tx); err != nil {
		return err
	}
	_, err := loadCursorKey(c.Tx)
	return err
}

// checkWidgets checks that every widget has its rows in the table of names and in the
// indexes, and that there are no other rows.
func checkWidgets(c engine.Checked) error {
	indexes := widgetIndexes()
	err := eachRow(c, widgetTable, func(row engine.Row) error {
		widget, err := readWidget(row)
		if err != nil {
			return err
		}
		if err := checkReference(c, nameTable, []byte(widget.Name.String()), row.Key); err != nil {
			return err
		}
		for _, index := range indexes {
			key := index.key(indexed(row.Key, widget))
			if !index.Table.Has(c.Tx, key) {
				return index.Table.Damaged(key, errMissing)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, index := range indexes {
		err := checkAdditional(c, index.Table, c.Rows[widgetTable], func(row engine.Row) bool {
			sequence := index.Sequence(row.Key)
			widget, err := mustGetWidget(c.Tx, sequence)
			return err == nil && bytes.Equal(index.key(indexed(sequence, widget)), row.Key)
		})
		if err != nil {
			return err
		}
	}
	return checkAdditional(c, nameTable, c.Rows[widgetTable], func(row engine.Row) bool {
		widget, err := mustGetWidget(c.Tx, row.Payload)
		return err == nil && widget.Name.String() == string(row.Key)
	})
}

// checkUsers checks that every account has its email, its place in the order of
// registration, and its role, and that there are no other rows of these.
func checkUsers(c engine.Checked) error {
	admins, shadowed := 0, 0
	err := eachRow(c, userTable, func(row engine.Row) error {
		user, err := readUser(row.Key, row.Record)
		if err != nil {
			return err
		}
		if user.IsActiveAdmin() {
			admins++
		}
		if shadowedTable.Has(c.Tx, row.Key) {
			shadowed++
		}
		return checkAccount(c, user)
	})
	if err != nil {
		return err
	}
	users := c.Rows[userTable]
	for _, t := range []struct {
		table   engine.Table
		want    int
		belongs func(engine.Row) bool
	}{
		{emailTable, users - shadowed, func(row engine.Row) bool {
			user, err := mustGetUser(c.Tx, row.Payload)
			return err == nil && user.Email.Key() == string(row.Key) && !shadowedTable.Has(c.Tx, row.Payload)
		}},
		{adminTable, admins, func(row engine.Row) bool {
			user, err := mustGetUser(c.Tx, row.Key)
			return err == nil && user.IsActiveAdmin()
		}},
		{shadowedTable, shadowed, func(row engine.Row) bool { return userTable.Has(c.Tx, row.Key) }},
		{placeTable, users, func(row engine.Row) bool { return userTable.Has(c.Tx, row.Key) }},
		{registrationTable, users, func(row engine.Row) bool {
			place, err := placeTable.Get(c.Tx, row.Payload)
			return err == nil && bytes.Equal(place.Payload, row.Key)
		}},
	} {
		if err := checkAdditional(c, t.table, t.want, t.belongs); err != nil {
			return err
		}
	}
	return nil
}

// checkAccount checks the rows that an account has besides its own.
func checkAccount(c engine.Checked, user domain.User) error {
	id := user.PublicID[:]
	if user.IsActiveAdmin() && !adminTable.Has(c.Tx, id) {
		return adminTable.Damaged(id, errMissing)
	}
	place, err := placeTable.MustGet(c.Tx, id)
	if err != nil {
		return err
	}
	if err := checkReference(c, registrationTable, place.Payload, id); err != nil {
		return err
	}
	key := []byte(user.Email.Key())
	if !shadowedTable.Has(c.Tx, id) {
		return checkReference(c, emailTable, key, id)
	}
	holder, err := emailTable.Get(c.Tx, key)
	if err == nil && bytes.Equal(holder.Payload, id) {
		return shadowedTable.Damaged(id, errAdditional)
	}
	if errors.Is(err, domain.NotFound) { // the older account with the key was deleted
		return nil
	}
	return err
}

// checkReference returns an error unless the table has a record at key whose payload is
// want.
func checkReference(c engine.Checked, table engine.Table, key, want []byte) error {
	record, err := table.MustGet(c.Tx, key)
	if err != nil {
		return err
	}
	if !bytes.Equal(record.Payload, want) {
		return table.Damaged(key, fmt.Errorf("it refers to %x, not to %x", record.Payload, want))
	}
	return nil
}

// checkAdditional returns an error if the table has more than the wanted rows. The caller has
// found every wanted row, so checkAdditional reads the table only if the number of its rows
// differs from want. It then names the first row for which belongs returns false.
func checkAdditional(c engine.Checked, table engine.Table, want int, belongs func(engine.Row) bool) error {
	if c.Rows[table] == want {
		return nil
	}
	err := eachRow(c, table, func(row engine.Row) error {
		if !belongs(row) {
			return table.Damaged(row.Key, errAdditional)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return fmt.Errorf("damaged: table %s has %d rows, want %d", table, c.Rows[table], want)
}

// eachRow calls visit for each row of a table.
func eachRow(c engine.Checked, table engine.Table, visit func(engine.Row) error) error {
	for row, err := range table.Rows(c.Tx, nil) {
		if err != nil {
			return err
		}
		if err := c.Visit(); err != nil {
			return err
		}
		if err := visit(row); err != nil {
			return err
		}
	}
	return nil
}

var (
	errMissing    = errors.New("it is missing")
	errAdditional = errors.New("it belongs to no record")
)
