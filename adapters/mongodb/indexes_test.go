package mongodb_test

import (
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestNoCommandScansACollection checks that the first field of each filter and sort
// order has an index. With MongoDB it also checks that each query plan uses an
// index; FerretDB cannot explain its plans.
func TestNoCommandScansACollection(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	noError(t, db.Users().Add(t.Context(), sample.User(1)))
	noError(t, db.Widgets().Add(t.Context(), widget(1)))
	noError(t, db.Blacklist().Add(t.Context(), sample.Token(1, 0)))
	sent.take()
	conformance.EveryMethod(t.Context(), db) // this test checks the commands only
	noError(t, errorOf(db.Widgets().List(t.Context(), sample.Page(2, 10))))
	noError(t, errorOf(db.Widgets().AddAll(t.Context(), sample.Widgets(3))))
	for _, query := range widgetQueries() {
		slice, err := db.Widgets().Slice(t.Context(), query, "", 1)
		noError(t, err)
		noError(t, errorOf(db.Widgets().Slice(t.Context(), query, slice.Next, 1)))
	}
	var server struct {
		FerretDB bson.RawValue `bson:"ferretdbVersion"`
	}
	noError(t, db.Database().RunCommand(t.Context(), bson.D{{Key: "buildInfo", Value: 1}}).Decode(&server))
	checked := 0
	for _, command := range sent.take() {
		for _, by := range accessOf(command) {
			collection := command.Index(0).Value().StringValue()
			checked++
			if !hasIndex(t, db.Database().Collection(collection), by) {
				t.Errorf("%s in %s uses %s, which has no index", nameOf(command), collection, by)
			}
		}
		if server.FerretDB.IsZero() && nameOf(command) == "find" {
			plan := db.Database().RunCommand(t.Context(), bson.D{
				{Key: "explain", Value: withoutSession(command)}, {Key: "verbosity", Value: "queryPlanner"},
			})
			raw, err := plan.Raw()
			noError(t, err)
			if strings.Contains(raw.String(), `"COLLSCAN"`) {
				t.Errorf("%v scans the collection: %v", command, raw)
			}
		}
	}
	if checked < 8 {
		t.Errorf("only %d filters and sort orders were sent", checked)
	}
}

// accessOf returns the first field of each filter and sort order of a command.
func accessOf(command bson.Raw) (fields []string) {
	for _, path := range [][]string{
		{"filter"}, {"sort"}, {"updates", "0", "q"}, {"deletes", "0", "q"},
	} {
		document, ok := command.Lookup(path...).DocumentOK()
		if !ok {
			continue
		}
		fields = append(fields, firstFields(document)...)
	}
	return fields
}

// firstFields returns the first field of a filter, or of each filter that it consists of.
func firstFields(filter bson.Raw) (fields []string) {
	first, err := filter.IndexErr(0)
	if err != nil {
		return nil
	}
	or, isOr := first.Value().ArrayOK()
	if !isOr {
		return []string{first.Key()}
	}
	filters, _ := or.Values()
	for _, filter := range filters {
		fields = append(fields, firstFields(filter.Document())...)
	}
	return fields
}

// hasIndex reports whether the field is the first of an index of the collection.
func hasIndex(t *testing.T, collection *mongo.Collection, field string) bool {
	t.Helper()
	indexes, err := collection.Indexes().ListSpecifications(t.Context())
	noError(t, err)
	return slices.ContainsFunc(indexes, func(index mongo.IndexSpecification) bool {
		return index.KeysDocument.Index(0).Key() == field
	})
}

// withoutSession returns a command without the fields that explain does not accept.
func withoutSession(command bson.Raw) (explainable bson.D) {
	elements, _ := command.Elements()
	for _, element := range elements {
		if key := element.Key(); key != "lsid" && !strings.HasPrefix(key, "$") {
			explainable = append(explainable, bson.E{Key: key, Value: element.Value()})
		}
	}
	return explainable
}
