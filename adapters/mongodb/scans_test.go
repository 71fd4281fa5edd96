package mongodb_test

import (
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/widgetd/widgetd/adapters/mongodb/mongotest"
	"github.com/widgetd/widgetd/domain"
)

// TestNoCommandScansACollection wants the first field of every filter and of every
// order to be indexed and, of a server that can tell (MongoDB, not FerretDB), every
// plan to go by an index.
func TestNoCommandScansACollection(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	noError(t, db.Users.Add(t.Context(), user(1)))
	noError(t, db.Widgets.Add(t.Context(), widget(1)))
	noError(t, db.Blacklist.Add(t.Context(), token(1, 0)))
	sent.take()
	for _, err := range everyMethod(t.Context(), db) {
		_ = err // whether it succeeds is for other tests
	}
	_, err := db.Widgets.List(t.Context(), must(domain.ParsePageRequest("2", "10")))
	noError(t, err)
	var server struct {
		FerretDB bson.RawValue `bson:"ferretdbVersion"`
	}
	noError(t, db.Database().RunCommand(t.Context(), bson.D{{Key: "buildInfo", Value: 1}}).Decode(&server))
	checked := 0
	for _, command := range sent.take() {
		for _, by := range accessOf(command) {
			collection := command.Index(0).Value().StringValue()
			checked++
			if by == "expires_at" && !server.FerretDB.IsZero() {
				continue // FerretDB has no index that forgets, so none of this field
			}
			if !hasIndex(t, db.Database().Collection(collection), by) {
				t.Errorf("%s of %s goes by %s, which has no index", nameOf(command), collection, by)
			}
		}
		if server.FerretDB.IsZero() && nameOf(command) == "find" {
			plan := db.Database().RunCommand(t.Context(), bson.D{
				{Key: "explain", Value: withoutSession(command)}, {Key: "verbosity", Value: "queryPlanner"},
			})
			raw, err := plan.Raw()
			noError(t, err)
			if strings.Contains(raw.String(), `"COLLSCAN"`) {
				t.Errorf("%v scans: %v", command, raw)
			}
		}
	}
	if checked < 8 {
		t.Errorf("only %d filters and orders were seen", checked)
	}
}

// accessOf returns the fields by which a command finds documents.
func accessOf(command bson.Raw) (fields []string) {
	for _, path := range [][]string{
		{"filter"}, {"sort"}, {"updates", "0", "q"}, {"deletes", "0", "q"},
	} {
		document, ok := command.Lookup(path...).DocumentOK()
		if !ok {
			continue
		}
		if first, err := document.IndexErr(0); err == nil {
			fields = append(fields, first.Key())
		}
	}
	return fields
}

// hasIndex reports whether an index of the collection begins with the field.
func hasIndex(t *testing.T, collection *mongo.Collection, field string) bool {
	t.Helper()
	indexes, err := collection.Indexes().ListSpecifications(t.Context())
	noError(t, err)
	return slices.ContainsFunc(indexes, func(index mongo.IndexSpecification) bool {
		return index.KeysDocument.Index(0).Key() == field
	})
}

// withoutSession returns a command as explain wants it.
func withoutSession(command bson.Raw) (bare bson.D) {
	elements, _ := command.Elements()
	for _, element := range elements {
		if key := element.Key(); key != "lsid" && !strings.HasPrefix(key, "$") {
			bare = append(bare, bson.E{Key: key, Value: element.Value()})
		}
	}
	return bare
}
