package boltdb

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// appendRegistration puts an account at the end of the order of registration.
func appendRegistration(tx *engine.Tx, id []byte) error {
	key, err := registrationOrder().Append(tx, reference(id))
	if err != nil {
		return err
	}
	return placeTable.Put(tx, id, reference(key))
}

// deleteRegistration removes an account from the order of registration.
func deleteRegistration(tx *engine.Tx, id []byte) error {
	place, err := placeTable.MustGet(tx, id)
	if err != nil {
		return err
	}
	if err := registrationOrder().Delete(tx, place.Payload); err != nil {
		return err
	}
	return placeTable.Delete(tx, id)
}

// maxSortedRegistrations is how many accounts a migration sorts at once. Each takes up to
// 64 bytes, so a migration needs 32 MB for any number of accounts.
const maxSortedRegistrations = 1 << 19

// addRegistrations emits the order of registration of a file that has none: by the time
// of registration, then by the public id.
func addRegistrations(old *engine.Tx, emit func(engine.TableRow) error) error {
	return emitRegistrations(old, emit, maxSortedRegistrations)
}

// emitRegistrations is addRegistrations in parts of at most limit accounts. It reads all
// accounts once for each part.
func emitRegistrations(old *engine.Tx, emit func(engine.TableRow) error, limit int) error {
	order := engine.OrderBuilder{Index: registrationOrder()}
	for part, err := range engine.SortedParts(old, userTable, limit, readRegistration, registration.compare) {
		if err != nil {
			return err
		}
		if err := emitPart(&order, part, emit); err != nil {
			return err
		}
	}
	return order.EmitCounts(emit)
}

// emitPart emits the rows of some accounts in the order of their keys, so that few pages
// change in one transaction.
func emitPart(order *engine.OrderBuilder, part []registration, emit func(engine.TableRow) error) error {
	for i, r := range part {
		row := order.Append(reference(r.id[:]))
		part[i].place = [8]byte(row.Key)
		if err := emit(row); err != nil {
			return err
		}
	}
	slices.SortFunc(part, func(a, b registration) int { return bytes.Compare(a.id[:], b.id[:]) })
	for _, r := range part {
		row := engine.Row{Key: r.id[:], Record: reference(r.place[:])}
		if err := emit(engine.TableRow{Table: placeTable, Row: row}); err != nil {
			return err
		}
	}
	return nil
}

// registration is an account in the order of registration.
type registration struct {
	on    int64 // Unix milliseconds
	id    domain.UUID
	place [8]byte // its key in the table registrations
}

func readRegistration(row engine.Row) (registration, error) {
	user, err := readUser(row.Key, row.Record)
	return registrationOf(user), err
}

func registrationOf(user domain.User) registration {
	return registration{on: user.RegisteredOn.UnixMilli(), id: user.PublicID}
}

func (r registration) compare(other registration) int {
	return cmp.Or(cmp.Compare(r.on, other.on), bytes.Compare(r.id[:], other.id[:]))
}
