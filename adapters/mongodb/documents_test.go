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
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestAddWritesTheLatestVersion checks every field of new documents. Other
// programs and later versions of widgetd read them.
func TestAddWritesTheLatestVersion(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	db, ctx := openWith(t, mongotest.URI(t), mongodb.Options{Clock: clock}), t.Context()
	noError(t, db.Users().Add(ctx, sample.User(1)))
	noError(t, db.Widgets().Add(ctx, widget(1)))
	noError(t, db.Blacklist().Add(ctx, tokenOfAnHour(1)))
	noError(t, db.Blacklist().EndTokens(ctx, cutOff(2)))
	clock.run(time.Minute)
	_, err := db.Blacklist().Purge(ctx, sample.Time().Add(-time.Hour))
	noError(t, err)
	for name, want := range map[string]struct {
		collection string
		id         any // nil: the only document
		document   bson.D
	}{
		"account": {"users", binaryUUID(sample.ID(1)), userDocument(1)},
		"widget":  {"widgets", nil, widgetDocument(1)},
		"token": {"blacklist", binaryUUID(sample.ID(1)),
			changed(changed(tokenDocument(1), []string{"until"}, (time.Hour+margin).Milliseconds()), []string{"lifetime"}, time.Hour.Milliseconds())},
		"cut-off":      {"blacklist", "cut-off " + sample.ID(2).String(), cutOffDocument(2)},
		"running time": {"blacklist", "running", changed(runningDocument(), []string{"milliseconds"}, time.Minute.Milliseconds())},
	} {
		filter := bson.D{}
		if want.id != nil {
			filter = bson.D{{Key: "_id", Value: want.id}}
		}
		got := find(t, db.Database().Collection(want.collection), filter)
		switch name {
		case "widget":
			equal(t, "_id is a UUIDv7", isUUIDv7(got[0].Value), true)
			equal(t, "seq is a timestamp", isTimestamp(got[1].Value), true)
			got, want.document = got[2:], want.document[2:]
		case "account":
			equal(t, "seq is a timestamp", isTimestamp(got[1].Value), true)
			equal(t, "seq_id is a UUIDv7", isUUIDv7(got[2].Value), true)
			got, want.document = slices.Delete(got, 1, 3), slices.Delete(want.document, 1, 3)
		}
		if want.collection == "blacklist" { // the order of its fields is the server's
			byKey := func(a, b bson.E) int { return strings.Compare(a.Key, b.Key) }
			slices.SortFunc(got, byKey)
			slices.SortFunc(want.document, byKey)
		}
		if name == "running time" {
			i := slices.IndexFunc(got, func(e bson.E) bool { return e.Key == "blacklist_id" })
			id, ok := got[i].Value.(bson.Binary)
			equal(t, "blacklist_id is a UUIDv4", ok && id.Subtype == 4 && uuid.UUID(id.Data).Version() == 4, true)
			got[i].Value = want.document[i].Value
		}
		equal(t, "the document of the "+name, text(t, got), text(t, want.document))
	}
}

func isUUIDv7(value any) bool {
	id, ok := value.(bson.Binary)
	return ok && id.Subtype == 4 && uuid.UUID(id.Data).Version() == 7
}

func isTimestamp(value any) bool {
	_, ok := value.(bson.Timestamp)
	return ok
}

// change is a change to a document that makes it unreadable.
type change struct {
	field string
	value any    // nil: the field is removed
	want  string // in the error
	// writable is true if an update changes the document although it cannot be
	// read: the field still has the right BSON type.
	writable bool
}

// margin is what is added to a token's lifetime.
const margin = 126 * time.Second

// versionChanges are changes that make a document unreadable whose latest version is
// the given one.
func versionChanges(latest int32) []change {
	later := fmt.Sprintf("schema_version %d was written by a later widgetd; this one knows up to %d", latest+1, latest)
	return []change{
		{"schema_version", latest + 1, later, false},
		{"schema_version", int32(0), "the field schema_version is not a version number (int32 of 1 or more)", false},
		{"schema_version", int64(2), "the field schema_version is not a version number (int32 of 1 or more) but of type 64-bit integer", false},
		{"schema_version", "2", "the field schema_version is not a version number (int32 of 1 or more) but of type string", false},
		{"schema_version", bson.Null{}, "the field schema_version is not a version number (int32 of 1 or more) but of type null", false},
	}
}

func userChanges() []change {
	return append(versionChanges(mongodb.UserVersion), []change{
		{"email", nil, "the field email is missing", false},
		{"email", 7, "the field email is not a string but of type 32-bit integer", false},
		{"email", "", "the field email_key is not the key of the field email", true},
		{"email", "User.1@example", "the field email_key is not the key of the field email", true},
		{"email", "other@example.com", "the field email_key is not the key of the field email", true},
		{"password_hash", nil, "the field password_hash is missing", false},
		{"password_hash", bson.A{"x"}, "the field password_hash is not a string but of type array", false},
		{"admin", nil, "the field admin is missing", false},
		{"admin", "true", "the field admin is not a boolean but of type string", false},
		{"admin", 1, "the field admin is not a boolean but of type 32-bit integer", false},
		{"disabled", nil, "the field disabled is missing", false},
		{"disabled", "false", "the field disabled is not a boolean but of type string", false},
		{"disabled", bson.Null{}, "the field disabled is not a boolean but of type null", false},
		{"registered_on", nil, "the field registered_on is missing", false},
		{"registered_on", "2026-11-22", "the field registered_on is not a date", false},
		{"registered_on", bson.DateTime(1 << 60), "the field registered_on is not a date of the years 1 to 9999", true},
	}...)
}

func widgetChanges() []change {
	return append(versionChanges(mongodb.WidgetVersion), []change{
		{"info_url", nil, "the field info_url is missing", false},
		{"info_url", 7, "the field info_url is not a string but of type 32-bit integer", false},
		{"deadline", nil, "the field deadline is missing", false},
		{"deadline", int64(7), "the field deadline is not a date", false},
		{"created_at", nil, "the field created_at is missing", false},
		{"created_at", bson.Null{}, "the field created_at is not a date of the years 1 to 9999 but of type null", false},
		{"owner", nil, "the field owner.public_id is missing", false},
		{"owner", "ada@example.com", "the field owner.public_id is missing", false},
		{"owner.public_id", nil, "the field owner.public_id is missing", false},
		{"owner.public_id", sample.ID(1).String(), "the field owner.public_id is not a UUID", false},
		{"owner.public_id", bson.Binary{Subtype: 3, Data: make([]byte, 16)}, "the field owner.public_id is not a UUID", true},
		{"owner.public_id", bson.Binary{Subtype: 4, Data: make([]byte, 15)}, "the field owner.public_id is not a UUID", true},
		{"owner.email", nil, "the field owner.email is missing", false},
		{"version", nil, "the field version is missing", false},
		{"version", int32(7), "the field version is not a 64-bit integer but of type 32-bit integer", false},
		{"owner.email", true, "the field owner.email is not a string or null but of type boolean", false},
	}...)
}

// TestUnreadableUserIsAnErrorAndStays changes a field of an account's document.
func TestUnreadableUserIsAnErrorAndStays(t *testing.T) {
	t.Parallel()
	user := sample.User(1)
	for _, change := range userChanges() {
		t.Run(fmt.Sprintf("%s/%v", change.field, change.value), func(t *testing.T) {
			t.Parallel()
			db, ctx := open(t, mongotest.URI(t)), t.Context()
			docs, doc := db.Database().Collection("users"), change.in(userDocument(1))
			insert(t, docs, doc)
			_, err := db.Users().ByPublicID(ctx, user.PublicID)
			change.wantError(t, "ByPublicID", "users", err)
			_, err = db.Users().ByEmail(ctx, user.Email)
			change.wantError(t, "ByEmail", "users", err)
			if err := db.Users().Add(ctx, user); !errors.Is(err, domain.AlreadyExists) {
				t.Errorf("Add: %v", err)
			}
			if !change.writable {
				change.wantError(t, "Update", "users", db.Users().Update(ctx, user, user))
				change.wantError(t, "Delete", "users", db.Users().Delete(ctx, user))
			}
			wantDocument(t, docs, doc)
		})
	}
}

// TestUnreadableWidgetIsAnErrorAndStays changes a field of a widget's document.
// List leaves the widget out and reports it.
func TestUnreadableWidgetIsAnErrorAndStays(t *testing.T) {
	t.Parallel()
	for _, change := range widgetChanges() {
		t.Run(fmt.Sprintf("%s/%v", change.field, change.value), func(t *testing.T) {
			t.Parallel()
			var reported []error
			db := openWith(t, mongotest.URI(t), mongodb.Options{Unreadable: func(_ string, err error) { reported = append(reported, err) }})
			ctx, w := t.Context(), widget(1)
			docs, doc := db.Database().Collection("widgets"), change.in(widgetDocument(1))
			insert(t, docs, doc)
			_, err := db.Widgets().ByName(ctx, w.Name)
			change.wantError(t, "ByName", "widgets", err)
			equal(t, "number of items", len(list(t, db, 1, 5).Items), 0)
			equal(t, "number of reported errors", len(reported), 1)
			change.wantError(t, "List", "widgets", reported[0])
			if err := db.Widgets().Add(ctx, w); !errors.Is(err, domain.AlreadyExists) {
				t.Errorf("Add: %v", err)
			}
			if !change.writable {
				change.wantError(t, "Update", "widgets", errorOf(db.Widgets().Update(ctx, w.Name, w.ChangeAll(), domain.Condition{})))
			}
			wantDocument(t, docs, doc)
			deleted, err := db.Widgets().Delete(ctx, w.Name, domain.Condition{})
			noError(t, err)
			equal(t, "the deleted widget", deleted, domain.Widget{Name: w.Name})
		})
	}
}

// TestListLeavesOutUnreadableWidgets lists 12 widgets. The widgets of the first page
// and the last widget cannot be read. The pages and totals must be those of 12
// widgets.
func TestListLeavesOutUnreadableWidgets(t *testing.T) {
	t.Parallel()
	var reported []error
	db := openWith(t, mongotest.URI(t), mongodb.Options{Unreadable: func(_ string, err error) { reported = append(reported, err) }})
	ctx, docs := t.Context(), db.Database().Collection("widgets")
	for n := range 12 {
		noError(t, db.Widgets().Add(ctx, widget(n)))
	}
	for _, n := range []int{0, 1, 2, 3, 4, 7, 11} {
		_, err := docs.UpdateOne(ctx, bson.D{{Key: "name", Value: widget(n).Name.String()}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "info_url", Value: int32(n)}}}})
		noError(t, err)
	}
	for number, want := range map[int]struct {
		widgets    []int
		unreadable int
		hasNext    bool
	}{
		1: {nil, 5, true},
		2: {[]int{5, 6, 8, 9}, 1, true},
		3: {[]int{10}, 1, false},
		4: {nil, 0, false},
	} {
		reported = nil
		page := list(t, db, number, 5)
		var items []domain.Widget
		for _, n := range want.widgets {
			items = append(items, widget(n))
		}
		if !slices.Equal(page.Items, items) {
			t.Errorf("page %d has the items %v, want %v", number, page.Items, items)
		}
		equal(t, fmt.Sprintf("number of errors reported for page %d", number), len(reported), want.unreadable)
		equal(t, fmt.Sprintf("total of page %d", number), page.TotalItems, 12)
		equal(t, fmt.Sprintf("HasNext of page %d", number), page.HasNext(), want.hasNext)
	}
}

func TestListIgnoresUnreadableWidgetsWithoutOption(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	insert(t, db.Database().Collection("widgets"), changed(widgetDocument(1), []string{"deadline"}, nil))
	page := list(t, db, 1, 5)
	equal(t, "number of items", len(page.Items), 0)
	equal(t, "total", page.TotalItems, 1)
}

// TestValuesAreReadWithoutTodaysRules stores values that no Parse function of the
// domain accepts. They were valid when an earlier version wrote them.
func TestValuesAreReadWithoutTodaysRules(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()

	user := sample.User(1)
	user.Email = domain.RestoreEmail("Root@localhost")
	doc := userDocument(1)
	doc = changed(doc, []string{"email"}, "Root@localhost")
	doc = changed(doc, []string{"email_key"}, "root@localhost")
	insert(t, db.Database().Collection("users"), doc)
	gotUser, err := db.Users().ByPublicID(ctx, user.PublicID)
	noError(t, err)
	equal(t, "the account", gotUser, user)

	w := widget(1)
	w.Name, w.InfoURL = domain.RestoreWidgetName("Old Name!"), domain.RestoreInfoURL("ftp://example.com")
	w.Owner.Email = domain.RestoreEmail("root")
	doc = widgetDocument(1)
	doc = changed(doc, []string{"name"}, "Old Name!")
	doc = changed(doc, []string{"info_url"}, "ftp://example.com")
	doc = changed(doc, []string{"owner", "email"}, "root")
	insert(t, db.Database().Collection("widgets"), doc)
	gotWidget, err := db.Widgets().ByName(ctx, w.Name)
	noError(t, err)
	equal(t, "the widget", gotWidget, w)
	if items := list(t, db, 1, 5).Items; !slices.Equal(items, []domain.Widget{w}) {
		t.Errorf("the page has %v, want %v", items, w)
	}
}

// TestUnreadableTokenIsBlacklistedAndStays changes the document of a logged-out
// token.
func TestUnreadableTokenIsBlacklistedAndStays(t *testing.T) {
	t.Parallel()
	for _, change := range append(versionChanges(mongodb.TokenVersion),
		change{"expires_at", nil, "the field expires_at is missing", false},
		change{"expires_at", "tomorrow", "the field expires_at is not a date", false},
		change{"until", "tomorrow", "", true},
	) {
		t.Run(fmt.Sprintf("%s/%v", change.field, change.value), func(t *testing.T) {
			t.Parallel()
			db, ctx, token := open(t, mongotest.URI(t)), t.Context(), sample.Token(1, 0)
			docs, doc := db.Database().Collection("blacklist"), change.in(tokenDocument(1))
			insert(t, docs, doc)
			if err := db.Blacklist().Add(ctx, token); !change.writable {
				change.wantError(t, "Add", "blacklist", err)
			}
			purged, err := db.Blacklist().Purge(ctx, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
			noError(t, err)
			equal(t, "number of purged tokens", purged, 0)
			found, err := isLoggedOut(ctx, db, token)
			noError(t, err)
			equal(t, "the token is blacklisted", found, true)
			wantDocument(t, docs, doc)
		})
	}
}

// TestUnreadableWatermarkIsAnErrorAndStays checks that no token is accepted while
// the watermark cannot be read.
func TestUnreadableWatermarkIsAnErrorAndStays(t *testing.T) {
	t.Parallel()
	for _, change := range append(versionChanges(mongodb.WatermarkVersion),
		change{"through", nil, "the field through is missing", false},
		change{"through", "tomorrow", "the field through is not a date", false},
	) {
		t.Run(fmt.Sprintf("%s/%v", change.field, change.value), func(t *testing.T) {
			t.Parallel()
			db, ctx := open(t, mongotest.URI(t)), t.Context()
			docs, doc := db.Database().Collection("blacklist"), change.in(watermarkDocument(sample.Time()))
			insert(t, docs, doc)
			found, err := isLoggedOut(ctx, db, sample.Token(1, time.Hour))
			equal(t, "the token is blacklisted", found, false)
			change.wantErrorOf(t, "Check", "blacklist", "forgotten", err)

			noError(t, db.Blacklist().Add(ctx, sample.Token(1, 0)))
			_, err = db.Blacklist().Purge(ctx, sample.Token(1, 0).ExpiresAt)
			noError(t, err)
			found, err = isLoggedOut(ctx, db, sample.Token(1, 0))
			noError(t, err)
			equal(t, "the logged-out token is blacklisted", found, true)
			equal(t, "the watermark", text(t, find(t, docs, bson.D{{Key: "_id", Value: "forgotten"}})), text(t, doc))
		})
	}
}

// TestUnreadableCutOffIsAnErrorAndStays checks that no token of an account is accepted
// while the account's cut-off cannot be read.
func TestUnreadableCutOffIsAnErrorAndStays(t *testing.T) {
	t.Parallel()
	id := "cut-off " + sample.ID(1).String()
	for _, change := range append(versionChanges(mongodb.CutOffVersion),
		change{"value", nil, "the field value is missing", false},
		change{"value", "x", "the field value is not a UUID", false},
		change{"value", bson.Null{}, "the field value is not a UUID", false},
		change{"value", bson.Binary{Subtype: 3, Data: make([]byte, 16)}, "the field value is not a UUID", true},
		change{"value", binaryUUID(domain.UUID{}), "the field value is the zero UUID", true},
		change{"expires_at", nil, "the field expires_at is missing", false},
		change{"expires_at", "tomorrow", "the field expires_at is not a date", false},
		change{"until", nil, "the field until is missing", false},
		change{"until", "tomorrow", "the field until is not a number of milliseconds", false},
	) {
		t.Run(fmt.Sprintf("%s/%v", change.field, change.value), func(t *testing.T) {
			t.Parallel()
			db, ctx := open(t, mongotest.URI(t)), t.Context()
			docs, doc := db.Database().Collection("blacklist"), change.in(cutOffDocument(1))
			insert(t, docs, doc)
			claims := domain.Claims{ID: sample.ID(7), Subject: sample.ID(1)}
			change.wantErrorOf(t, "Check", "blacklist", id, errorOf(db.Blacklist().Check(ctx, claims)))
			change.wantErrorOf(t, "CutOff", "blacklist", id, errorOf(db.Blacklist().CutOff(ctx, sample.ID(1))))
			noError(t, errorOf(isLoggedOut(ctx, db, sample.Token(7, time.Hour)))) // of another account
			if change.writable {
				noError(t, db.Blacklist().EndTokens(ctx, cutOff(1)))
				equal(t, "the cut-off", sample.Must(db.Blacklist().CutOff(ctx, sample.ID(1))), cutOff(1).Value)
				return
			}
			change.wantErrorOf(t, "EndTokens", "blacklist", id, db.Blacklist().EndTokens(ctx, cutOff(1)))
			_, err := docs.UpdateByID(ctx, "running", bson.D{{Key: "$set", Value: bson.D{{Key: "milliseconds", Value: int64(1 << 50)}}}})
			noError(t, err)
			if change.field != "value" { // Purge looks at the ends and the version
				purged, err := db.Blacklist().Purge(ctx, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
				noError(t, err)
				equal(t, "number of forgotten cut-offs", purged, 0)
			}
			wantDocument(t, docs, doc)
		})
	}
}

// TestCutOffDoesNotHideALogOut has a token whose document and whose account's cut-off
// are in the blacklist, beside a watermark that cannot be read.
func TestCutOffDoesNotHideALogOut(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()
	docs := db.Database().Collection("blacklist")
	insert(t, docs, changed(watermarkDocument(sample.Time()), []string{"through"}, "x"))
	insert(t, docs, tokenDocument(1))
	insert(t, docs, cutOffDocument(2))
	got, err := db.Blacklist().Check(ctx, domain.Claims{ID: sample.ID(1), Subject: sample.ID(2)})
	noError(t, err)
	equal(t, "the revocation", got, domain.Revocation{LoggedOut: true, CutOff: cutOff(2).Value})
}

// TestErrorsDoNotContainForeignIDs inserts documents with an _id that widgetd never
// writes. Such an _id may be an email.
func TestErrorsDoNotContainForeignIDs(t *testing.T) {
	t.Parallel()
	objectID := bson.NewObjectID()
	for want, foreign := range map[string]any{
		"_id " + objectID.Hex():         objectID,
		"_id of type string: the field": "ada@example.com",
	} {
		db := open(t, mongotest.URI(t))
		insert(t, db.Database().Collection("users"), changed(userDocument(1), []string{"_id"}, foreign))
		_, err := db.Users().ByEmail(t.Context(), sample.User(1).Email)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "@") {
			t.Errorf("got %v, want an error with %q and without an email", err, want)
		}
	}
}

// TestListOrdersByTheServersTimestamp stores widgets whose timestamps from MongoDB
// contradict the order of their ids, which come from the clocks of the widgetd
// servers.
func TestListOrdersByTheServersTimestamp(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	for n, seq := range []bson.Timestamp{{T: 2, I: 2}, {T: 1, I: 9}, {T: 2, I: 1}} {
		insert(t, db.Database().Collection("widgets"), changed(widgetDocument(n), []string{"seq"}, seq))
	}
	want := []domain.Widget{widget(1), widget(2), widget(0)}
	if got := list(t, db, 1, 5).Items; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestAccountsAreInOrderOfRegistration stores accounts whose timestamps from MongoDB
// contradict the other fields, and accounts of earlier versions, which have none.
func TestAccountsAreInOrderOfRegistration(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	docs := db.Database().Collection("users")
	var want []domain.User
	for _, account := range []struct {
		n        int
		minute   int // of the registration
		seq      any // nil: an account of an earlier version
		position int
	}{
		{n: 5, minute: 1, seq: nil, position: 0},
		{n: 3, minute: 2, seq: nil, position: 1}, // at the same time as the next
		{n: 4, minute: 2, seq: nil, position: 2},
		{n: 2, minute: 9, seq: nil, position: 3},
		{n: 9, minute: 8, seq: bson.Timestamp{T: 1, I: 9}, position: 4},
		{n: 7, minute: 7, seq: bson.Timestamp{T: 2, I: 1}, position: 5},
		{n: 8, minute: 6, seq: bson.Timestamp{T: 2, I: 2}, position: 6},
		{n: 6, minute: 0, seq: bson.Timestamp{T: 3, I: 1}, position: 7},
	} {
		user := sample.User(account.n)
		user.RegisteredOn = sample.Time().Add(time.Duration(account.minute) * time.Minute)
		doc := changed(userDocument(account.n), []string{"registered_on"}, user.RegisteredOn)
		doc = changed(doc, []string{"seq"}, account.seq)
		if account.seq == nil {
			doc = changed(changed(changed(doc, []string{"seq_id"}, nil), []string{"disabled"}, nil), []string{"schema_version"}, int32(2))
		}
		insert(t, docs, doc)
		want = slices.Insert(want, account.position, user)
	}
	last := sample.User(1)
	if got := users(t, db, 1, 10).Items; !slices.Equal(got, want) {
		t.Errorf("the page has %v, want %v", got, want)
	}
	changedAccount := want[1]
	changedAccount.PasswordHash = domain.NewPasswordHash("another hash") // the document gets the latest version
	noError(t, db.Users().Update(t.Context(), want[1], changedAccount))
	want[1] = changedAccount
	if got := slices.Concat(users(t, db, 1, 5).Items, users(t, db, 2, 5).Items); !slices.Equal(got, want) {
		t.Errorf("after an update the pages have %v, want %v", got, want)
	}
	_, err := docs.DeleteMany(t.Context(), bson.D{{Key: "seq", Value: bson.D{{Key: "$exists", Value: true}}}})
	noError(t, err)
	noError(t, db.Users().Add(t.Context(), last))
	if got := users(t, db, 1, 10).Items; !slices.Equal(got, append(want[:4:4], last)) {
		t.Errorf("after the first Add the page has %v, want %v", got, append(want[:4:4], last))
	}
}

// TestListLeavesOutUnreadableAccounts lists 7 accounts, two of which cannot be read.
func TestListLeavesOutUnreadableAccounts(t *testing.T) {
	t.Parallel()
	var reported []error
	db := openWith(t, mongotest.URI(t), mongodb.Options{Unreadable: func(collection string, err error) {
		equal(t, "the collection", collection, "users")
		reported = append(reported, err)
	}})
	for n := range 7 {
		doc := userDocument(n)
		if n == 1 || n == 6 {
			doc = changed(doc, []string{"disabled"}, "x")
		}
		insert(t, db.Database().Collection("users"), doc)
	}
	for number, want := range map[int][]domain.User{
		1: {sample.User(0), sample.User(2), sample.User(3), sample.User(4)},
		2: {sample.User(5)},
	} {
		reported = nil
		page := users(t, db, number, 5)
		if !slices.Equal(page.Items, want) {
			t.Errorf("page %d has %v, want %v", number, page.Items, want)
		}
		equal(t, "number of reported errors", len(reported), 1)
		equal(t, "total", page.TotalItems, 7)
	}
}

func userDocument(n int) bson.D {
	u := sample.User(n)
	return bson.D{
		{Key: "_id", Value: binaryUUID(u.PublicID)},
		{Key: "seq", Value: bson.Timestamp{T: 1, I: uint32(n)}},
		{Key: "seq_id", Value: binaryUUID(sample.ID(n))},
		{Key: "schema_version", Value: mongodb.UserVersion},
		{Key: "email", Value: u.Email.String()},
		{Key: "email_key", Value: u.Email.Key()},
		{Key: "password_hash", Value: u.PasswordHash.Reveal()},
		{Key: "admin", Value: u.Admin},
		{Key: "disabled", Value: u.Disabled},
		{Key: "registered_on", Value: u.RegisteredOn},
	}
}

func widgetDocument(n int) bson.D {
	w := widget(n)
	return bson.D{
		{Key: "_id", Value: binaryUUID(sample.ID(n))},
		{Key: "seq", Value: bson.Timestamp{T: 1, I: uint32(n)}},
		{Key: "schema_version", Value: mongodb.WidgetVersion},
		{Key: "name", Value: w.Name.String()},
		{Key: "info_url", Value: w.InfoURL.String()},
		{Key: "deadline", Value: w.Deadline.Time()},
		{Key: "created_at", Value: w.CreatedAt},
		{Key: "owner", Value: bson.D{
			{Key: "public_id", Value: binaryUUID(w.Owner.PublicID)},
			{Key: "email", Value: w.Owner.Email.String()},
		}},
		{Key: "version", Value: int64(w.Version)},
	}
}

func tokenDocument(n int) bson.D {
	token := sample.Token(n, 0)
	return bson.D{
		{Key: "_id", Value: binaryUUID(token.ID)},
		{Key: "schema_version", Value: mongodb.TokenVersion},
		{Key: "expires_at", Value: token.ExpiresAt},
		{Key: "until", Value: int64(0)},
		{Key: "lifetime", Value: int64(0)},
	}
}

// tokenOfAnHour returns the token of tokenDocument with a lifetime.
func tokenOfAnHour(n int) domain.BlacklistedToken {
	token := sample.Token(n, 0)
	token.Lifetime = time.Hour
	return token
}

// cutOff returns the cut-off of the n-th account.
func cutOff(n int) domain.CutOff {
	return domain.CutOff{Subject: sample.ID(n), Value: sample.ID(1000 + n), ExpiresAt: sample.Token(n, time.Hour).ExpiresAt, Lifetime: time.Hour}
}

func cutOffDocument(n int) bson.D {
	c := cutOff(n)
	return bson.D{
		{Key: "_id", Value: "cut-off " + c.Subject.String()},
		{Key: "schema_version", Value: mongodb.CutOffVersion},
		{Key: "value", Value: binaryUUID(c.Value)},
		{Key: "expires_at", Value: c.ExpiresAt},
		{Key: "until", Value: (time.Hour + margin).Milliseconds()},
		{Key: "lifetime", Value: time.Hour.Milliseconds()},
	}
}

func watermarkDocument(expiry time.Time) bson.D {
	return bson.D{
		{Key: "_id", Value: "forgotten"},
		{Key: "schema_version", Value: mongodb.WatermarkVersion},
		{Key: "through", Value: expiry},
	}
}

func binaryUUID(id domain.UUID) bson.Binary { return bson.Binary{Subtype: 4, Data: id[:]} }

// in returns the document with the change.
func (c change) in(doc bson.D) bson.D { return changed(doc, strings.Split(c.field, "."), c.value) }

// wantError checks an error about the document with the first sample id.
func (c change) wantError(t *testing.T, method, collection string, err error) {
	t.Helper()
	c.wantErrorOf(t, method, collection, sample.ID(1).String(), err)
}

// wantErrorOf checks that an error names the document and the problem, has no kind
// and contains no email.
func (c change) wantErrorOf(t *testing.T, method, collection, id string, err error) {
	t.Helper()
	want := "collection " + collection + ", _id " + id + ": " + c.want
	switch {
	case err == nil:
		t.Errorf("%s succeeded on an unreadable document", method)
		return
	case !strings.Contains(err.Error(), want):
		t.Errorf("%s returned %q, want an error with %q", method, err, want)
	case strings.Contains(err.Error(), "@"):
		t.Errorf("%s returned %q, which contains an email", method, err)
	}
	if kind := domain.KindOf(err); kind != "" {
		t.Errorf("%s returned %v of the kind %s, want no kind", method, err, kind)
	}
}

// changed returns the document with another value at the end of the path. With
// the value nil it returns the document without the field.
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

func insert(t *testing.T, docs *mongo.Collection, doc bson.D) {
	t.Helper()
	_, err := docs.InsertOne(t.Context(), doc)
	noError(t, err)
}

// find returns the document that matches.
func find(t *testing.T, docs *mongo.Collection, filter bson.D) (doc bson.D) {
	t.Helper()
	raw, err := docs.FindOne(t.Context(), filter).Raw()
	noError(t, err)
	noError(t, bson.Unmarshal(raw, &doc))
	return doc
}

// wantDocument checks that the collection's only document is the given one.
func wantDocument(t *testing.T, docs *mongo.Collection, want bson.D) {
	t.Helper()
	equal(t, "the stored document", text(t, find(t, docs, bson.D{{Key: "_id", Value: want[0].Value}})), text(t, want))
}

// text returns a document as canonical Extended JSON, in which equal documents are
// equal texts.
func text(t *testing.T, doc bson.D) string {
	t.Helper()
	data, err := bson.MarshalExtJSON(doc, true, false)
	noError(t, err)
	return string(data)
}
