package mongodb_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// openVersion opens a database as a server of another version does.
func openVersion(t *testing.T, uri string, own, least int32) *mongodb.DB {
	t.Helper()
	db, err := mongodb.OpenVersion(t.Context(), uri, own, least)
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	return db
}

// TestLaterServerExcludesThisOne starts a server that must not run beside the running
// ones. They accept no token and write nothing from then on, and do not start again.
func TestLaterServerExcludesThisOne(t *testing.T) {
	t.Parallel()
	uri, ctx := mongotest.URI(t), t.Context()
	excluded := open(t, uri)
	noError(t, excluded.Users().Add(ctx, sample.Admin(0)))
	later := openVersion(t, uri, 4, 4)
	noError(t, later.Users().Add(ctx, sample.Admin(10)))

	const reason = "a later widgetd uses the database and excludes this one: upgrade this server"
	reads := []string{
		"Users.ByPublicID", "Users.ByEmail", "Users.List", "Users.Slice", "Users.HasAdmin", "Users.Departed",
		"Widgets.ByName", "Widgets.List", "Widgets.Slice", "Blacklist.Count",
	}
	wantRefused := func(method string, err error) {
		t.Helper()
		if !errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s returned %v, want Unavailable because of %q", method, err, reason)
		}
	}
	_, err := isLoggedOut(ctx, excluded, sample.Token(1, time.Hour)) // each request asks first
	wantRefused("Check", err)
	errs := conformance.EveryMethod(ctx, excluded)
	for _, method := range reads {
		delete(errs, method)
	}
	for method, err := range errs {
		wantRefused(method, err)
	}
	_, err = mongodb.Open(ctx, uri, mongodb.Options{})
	if err == nil || errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), reason) {
		t.Errorf("Open returned %v, want a permanent error because of %q", err, reason)
	}
	wantOneLine(t, err)

	noError(t, later.Ping(ctx))
	page := users(t, later, 1, 5)
	equal(t, "number of accounts", page.TotalItems, 2)
	for method, err := range conformance.EveryMethod(ctx, later) {
		if err != nil && !errors.Is(err, domain.NotFound) && !errors.Is(err, domain.ChangedMeanwhile) { // Add runs at the same time
			t.Errorf("%s of the later server: %v", method, err)
		}
	}
}

// TestExcludedServerChangesNothingAtItsStart starts a server that is excluded, on a
// database whose indexes are missing.
func TestExcludedServerChangesNothingAtItsStart(t *testing.T) {
	t.Parallel()
	uri, ctx := mongotest.URI(t), t.Context()
	db := openVersion(t, uri, 4, 3)
	noError(t, db.Database().Collection("users").Drop(ctx))
	if _, err := mongodb.OpenVersion(ctx, uri, 2, 2); err == nil {
		t.Error("Open of an excluded server succeeded")
	}
	names, err := db.Database().ListCollectionNames(ctx, bson.D{})
	noError(t, err)
	if slices.Contains(names, "users") {
		t.Error("the excluded server created the collection users")
	}
	equal(t, "least_version", leastVersion(t, db), 3)
}

// TestServersOfCompatibleVersionsRunTogether opens a database with servers of several
// versions, none of which excludes another.
func TestServersOfCompatibleVersionsRunTogether(t *testing.T) {
	t.Parallel()
	uri, ctx := mongotest.URI(t), t.Context()
	token := sample.Token(1, time.Hour)
	var servers []*mongodb.DB
	for _, version := range [][2]int32{{4, 3}, {3, 2}, {5, 3}, {3, 3}} {
		servers = append(servers, openVersion(t, uri, version[0], version[1]))
	}
	noError(t, servers[1].Blacklist().Add(ctx, token))
	for _, db := range servers {
		noError(t, db.Ping(ctx))
		equal(t, "the token is blacklisted", sample.Must(isLoggedOut(ctx, db, token)), true)
		sample.Must(db.Blacklist().Purge(ctx, sample.Time()))
	}
	equal(t, "least_version", leastVersion(t, servers[0]), 3)
}

func leastVersion(t *testing.T, db *mongodb.DB) int32 {
	t.Helper()
	return runningRaw(t, db).Lookup("least_version").Int32()
}

// runningRaw returns the document with the running time.
func runningRaw(t *testing.T, db *mongodb.DB) bson.Raw {
	t.Helper()
	raw, err := db.Database().Collection("blacklist").FindOne(t.Context(), bson.D{{Key: "_id", Value: "running"}}).Raw()
	noError(t, err)
	return raw
}

// releaseWithoutVersions makes the reads and writes of a server of the release before
// versions, as that release has them.
type releaseWithoutVersions struct {
	blacklist *mongo.Collection
	storeID   bson.RawValue
}

// start opens the blacklist. That release refuses a document "running" of a later version
// than 1.
func (r *releaseWithoutVersions) start(ctx context.Context) error {
	raw, err := r.blacklist.FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: "running"}},
		bson.D{{Key: "$setOnInsert", Value: bson.D{
			{Key: "schema_version", Value: int32(1)},
			{Key: "store_id", Value: binaryUUID(sample.ID(77))},
			{Key: "milliseconds", Value: int64(0)},
		}}}, options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Raw()
	if err != nil {
		return err
	}
	if raw.Lookup("schema_version").Int32() > 1 {
		return errors.New("schema_version was written by a later widgetd")
	}
	r.storeID = raw.Lookup("store_id")
	return nil
}

// accepts returns nil if the server accepts tokens, and confirms a log-out.
func (r *releaseWithoutVersions) accepts(ctx context.Context) error {
	raw, err := r.blacklist.FindOne(ctx, bson.D{{Key: "_id", Value: "running"}}).Raw()
	if err == nil && !raw.Lookup("store_id").Equal(r.storeID) {
		err = errors.New("the collection blacklist is not the one that this server opened")
	}
	return err
}

// purges returns nil if the server may forget tokens.
func (r *releaseWithoutVersions) purges(ctx context.Context) error {
	return r.blacklist.FindOneAndUpdate(ctx, bson.D{
		{Key: "_id", Value: "running"},
		{Key: "store_id", Value: r.storeID},
		{Key: "milliseconds", Value: bson.D{{Key: "$type", Value: "long"}}},
	}, bson.D{{Key: "$max", Value: bson.D{{Key: "milliseconds", Value: int64(1)}}}}).Err()
}

// TestReleaseWithoutVersionsIsExcluded starts a server of this version beside one of the
// release before.
func TestReleaseWithoutVersionsIsExcluded(t *testing.T) {
	t.Parallel()
	uri, ctx := mongotest.URI(t), t.Context()
	docs := open(t, uri).Database().Collection("blacklist")
	_, err := docs.DeleteMany(ctx, bson.D{})
	noError(t, err)
	earlier := &releaseWithoutVersions{blacklist: docs}
	noError(t, earlier.start(ctx))
	noError(t, earlier.accepts(ctx))
	noError(t, earlier.purges(ctx))
	loggedOut := sample.Token(1, time.Hour)
	insert(t, docs, tokenDocument(1))

	db := open(t, uri)
	for what, err := range map[string]error{
		"accepts tokens": earlier.accepts(ctx), "purges": earlier.purges(ctx), "starts again": (&releaseWithoutVersions{blacklist: docs}).start(ctx),
	} {
		if err == nil {
			t.Errorf("the earlier server %s", what)
		}
	}
	equal(t, "the token is blacklisted", sample.Must(isLoggedOut(ctx, db, loggedOut)), true)
	equal(t, "the running time", runningRaw(t, db).Lookup("milliseconds").Int64(), 1)
	noError(t, db.Ping(ctx))
}
