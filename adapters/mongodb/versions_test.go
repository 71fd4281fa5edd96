package mongodb_test

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestDocumentsOfEveryVersionAreReadAndUpdated uses the documents in the folders
// testdata/version-N. Each folder has the documents of two accounts, two widgets and
// a logged-out token, and the watermark or the running time, as the widgetd that
// introduced the folder wrote them (canonical Extended JSON, a document per line). The
// folders since version-4 also have a disabled account and a cut-off. Never change them.
// Before a new version of a document is introduced, the latest one needs a folder.
func TestDocumentsOfEveryVersionAreReadAndUpdated(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("testdata/version-*")
	noError(t, err)
	if oldest := max(mongodb.UserVersion, mongodb.WidgetVersion, mongodb.TokenVersion) - 1; len(folders) < int(oldest) {
		t.Errorf("testdata has documents of %d versions, want those of all %d earlier versions", len(folders), oldest)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			uri := mongotest.URI(t)
			empty := open(t, uri)
			_, err := empty.Database().Collection("blacklist").DeleteMany(t.Context(), bson.D{}) // the file has what belongs there
			noError(t, err)
			for _, collection := range []string{"users", "widgets", "blacklist"} {
				load(t, empty.Database().Collection(collection), filepath.Join(folder, collection+".jsonl"))
			}
			db := openWith(t, uri, mongodb.Options{Clock: &clock{}, Unreadable: func(_ string, err error) { t.Error(err) }})
			name := filepath.Base(folder)
			wantStoredUsers(t, db)
			if name >= "version-4" {
				wantStoredDisabled(t, db)
			}
			wantStoredWidgets(t, db)
			wantStoredTokens(t, db, name)
		})
	}
}

// load inserts the documents of a file.
func load(t *testing.T, docs *mongo.Collection, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	noError(t, err)
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var doc bson.D
		noError(t, bson.UnmarshalExtJSON(lines.Bytes(), true, &doc))
		insert(t, docs, doc)
	}
}

// storedTime is when the first stored account was registered.
func storedTime() time.Time { return time.Date(2026, 11, 22, 6, 55, 7, 123_000_000, time.UTC) }

func storedUsers() (admin, user domain.User) {
	admin = domain.User{
		PublicID:     sample.Must(domain.ParseUUID("0b2c5f1e-4a7d-4c39-9e0f-6d8a1b3c5e7f")),
		Email:        sample.Email("Ada@example.com"),
		PasswordHash: domain.NewPasswordHash("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$rGZ3sJ6yD0pXv3m2u6w8kQ1n5b7c9e0f2h4j6l8o0qs"),
		Admin:        true,
		RegisteredOn: storedTime(),
	}
	user = domain.User{
		PublicID:     sample.Must(domain.ParseUUID("7d3e9a10-52c4-4b8f-8a6e-1f0c2d4b6a98")),
		Email:        sample.Email("用户@example.org"),
		PasswordHash: domain.NewPasswordHash("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"),
		RegisteredOn: storedTime().Add(time.Hour),
	}
	return admin, user
}

func wantStoredUsers(t *testing.T, db *mongodb.DB) {
	t.Helper()
	ctx := t.Context()
	admin, user := storedUsers()
	for _, want := range []domain.User{user, admin} { // so that one of them is an administrator
		got, err := db.Users().ByPublicID(ctx, want.PublicID)
		noError(t, err)
		equal(t, "the account by id", got, want)
		got, err = db.Users().ByEmail(ctx, want.Email)
		noError(t, err)
		equal(t, "the account by email", got, want)

		want.PasswordHash, want.Admin = domain.NewPasswordHash("another hash"), !want.Admin
		noError(t, db.Users().Update(ctx, got, want))
		got, err = db.Users().ByPublicID(ctx, want.PublicID)
		noError(t, err)
		equal(t, "the account with other credentials", got, want)
	}
}

// wantStoredDisabled checks the disabled account and the cut-off.
func wantStoredDisabled(t *testing.T, db *mongodb.DB) {
	t.Helper()
	ctx := t.Context()
	got, err := db.Users().ByEmail(ctx, sample.Email("eve@example.net"))
	noError(t, err)
	equal(t, "the account is disabled", got.Disabled, true)
	enabled := got
	enabled.Disabled = false
	noError(t, db.Users().Update(ctx, got, enabled))
	page := users(t, db, 1, 5)
	equal(t, "number of accounts", len(page.Items), 3)
	equal(t, "the last account", page.Items[2], enabled)

	_, user := storedUsers()
	value := sample.Must(domain.ParseUUID("e1b0c7d2-3a4f-4c58-9b6d-0f8e7a5c2d41"))
	equal(t, "the cut-off", sample.Must(db.Blacklist().CutOff(ctx, user.PublicID)), value)
	next := domain.NewCutOff(user.PublicID, sample.ID(1), sample.Time(), time.Hour)
	noError(t, db.Blacklist().EndTokens(ctx, next))
	equal(t, "the next cut-off", sample.Must(db.Blacklist().CutOff(ctx, user.PublicID)), next.Value)
}

func storedWidgets() []domain.Widget {
	admin, _ := storedUsers()
	owner := domain.Owner{PublicID: admin.PublicID, Email: admin.Email}
	return []domain.Widget{
		{
			Name: sample.WidgetName("gear_1"),
			WidgetFields: domain.WidgetFields{
				InfoURL:  sample.InfoURL("https://example.com/gear?size=1"),
				Deadline: domain.RestoreDeadline(time.Date(2027, 12, 31, 23, 59, 59, 0, time.UTC)),
			},
			CreatedAt: storedTime().Add(2 * time.Hour),
			Owner:     owner,
			Version:   domain.FirstVersion(storedTime().Add(2 * time.Hour)),
		},
		{
			Name: sample.WidgetName("cog"),
			WidgetFields: domain.WidgetFields{
				InfoURL:  sample.InfoURL("http://例え.example/歯車"),
				Deadline: domain.RestoreDeadline(time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)),
			},
			CreatedAt: storedTime().Add(3 * time.Hour),
			Owner:     owner,
			Version:   domain.FirstVersion(storedTime().Add(3 * time.Hour)),
		},
	}
}

func wantStoredWidgets(t *testing.T, db *mongodb.DB) {
	t.Helper()
	want := storedWidgets()
	if got := list(t, db, 1, 5).Items; !slices.Equal(got, want) {
		t.Errorf("the page has %v, want %v", got, want)
	}
	for i := range want {
		got, err := db.Widgets().ByName(t.Context(), want[i].Name)
		noError(t, err)
		equal(t, "the widget", got, want[i])
		change := sample.WidgetFields("changed").ChangeAll()
		before, err := db.Widgets().Update(t.Context(), want[i].Name, change, domain.Condition{})
		noError(t, err)
		equal(t, "the widget before the update", before, want[i])
		want[i] = want[i].Changed(change)
	}
	if got := list(t, db, 1, 5).Items; !slices.Equal(got, want) {
		t.Errorf("after the updates the page has %v, want %v", got, want)
	}
	docs := db.Database().Collection("widgets")
	for _, w := range want {
		raw, err := docs.FindOne(t.Context(), bson.D{{Key: "name", Value: w.Name.String()}}).Raw()
		noError(t, err)
		equal(t, "the version after the update", raw.Lookup("schema_version").Int32(), mongodb.WidgetVersion)
	}
}

// wantStoredTokens checks the token and the watermark of an earlier release, or the
// token and the running time.
func wantStoredTokens(t *testing.T, db *mongodb.DB, folder string) {
	t.Helper()
	ctx := t.Context()
	hasWatermark := folder < "version-3"
	watermark := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	purged := domain.BlacklistedToken{ID: sample.Must(domain.ParseUUID("11111111-2222-4333-8444-555555555555")), ExpiresAt: watermark}
	issuedSince := domain.BlacklistedToken{ID: sample.Must(domain.ParseUUID("11111111-2222-7333-8444-555555555555")), ExpiresAt: watermark}
	kept := domain.BlacklistedToken{ID: sample.Must(domain.ParseUUID("c4a8e2d6-0f1b-4a3c-9d5e-7f9b1d3f5a7c")), ExpiresAt: watermark.Add(time.Hour)}
	unknown := domain.BlacklistedToken{ID: sample.ID(1), ExpiresAt: watermark.Add(time.Second)}
	want := func(when string, token domain.BlacklistedToken, want bool) {
		t.Helper()
		got, err := isLoggedOut(ctx, db, token)
		noError(t, err)
		equal(t, token.ID.String()+" is blacklisted "+when, got, want)
	}
	want("by the watermark", purged, hasWatermark)
	if hasWatermark { // the release that wrote it knows up to version 2
		doc, err := db.Database().Collection("blacklist").FindOne(ctx, bson.D{{Key: "_id", Value: "forgotten"}}).Raw()
		noError(t, err)
		equal(t, "the version of the watermark", doc.Lookup("schema_version").Int32(), mongodb.WatermarkVersion)
	}
	want("by the watermark, although it was issued since", issuedSince, false)
	want("by its id", kept, true)
	want("after the watermark", unknown, false)
	stored := 1
	if folder >= "version-4" {
		stored++ // the cut-off
	}
	equal(t, "number of tokens and cut-offs", sample.Must(db.Blacklist().Count(ctx)), stored)

	wantStoredLifetimes(t, db, folder)
	kept.ExpiresAt = kept.ExpiresAt.Add(time.Hour)
	noError(t, db.Blacklist().Add(ctx, kept))
	equal(t, "the expiry", sample.Must(db.Blacklist().Tokens(ctx, "", 5)).Items[0].ExpiresAt, kept.ExpiresAt)
	docs := db.Database().Collection("blacklist")
	until := time.Hour + margin // in the file of version 3
	switch {
	case hasWatermark:
		until = 365*24*time.Hour + margin
	case folder >= "version-4":
		until += 2 * time.Minute // the running time at the log-out
	}
	run := func(to time.Duration) {
		t.Helper()
		_, err := docs.UpdateByID(ctx, "running", bson.D{{Key: "$set", Value: bson.D{{Key: "milliseconds", Value: to.Milliseconds()}}}})
		noError(t, err)
	}
	purge := func(when string, now time.Time, want int) {
		t.Helper()
		n, err := db.Blacklist().Purge(ctx, now)
		noError(t, err)
		equal(t, "number of tokens purged "+when, n, want)
	}
	run(until - time.Millisecond)
	purge("before the lifetime has passed", kept.ExpiresAt.AddDate(100, 0, 0), 0)
	run(until)
	purge("before the later expiry", kept.ExpiresAt.Add(-time.Second), 0)
	want("before the later expiry", kept, true)
	purge("at the later expiry", kept.ExpiresAt, 1)
	want("after its purge", kept, false)
}

// wantStoredLifetimes checks the lifetimes of the token and the cut-off. Up to version 4
// they are the running time that is left.
func wantStoredLifetimes(t *testing.T, db *mongodb.DB, folder string) {
	t.Helper()
	lifetime := map[string]time.Duration{
		"version-1": 365*24*time.Hour + margin, "version-2": 365*24*time.Hour + margin,
		"version-3": time.Hour + margin - 10*time.Minute, "version-4": time.Hour + margin, "version-5": time.Hour,
	}[folder]
	tokens := sample.Must(db.Blacklist().Tokens(t.Context(), "", 5)).Items
	equal(t, "number of tokens", len(tokens), 1)
	equal(t, "the lifetime of the token", tokens[0].Lifetime, lifetime)
	cutOffs := sample.Must(db.Blacklist().CutOffs(t.Context(), "", 5)).Items
	equal(t, "there is a cut-off", len(cutOffs) == 1, folder >= "version-4")
}
