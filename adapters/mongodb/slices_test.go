package mongodb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// widgetQueries returns the queries of Slice with the index of each.
func widgetQueries() map[string]domain.WidgetQuery {
	owner := sample.User(0).PublicID
	from, to := domain.RestoreDeadline(sample.Time()), domain.RestoreDeadline(sample.Time().AddDate(1000, 0, 0))
	return map[string]domain.WidgetQuery{
		"seq _id":                          {Sort: domain.ByCreation},
		"owner.public_id seq _id":          {Sort: domain.ByCreation, Owner: &owner},
		"deadline seq _id":                 {Sort: domain.ByDeadline, From: &from, To: &to},
		"owner.public_id deadline seq _id": {Sort: domain.ByDeadline, Owner: &owner},
	}
}

// TestEachSliceIsAnIntervalOfItsIndex checks the commands of Slice: no skip, one more
// document than the limit, and in each filter values for the first fields of the index, an
// interval of the next one and no condition on others but their type. So the server
// examines no more keys than the slice needs.
func TestEachSliceIsAnIntervalOfItsIndex(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	for n := range 5 {
		noError(t, db.Widgets().Add(t.Context(), widget(n)))
	}
	for index, query := range widgetQueries() {
		for _, query.Reverse = range []bool{false, true} {
			sent.take()
			position := ""
			for range 3 {
				slice, err := db.Widgets().Slice(t.Context(), query, position, 2)
				noError(t, err)
				position = slice.Next
			}
			equal(t, "the last position of "+query.String(), position, "")
			for _, command := range sent.take() {
				wantInterval(t, command, index)
			}
		}
	}
}

// wantInterval checks a command find of a slice.
func wantInterval(t *testing.T, command bson.Raw, index string) {
	t.Helper()
	equal(t, "the command", nameOf(command), "find")
	equal(t, "the command has a skip", !command.Lookup("skip").IsZero(), false)
	equal(t, "the limit", command.Lookup("limit").AsInt64(), 3)
	equal(t, "the command has a time limit", command.Lookup("maxTimeMS").AsInt64() > 0, true)
	equal(t, "the fields of the index", strings.Join(keysOf(t, command.Lookup("hint").Document()), " "), index)
	sort := strings.Join(keysOf(t, command.Lookup("sort").Document()), " ")
	equal(t, "the order is the end of the index", strings.HasSuffix(index, sort), true)
	filter := command.Lookup("filter").Document()
	filters := []bson.Raw{filter}
	if or, ok := filter.Lookup("$or").ArrayOK(); ok {
		equal(t, "the number of fields of the filter", len(keysOf(t, filter)), 1)
		filters = nil
		values, err := or.Values()
		noError(t, err)
		for _, value := range values {
			filters = append(filters, value.Document())
		}
	}
	for _, filter := range filters {
		equal(t, "the fields of the filter "+filter.String(), strings.Join(keysOf(t, filter), " "), index)
		wantOneInterval(t, filter)
	}
}

// wantOneInterval checks that the fields of a filter are first equal to values, then within
// bounds, and then only of a type.
func wantOneInterval(t *testing.T, filter bson.Raw) {
	t.Helper()
	elements, err := filter.Elements()
	noError(t, err)
	compared := false
	for _, element := range elements {
		condition, ok := element.Value().DocumentOK()
		if !ok || !condition.Lookup("$eq").IsZero() {
			equal(t, "a value is behind an interval in "+filter.String(), compared, false)
			continue
		}
		equal(t, "a type in "+filter.String(), !condition.Lookup("$type").IsZero(), true)
		if len(keysOf(t, condition)) > 1 {
			equal(t, "another interval in "+filter.String(), compared, false)
		}
		compared = true
	}
}

func keysOf(t *testing.T, doc bson.Raw) (keys []string) {
	t.Helper()
	elements, err := doc.Elements()
	noError(t, err)
	for _, element := range elements {
		keys = append(keys, element.Key())
	}
	return keys
}

// TestSliceLeavesOutUnreadableWidgets reads slices that consist of widgets that cannot be
// read, or end with one.
func TestSliceLeavesOutUnreadableWidgets(t *testing.T) {
	t.Parallel()
	var reported []error
	db := openWith(t, mongotest.URI(t), mongodb.Options{Unreadable: func(_ string, err error) { reported = append(reported, err) }})
	docs := db.Database().Collection("widgets")
	unreadable := []int{0, 1, 2, 3, 5, 9}
	for n := range 10 {
		doc := widgetDocument(n)
		if slices.Contains(unreadable, n) {
			doc = changed(doc, []string{"info_url"}, int32(n))
		}
		insert(t, docs, doc)
	}
	for _, doc := range []bson.D{ // without a place in the order
		changed(widgetDocument(11), []string{"seq"}, "1"),
		changed(widgetDocument(12), []string{"_id"}, "1"),
	} {
		insert(t, docs, doc)
	}
	var names []string
	calls := 0
	for position := ""; calls == 0 || position != ""; calls++ {
		slice, err := db.Widgets().Slice(t.Context(), domain.WidgetQuery{Sort: domain.ByCreation}, position, 2)
		noError(t, err)
		for _, w := range slice.Items {
			names = append(names, w.Name.String())
		}
		position = slice.Next
	}
	equal(t, "the names", strings.Join(names, " "), "widget-4 widget-6 widget-7 widget-8")
	equal(t, "the number of calls", calls, 5)
	equal(t, "the number of reported errors", len(reported), len(unreadable))
}

// TestAccountsOfEveryVersionAreSlicedInOrder has accounts without a place in the order,
// which come first, in the order of registration.
func TestAccountsOfEveryVersionAreSlicedInOrder(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	docs := db.Database().Collection("users")
	for n := range 8 {
		doc := userDocument(n)
		if n < 4 {
			doc = changed(changed(doc, []string{"seq"}, nil), []string{"seq_id"}, nil)
		}
		insert(t, docs, doc)
	}
	for limit := 1; limit <= 9; limit++ {
		var got []domain.User
		for position, first := "", true; first || position != ""; first = false {
			slice, err := db.Users().Slice(t.Context(), position, limit)
			noError(t, err)
			got, position = append(got, slice.Items...), slice.Next
		}
		equal(t, fmt.Sprintf("number of accounts with the limit %d", limit), len(got), 8)
		for n, user := range got {
			equal(t, "the account", user, sample.User(n))
		}
	}
}

// TestSliceRefusesPositionsOfOtherLists uses positions of each list for the others.
func TestSliceRefusesPositionsOfOtherLists(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()
	for n := range 2 {
		noError(t, db.Widgets().Add(ctx, widget(n)))
		noError(t, db.Users().Add(ctx, sample.User(n)))
		noError(t, db.Blacklist().Add(ctx, sample.Token(n, 0)))
		noError(t, db.Blacklist().EndTokens(ctx, cutOff(n)))
	}
	lists := map[string]func(position string) (next string, err error){
		"widgets by creation": func(p string) (string, error) {
			s, err := db.Widgets().Slice(ctx, domain.WidgetQuery{Sort: domain.ByCreation}, p, 1)
			return s.Next, err
		},
		"widgets by deadline": func(p string) (string, error) {
			s, err := db.Widgets().Slice(ctx, domain.WidgetQuery{Sort: domain.ByDeadline}, p, 1)
			return s.Next, err
		},
		"accounts": func(p string) (string, error) { s, err := db.Users().Slice(ctx, p, 1); return s.Next, err },
		"tokens":   func(p string) (string, error) { s, err := db.Blacklist().Tokens(ctx, p, 1); return s.Next, err },
		"cut-offs": func(p string) (string, error) { s, err := db.Blacklist().CutOffs(ctx, p, 1); return s.Next, err },
	}
	for name, list := range lists {
		position, err := list("")
		noError(t, err)
		for other, otherList := range lists {
			if _, err := otherList(position); (err == nil) != (name == other) || err != nil && !errors.Is(err, domain.Invalid) {
				t.Errorf("%s from a position of %s: %v", other, name, err)
			}
		}
		for _, text := range []string{position[:len(position)-1], position + "x", position[:1]} {
			if _, err := list(text); !errors.Is(err, domain.Invalid) {
				t.Errorf("%s from a wrong position: %v", name, err)
			}
		}
	}
}
