package mongodb

import (
	"context"
	"crypto/rand"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// cursorKeyID is the _id of the document with the key for cursors, in the collection
// settings. Its field "key" has 32 random bytes.
const cursorKeyID = "cursor key"

func cursorKeySchema() schema[domain.CursorKey] {
	return schema[domain.CursorKey]{settings, []func(*document) domain.CursorKey{decodeCursorKey}}
}

func decodeCursorKey(doc *document) domain.CursorKey {
	return field(doc, "binary data of 32 bytes", cursorKeyOK, "key")
}

func cursorKeyOK(value bson.RawValue) (key domain.CursorKey, ok bool) {
	_, data, ok := value.BinaryOK()
	if !ok || len(data) != len(key) {
		return key, false
	}
	return domain.CursorKey(data), true
}

// openCursorKey returns the key for cursors. The first call on a database makes the key.
func (c *client) openCursorKey(ctx context.Context) (domain.CursorKey, error) {
	docs, keys := c.collection(settings), cursorKeySchema()
	var fresh domain.CursorKey
	_, _ = rand.Read(fresh[:]) // never returns an error
	insert := bson.D{{Key: "$setOnInsert", Value: bson.D{
		keys.version(),
		{Key: "key", Value: bson.Binary{Data: fresh[:]}},
	}}}
	raw, err := docs.modify(ctx, bson.D{byID(cursorKeyID)}, insert, true)
	if errors.Is(err, domain.AlreadyExists) { // another server inserted it at the same time
		raw, err = docs.modify(ctx, bson.D{byID(cursorKeyID)}, insert, true)
	}
	if err != nil {
		return domain.CursorKey{}, err
	}
	return keys.decode(raw)
}
