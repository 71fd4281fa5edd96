package boltdb

import (
	"context"
	"errors"
	"strings"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// foldEmailKeys returns the conversion from the format in which the keys of the table
// emails are the emails in lower case. Where several accounts come to have one key, the
// oldest keeps it. The others go to the table shadowed.
func foldEmailKeys(old *engine.Tx) (engine.Convert, error) {
	changed, holders, err := changedKeys(old)
	if err != nil {
		return nil, err
	}
	return func(row engine.TableRow, emit func(engine.TableRow) error) error {
		if row.Table != emailTable {
			return emit(row)
		}
		id := domain.UUID(row.Payload)
		if key, found := changed[id]; found {
			row.Key = []byte(key)
		}
		if holder, found := holders[string(row.Key)]; found && holder.PublicID != id {
			row = engine.TableRow{Table: shadowedTable, Row: engine.Row{Key: row.Payload, Record: presence()}}
		}
		return emit(row)
	}, nil
}

// changedKeys returns the accounts whose key changes, and for each of their new keys the
// account that gets it.
func changedKeys(old *engine.Tx) (changed map[domain.UUID]string, holders map[string]domain.User, err error) {
	changed, holders = map[domain.UUID]string{}, map[string]domain.User{}
	for row, err := range userTable.Rows(old, nil) {
		if err != nil {
			return nil, nil, err
		}
		user, err := readUser(row.Key, row.Record)
		if err != nil {
			return nil, nil, err
		}
		key := user.Email.Key()
		if key == strings.ToLower(user.Email.String()) {
			continue
		}
		changed[user.PublicID] = key
		if holder, found := holders[key]; !found || isOlder(user, holder) {
			holders[key] = user
		}
	}
	for key, holder := range holders {
		user, err := unchangedHolder(old, key, changed)
		if err == nil && isOlder(user, holder) {
			holders[key] = user
		}
		if err != nil && !errors.Is(err, domain.NotFound) {
			return nil, nil, err
		}
	}
	return changed, holders, nil
}

// unchangedHolder returns the account that has the key in the old file and keeps its own
// key, or NotFound.
func unchangedHolder(old *engine.Tx, key string, changed map[domain.UUID]string) (domain.User, error) {
	reference, err := emailTable.Get(old, []byte(key))
	if err != nil {
		return domain.User{}, err
	}
	id := domain.UUID(reference.Payload)
	if _, found := changed[id]; found {
		return domain.User{}, domain.NotFound
	}
	record, err := userTable.MustGet(old, id[:])
	if err != nil {
		return domain.User{}, err
	}
	return readUser(id[:], record)
}

// isOlder reports whether a was registered before b. At the same time, the public id
// decides.
func isOlder(a, b domain.User) bool {
	return registrationOf(a).compare(registrationOf(b)) < 0
}

// eachShadowed calls f for each account whose key another account has.
func (u *users) eachShadowed(f func(domain.UUID)) error {
	ids, err := u.idsIn(context.Background(), shadowedTable)
	for _, id := range ids {
		f(id)
	}
	return err
}
