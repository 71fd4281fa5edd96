package mongodb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb/mongotest"
	"github.com/widgetd/widgetd/domain"
)

// TestDocuments pins how documents look, which other programs and later
// versions of this one go by.
func TestDocuments(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()
	noError(t, db.Users.Add(ctx, user(1)))
	noError(t, db.Widgets.Add(ctx, widget(1)))
	noError(t, db.Blacklist.Add(ctx, token(1, 0)))
	for collection, want := range map[string]bson.D{
		"users":     userDocument(1),
		"widgets":   widgetDocument(1),
		"blacklist": {{Key: "_id", Value: binaryUUID(id(1))}, {Key: "expires_at", Value: token(1, 0).ExpiresAt}},
	} {
		raw, err := db.Database().Collection(collection).FindOne(ctx, bson.D{}).Raw()
		noError(t, err)
		var got bson.D
		noError(t, bson.Unmarshal(raw, &got))
		if collection == "widgets" {
			made, ok := got[0].Value.(bson.Binary)
			equal(t, "_id is a UUID", ok && made.Subtype == 4 && uuid.UUID(made.Data).Version() == 7, true)
			_, ok = got[1].Value.(bson.Timestamp)
			equal(t, "seq is a timestamp", ok, true)
			got, want = got[2:], want[2:]
		}
		equal(t, "the document in "+collection, fmt.Sprint(marshal(t, got)), fmt.Sprint(marshal(t, want)))
	}
}

// change is what something else did to a document.
type change struct {
	field string
	value any // nil: unset
	want  string

	rightType bool // so that a write does not notice
}

// TestOddDocuments wants documents that something else wrote to be errors that
// say where and what, and to stay as they are.
func TestOddDocuments(t *testing.T) {
	t.Parallel()
	server := mongotest.New(t)
	for collection, changes := range map[string][]change{
		"users": {
			{"email", nil, "field email is missing", false},
			{"email", 7, "field email is not an email but of type 32-bit integer", false},
			{"email", "", "field email is not an email", false},
			{"email", "User.1@example", "field email is not an email", false},
			{"email", "other@example.com", "field email_key is not that of the field email", false},
			{"password_hash", nil, "field password_hash is missing", false},
			{"password_hash", bson.A{"x"}, "field password_hash is not a string but of type array", false},
			{"admin", nil, "field admin is missing", false},
			{"admin", "true", "field admin is not a boolean but of type string", false},
			{"admin", 1, "field admin is not a boolean but of type 32-bit integer", false},
			{"registered_on", nil, "field registered_on is missing", false},
			{"registered_on", "2026-11-22", "field registered_on is not a date", false},
			{"registered_on", bson.DateTime(1 << 60), "field registered_on is not a date of the years 1 to 9999", false},
		},
		"widgets": {
			{"info_url", nil, "field info_url is missing", false},
			{"info_url", 7, "field info_url is not a URL but of type 32-bit integer", false},
			{"info_url", "ftp://example.com", "field info_url is not a URL", true},
			{"deadline", nil, "field deadline is missing", false},
			{"deadline", int64(7), "field deadline is not a date", false},
			{"created_at", nil, "field created_at is missing", false},
			{"created_at", bson.Null{}, "field created_at is not a date of the years 1 to 9999 but of type null", false},
			{"owner", nil, "field owner.public_id is missing", false},
			{"owner", "ada@example.com", "field owner.public_id is missing", false},
			{"owner.public_id", nil, "field owner.public_id is missing", false},
			{"owner.public_id", id(1).String(), "field owner.public_id is not a UUID", false},
			{"owner.public_id", bson.Binary{Subtype: 3, Data: make([]byte, 16)}, "field owner.public_id is not a UUID", true},
			{"owner.public_id", bson.Binary{Subtype: 4, Data: make([]byte, 15)}, "field owner.public_id is not a UUID", true},
			{"owner.email", nil, "field owner.email is missing", false},
			{"owner.email", true, "field owner.email is not an email but of type boolean", false},
		},
	} {
		for _, change := range changes {
			t.Run(fmt.Sprintf("%s/%s/%v", collection, change.field, change.value), func(t *testing.T) {
				t.Parallel()
				wantOdd(t, server.Database(t), collection, change)
			})
		}
	}
}

func wantOdd(t *testing.T, uri, collection string, change change) {
	db, ctx := open(t, uri), t.Context()
	doc := map[string]func(int) bson.D{"users": userDocument, "widgets": widgetDocument}[collection](1)
	doc = changed(doc, strings.Split(change.field, "."), change.value)
	docs := db.Database().Collection(collection)
	_, err := docs.InsertOne(ctx, doc)
	noError(t, err)

	errs := map[string]error{}
	switch u, w := user(1), widget(1); collection {
	case "users":
		_, errs["ByPublicID"] = db.Users.ByPublicID(ctx, u.PublicID)
		_, errs["ByEmail"] = db.Users.ByEmail(ctx, u.Email)
		if err := db.Users.Add(ctx, u); !errors.Is(err, domain.AlreadyExists) {
			t.Errorf("Add: %v", err)
		}
	case "widgets":
		_, errs["ByName"] = db.Widgets.ByName(ctx, w.Name)
		_, errs["List"] = db.Widgets.List(ctx, must(domain.ParsePageRequest("1", "5")))
		if err := db.Widgets.Add(ctx, w); !errors.Is(err, domain.AlreadyExists) {
			t.Errorf("Add: %v", err)
		}
		if !change.rightType {
			errs["Update"] = db.Widgets.Update(ctx, w.Name, w.InfoURL, w.Deadline)
		}
	}
	for method, err := range errs {
		switch {
		case err == nil:
			t.Errorf("%s read or wrote what is odd", method)
		case !strings.Contains(err.Error(), "collection "+collection+", _id "+id(1).String()+": the "+change.want):
			t.Errorf("%s: %q, want it to say %q", method, err, change.want)
		case strings.Contains(err.Error(), "@"):
			t.Errorf("%s: %q tells of an email", method, err)
		}
		for _, kind := range []domain.Kind{domain.Invalid, domain.NotFound, domain.AlreadyExists, domain.Unavailable} {
			if errors.Is(err, kind) {
				t.Errorf("%s: %v is of the kind %s", method, err, kind)
			}
		}
	}
	raw, err := docs.FindOne(ctx, bson.D{}).Raw()
	noError(t, err)
	var left bson.D
	noError(t, bson.Unmarshal(raw, &left))
	equal(t, "what is left", fmt.Sprint(marshal(t, left)), fmt.Sprint(marshal(t, doc)))
}

// TestSetCredentialsLeavesOddAccounts whose hash is the one.
func TestSetCredentialsLeavesOddAccounts(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()
	_, err := db.Database().Collection("users").InsertOne(ctx, changed(userDocument(1), []string{"admin"}, "no"))
	noError(t, err)
	if err := db.Users.SetCredentials(ctx, user(1), user(1).PasswordHash); !errors.Is(err, domain.NotFound) {
		t.Errorf("got %v", err)
	}
}

// TestOddToken is a logged-out one all the same, and nobody prolongs it.
func TestOddToken(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()
	_, err := db.Database().Collection("blacklist").InsertOne(ctx, bson.D{
		{Key: "_id", Value: binaryUUID(id(1))}, {Key: "expires_at", Value: "tomorrow"},
	})
	noError(t, err)
	err = db.Blacklist.Add(ctx, token(1, 0))
	if err == nil || !strings.Contains(err.Error(), "collection blacklist, _id "+id(1).String()+": the field expires_at is not a date") {
		t.Errorf("got %v", err)
	}
	forgotten, err := db.Blacklist.Purge(ctx, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
	noError(t, err)
	equal(t, "forgotten", forgotten, 0)
	found, err := db.Blacklist.Contains(ctx, token(1, 0))
	noError(t, err)
	equal(t, "found", found, true)
}

// TestOddMark lets nobody in.
func TestOddMark(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()
	_, err := db.Database().Collection("blacklist").InsertOne(ctx, bson.D{
		{Key: "_id", Value: "forgotten"}, {Key: "through", Value: "tomorrow"},
	})
	noError(t, err)
	found, err := db.Blacklist.Contains(ctx, token(1, 0))
	if found || err == nil || !strings.Contains(err.Error(), "collection blacklist, _id forgotten: the field through is not a date") {
		t.Errorf("got %t, %v", found, err)
	}
}

// TestForeignIDsAreNotQuoted, for they may be emails.
func TestForeignIDsAreNotQuoted(t *testing.T) {
	t.Parallel()
	server := mongotest.New(t)
	objectID := bson.NewObjectID()
	for want, foreign := range map[string]any{
		"_id " + objectID.Hex():         objectID,
		"_id of type string: the field": "ada@example.com",
	} {
		db := open(t, server.Database(t))
		doc := userDocument(1)
		doc[0].Value = foreign
		_, err := db.Database().Collection("users").InsertOne(t.Context(), doc)
		noError(t, err)
		_, err = db.Users.ByEmail(t.Context(), user(1).Email)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "@") {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

// TestLatestExpiryCounts adds one token with several expiries.
func TestLatestExpiryCounts(t *testing.T) {
	t.Parallel()
	server := mongotest.New(t)
	for name, lives := range map[string][]time.Duration{
		"rising":  {-2 * time.Hour, -time.Hour, time.Hour},
		"falling": {time.Hour, -time.Hour, -2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, now := open(t, server.Database(t)), token(1, 0).ExpiresAt
			for _, life := range lives {
				noError(t, db.Blacklist.Add(t.Context(), token(1, life)))
			}
			for _, purge := range []struct {
				at   time.Time
				want int
			}{{now, 0}, {now.Add(time.Hour - time.Second), 0}, {now.Add(time.Hour), 1}} {
				forgotten, err := db.Blacklist.Purge(t.Context(), purge.at)
				noError(t, err)
				equal(t, "forgotten", forgotten, purge.want)
			}
		})
	}
}

// TestStoresClockOrdersWidgets puts what the store fills in above the ids, which
// come from the servers' clocks.
func TestStoresClockOrdersWidgets(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	for n, seq := range []bson.Timestamp{{T: 2, I: 2}, {T: 1, I: 9}, {T: 2, I: 1}} {
		doc := widgetDocument(n)
		doc[1].Value = seq
		_, err := db.Database().Collection("widgets").InsertOne(t.Context(), doc)
		noError(t, err)
	}
	want := []domain.Widget{widget(1), widget(2), widget(0)}
	if got := list(t, db, 1, 5).Items; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func userDocument(n int) bson.D {
	u := user(n)
	return bson.D{
		{Key: "_id", Value: binaryUUID(u.PublicID)},
		{Key: "email", Value: u.Email.String()},
		{Key: "email_key", Value: u.Email.Key()},
		{Key: "password_hash", Value: u.PasswordHash},
		{Key: "admin", Value: u.Admin},
		{Key: "registered_on", Value: u.RegisteredOn},
	}
}

func widgetDocument(n int) bson.D {
	w := widget(n)
	return bson.D{
		{Key: "_id", Value: binaryUUID(id(n))},
		{Key: "seq", Value: bson.Timestamp{T: 1, I: uint32(n)}},
		{Key: "name", Value: w.Name.String()},
		{Key: "info_url", Value: w.InfoURL.String()},
		{Key: "deadline", Value: w.Deadline.Time()},
		{Key: "created_at", Value: w.CreatedAt},
		{Key: "owner", Value: bson.D{
			{Key: "public_id", Value: binaryUUID(w.Owner.PublicID)},
			{Key: "email", Value: w.Owner.Email.String()},
		}},
	}
}

func binaryUUID(id domain.UUID) bson.Binary { return bson.Binary{Subtype: 4, Data: id[:]} }

// changed returns the document with another value at the end of the path, or
// none.
func changed(doc bson.D, path []string, value any) bson.D {
	i := slices.IndexFunc(doc, func(e bson.E) bool { return e.Key == path[0] })
	switch {
	case len(path) > 1:
		doc[i].Value = changed(doc[i].Value.(bson.D), path[1:], value)
	case value == nil:
		return slices.Delete(doc, i, i+1)
	default:
		doc[i].Value = value
	}
	return doc
}

func marshal(t *testing.T, doc bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(doc)
	noError(t, err)
	return raw
}
