package mongodb

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/domain"
)

// departures keeps the public ids of deleted accounts that Settle was not called for. The
// collection has a document, a mark, for each deletion. The mark is written before the
// account is deleted, and removed if the deletion fails. After a crash between these steps
// the mark stays. So a mark counts only if the account does not exist.
//
// The _id of a mark is the public id and a random id, with a space between them. So the
// deletions of one account do not share a mark, also if the account is added again.
type departures struct {
	collection
	schema schema[mark]
	users  collection
}

// mark is the content of a mark.
type mark struct{ account domain.UUID }

func newDepartures(c *client) departures {
	return departures{c.collection(departed), markSchema(), c.collection(users)}
}

func markSchema() schema[mark] {
	return schema[mark]{departed, []func(*document) mark{decodeMark}}
}

func decodeMark(doc *document) mark {
	return mark{field(doc, "a mark", markOK, "_id")}
}

func markOK(id bson.RawValue) (account domain.UUID, ok bool) {
	text, _ := id.StringValueOK()
	text, _, found := strings.Cut(text, " ")
	account, err := domain.ParseUUID(text)
	return account, found && err == nil
}

// departedBatch is the number of documents that are read in one round trip.
const departedBatch = 1000

// mark inserts a mark for an account, and returns the _id of the mark.
func (d departures) mark(ctx context.Context, account domain.UUID) (id string, err error) {
	id = markID(account, domain.UUID(uuid.New()))
	return id, d.insert(ctx, bson.D{byID(id), d.schema.version()})
}

// unmark removes the mark of a deletion that has failed. If unmark fails, the mark stays. It
// has no effect while the account exists.
func (d departures) unmark(ctx context.Context, id string) {
	_, _ = d.remove(context.WithoutCancel(ctx), bson.D{byID(id)})
}

// markEarlier writes marks of accounts that earlier servers have deleted. It does nothing for
// accounts that it has marked before, unless Settle was called for them.
func (d departures) markEarlier(ctx context.Context, accounts []domain.UUID) error {
	if len(accounts) == 0 {
		return nil
	}
	marks := make([]bson.Raw, len(accounts))
	for i, account := range accounts {
		raw, err := bson.Marshal(bson.D{byID(markID(account, domain.UUID{})), d.schema.version()})
		if err != nil {
			return err
		}
		marks[i] = raw
	}
	_, err := d.insertMany(ctx, marks, false)
	return err
}

func markID(account, deletion domain.UUID) string { return account.String() + " " + deletion.String() }

// Departed implements [ports.UserRepository]. It makes two round trips for each thousand
// marks.
func (u *userRepository) Departed(ctx context.Context) ([]domain.UUID, error) {
	return u.departures.departed(ctx)
}

// Settle implements [ports.UserRepository]. It makes three round trips.
func (u *userRepository) Settle(ctx context.Context, id domain.UUID) error {
	if err := u.admit(); err != nil {
		return err
	}
	return u.departures.settle(ctx, id)
}

func (d departures) departed(ctx context.Context) (ids []domain.UUID, err error) {
	order := markOrder("", "")
	for position := ""; ; {
		docs, next, err := d.sliceOf(ctx, order, false, position, departedBatch)
		if err != nil {
			return nil, err
		}
		gone, err := d.gone(ctx, docs)
		if err != nil {
			return nil, err
		}
		for _, id := range gone {
			if len(ids) == 0 || ids[len(ids)-1] != id { // the marks of an account follow each other
				ids = append(ids, id)
			}
		}
		if next == "" {
			return ids, nil
		}
		position = next
	}
}

// markOrder returns the order of marks, from one _id to another.
func markOrder(from, to string) order {
	id := orderField{name: "_id", kind: "string"}
	if to != "" {
		id.from, id.to = from, to
	}
	return order{index: ascending("_id"), sort: ascending("_id"), parts: []part{{tag: 'm', fields: []orderField{id}}}}
}

// gone returns the accounts that have one of the marks and do not exist.
func (d departures) gone(ctx context.Context, docs []bson.Raw) (ids []domain.UUID, err error) {
	var wanted bson.A
	var marks []mark
	for _, doc := range docs {
		if found, err := d.schema.decode(doc); err == nil {
			marks, wanted = append(marks, found), append(wanted, binary(found.account))
		}
	}
	if len(marks) == 0 {
		return nil, nil
	}
	existing, err := d.users.limited(ctx, bson.D{byID(bson.D{{Key: "$in", Value: wanted}})},
		options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, err
	}
	exists := map[domain.UUID]bool{}
	for _, doc := range existing {
		id, _ := uuidOK(doc.Lookup("_id"))
		exists[id] = true
	}
	for _, found := range marks {
		if !exists[found.account] {
			ids = append(ids, found.account)
		}
	}
	return ids, nil
}

// settle removes the marks that it reads before it finds that the account does not exist.
// So it does not remove the mark of a deletion after the account was added again.
func (d departures) settle(ctx context.Context, account domain.UUID) error {
	docs, _, err := d.sliceOf(ctx, markOrder(account.String()+" ", account.String()+" ~"), false, "", departedBatch)
	if err != nil || len(docs) == 0 {
		return err
	}
	exists, err := d.users.has(ctx, bson.D{byID(binary(account))})
	if err != nil || exists {
		return err
	}
	for _, doc := range docs { // almost always one
		if _, err := d.remove(ctx, bson.D{byID(doc.Lookup("_id"))}); err != nil {
			return err
		}
	}
	return nil
}
