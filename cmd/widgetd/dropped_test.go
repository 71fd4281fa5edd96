package main_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/widgetd/widgetd/internal/mongotest"
)

// databaseOf connects to the database of a URI.
func databaseOf(t *testing.T, uri string) *mongo.Database {
	t.Helper()
	parsed, err := connstring.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(parsed.Database)
}

// TestDroppedBlacklistRefusesEveryToken drops the blacklist of two servers, or the whole
// database, and starts the servers again.
func TestDroppedBlacklistRefusesEveryToken(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(ctx context.Context, db *mongo.Database) error{
		"collection": func(ctx context.Context, db *mongo.Database) error { return db.Collection("blacklist").Drop(ctx) },
		"database":   func(ctx context.Context, db *mongo.Database) error { return db.Drop(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			uri := mongotest.URI(t)
			servers := startTwo(t, uri, asAdmin...)
			loggedOut := servers[0].logIn(t, adminEmail, adminPassword)
			valid := servers[0].logIn(t, adminEmail, adminPassword)
			servers[0].do(t, post("/auth/logout", loggedOut, nil)).want(t, 200, "")
			if err := drop(t.Context(), databaseOf(t, uri)); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the refused log-out makes a new collection
				for _, s := range servers {
					for _, token := range []string{loggedOut, valid} {
						s.do(t, get("/widgets", token)).want(t, 503, message("Service Unavailable"))
						s.do(t, post("/auth/logout", token, nil)).want(t, 503, message("Service Unavailable"))
					}
					s.do(t, readyz).want(t, 503, message("Service Unavailable"))
					s.do(t, healthz).want(t, 200, "")
				}
			}
			for _, s := range servers {
				if record, found := s.log.await("msg", "the store is not ready", s.exited); !found || !strings.Contains(fmt.Sprint(record["error"]), "blacklist") {
					t.Errorf("the log does not say that the blacklist is missing:\n%s", s.log)
				}
				s.stop()
			}
			for _, s := range startTwo(t, uri, asAdmin...) {
				s.awaitReady(t)
				s.do(t, get("/widgets", s.logIn(t, adminEmail, adminPassword))).want(t, 200, "")
			}
		})
	}
}

// TestDroppedIndexesAdmitNoDuplicate drops the unique indexes, or the collections with
// them, while two servers are asked to register one email and to add one widget many
// times.
func TestDroppedIndexesAdmitNoDuplicate(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(ctx context.Context, docs *mongo.Collection, index string) error{
		"index": func(ctx context.Context, docs *mongo.Collection, index string) error {
			return docs.Indexes().DropOne(ctx, index)
		},
		"collection": func(ctx context.Context, docs *mongo.Collection, _ string) error { return docs.Drop(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			uri := mongotest.URI(t)
			servers := startTwo(t, uri, asAdmin...)
			admin := servers[0].logIn(t, adminEmail, adminPassword)
			db := databaseOf(t, uri)
			if err := drop(t.Context(), db.Collection("widgets"), "name_1"); err != nil {
				t.Fatal(err)
			}
			if err := drop(t.Context(), db.Collection("users"), "email_key_1"); err != nil {
				t.Fatal(err)
			}
			created := map[int]int{}
			for n := range 20 {
				res := servers[n%2].do(t, post("/auth/register", "", fields{"email": userEmail, "password": userPassword}))
				created[res.status]++
				if name == "index" { // the administrator is gone with the collection
					res := servers[n%2].do(t, post("/widgets", admin, widgetFields().with("name", "one")))
					created[1000+res.status]++
				}
			}
			for _, s := range servers {
				s.awaitReady(t)
			}
			if created[201] > 1 || created[1201] > 1 {
				t.Errorf("created twice: %v", created)
			}
			servers[0].do(t, post("/auth/register", "", fields{"email": userEmail, "password": userPassword}))
			res := servers[1].do(t, post("/auth/register", "", fields{"email": userEmail, "password": userPassword}))
			if res.status != 409 {
				t.Errorf("when the index is there again, a second registration is answered with %d", res.status)
			}
			count, err := db.Collection("users").CountDocuments(t.Context(), bson.D{{Key: "email_key", Value: userEmail}})
			if err != nil || count != 1 {
				t.Errorf("%d accounts have the email, %v", count, err)
			}
		})
	}
}
