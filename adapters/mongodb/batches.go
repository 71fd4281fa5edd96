package mongodb

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// The limits of a batch of documents that one command inserts. A command of this size ends
// long before the time limit of a round trip. FerretDB does not stop at the first error of an
// ordered command if the command has more than 100 documents.
const (
	batchDocuments = 100
	batchBytes     = 1 << 20
)

// insertAll inserts the documents of records in the given order: see
// [ports.UserRepository.AddAll]. For each batch it makes two round trips, and a third one if
// documents violate a unique index.
func insertAll[T any](ctx context.Context, u *uniqueness, records []T, document func(T) (bson.D, error)) (each []error, err error) {
	if err := u.allow(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, unavailable(err)
	}
	var batch []bson.Raw
	size := 0
	flush := func() error {
		errs, err := u.insertBatch(ctx, batch)
		each = append(each, errs...)
		batch, size = nil, 0
		return err
	}
	for _, record := range records {
		doc, err := document(record)
		if err != nil {
			return each, err
		}
		raw, err := bson.Marshal(doc)
		if err != nil {
			return each, err
		}
		if len(batch) == batchDocuments || len(batch) > 0 && size+len(raw) > batchBytes {
			if err := flush(); err != nil {
				return each, err
			}
		}
		batch, size = append(batch, raw), size+len(raw)
	}
	if len(batch) == 0 {
		return each, nil
	}
	return each, flush()
}

// insertBatch inserts documents with one ordered command, which stops at the first document
// that violates a unique index. A second command inserts the others, without stopping.
// MongoDB executes this command in the given order too. See also the comment of uniqueness.
func (u *uniqueness) insertBatch(ctx context.Context, docs []bson.Raw) (each []error, err error) {
	each = make([]error, len(docs))
	inserted := docs
	duplicates, err := u.insertMany(ctx, docs, true)
	if err == nil && len(duplicates) > 0 {
		first := duplicates[0]
		each[first] = domain.AlreadyExists
		inserted = docs[:first]
		if rest := docs[first+1:]; len(rest) > 0 {
			duplicates, err = u.insertMany(ctx, rest, false)
			for _, i := range duplicates {
				each[first+1+i] = domain.AlreadyExists
			}
			inserted = without(docs, each)
		}
	}
	if err != nil {
		return nil, err
	}
	err = u.check(ctx)
	if errors.Is(err, errNoIndex) {
		u.withdraw(ctx, inserted)
	}
	if err != nil {
		return nil, err
	}
	return each, nil
}

// without returns the documents that have no error.
func without(docs []bson.Raw, each []error) (inserted []bson.Raw) {
	for i, doc := range docs {
		if each[i] == nil {
			inserted = append(inserted, doc)
		}
	}
	return inserted
}

// withdraw removes documents that were inserted while the unique index was missing. Other
// documents may have the same values, and the index could then not be created. If withdraw
// fails, the documents stay in the collection, as after a time-out of the insert.
func (u *uniqueness) withdraw(ctx context.Context, docs []bson.Raw) {
	ids := make(bson.A, len(docs))
	for i, doc := range docs {
		ids[i] = doc.Lookup("_id")
	}
	_, _ = u.removeAll(context.WithoutCancel(ctx), bson.D{byID(bson.D{{Key: "$in", Value: ids}})})
}
