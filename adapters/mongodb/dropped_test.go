package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// drops are ways to lose the blacklist while servers run.
var drops = map[string]func(ctx context.Context, db *mongodb.DB) error{
	"the collection is dropped": func(ctx context.Context, db *mongodb.DB) error {
		return db.Database().Collection("blacklist").Drop(ctx)
	},
	"the database is dropped": func(ctx context.Context, db *mongodb.DB) error { return db.Database().Drop(ctx) },
	"all documents are deleted": func(ctx context.Context, db *mongodb.DB) error {
		_, err := db.Database().Collection("blacklist").DeleteMany(ctx, bson.D{})
		return err
	},
	"the collection is replaced": func(ctx context.Context, db *mongodb.DB) error {
		docs := db.Database().Collection("blacklist")
		if err := docs.Drop(ctx); err != nil {
			return err
		}
		_, err := docs.InsertOne(ctx, runningDocument())
		return err
	},
}

// TestLostBlacklistIsUnavailable loses the blacklist of two servers, and restores it.
func TestLostBlacklistIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, drop := range drops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			uri, ctx := mongotest.URI(t), t.Context()
			servers := []*mongodb.DB{open(t, uri), open(t, uri)}
			loggedOut, valid := sample.Token(1, time.Hour), sample.Token(2, time.Hour)
			noError(t, servers[0].Blacklist().Add(ctx, loggedOut))
			noError(t, servers[0].Blacklist().EndTokens(ctx, cutOff(4)))
			docs := servers[0].Database().Collection("blacklist")
			running := find(t, docs, bson.D{{Key: "_id", Value: "running"}})
			token := find(t, docs, bson.D{{Key: "_id", Value: binaryUUID(loggedOut.ID)}})
			ended := find(t, docs, bson.D{{Key: "_id", Value: cutOffDocument(4)[0].Value}})

			noError(t, drop(ctx, servers[0]))
			for range 2 { // a refused log-out makes a new collection
				for _, db := range servers {
					for method, err := range map[string]error{
						"Check of a logged-out token": errorOf(isLoggedOut(ctx, db, loggedOut)),
						"Check of a valid token":      errorOf(isLoggedOut(ctx, db, valid)),
						"Purge":                       errorOf(db.Blacklist().Purge(ctx, sample.Time())),
						"Ping":                        db.Ping(ctx),
						"Add":                         db.Blacklist().Add(ctx, sample.Token(3, time.Hour)),
						"EndTokens":                   db.Blacklist().EndTokens(ctx, cutOff(5)),
						"CutOff":                      errorOf(db.Blacklist().CutOff(ctx, sample.ID(4))),
					} {
						if !errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), "the collection blacklist is not the one") {
							t.Errorf("%s: %v", method, err)
						}
					}
				}
			}

			_, err := docs.DeleteMany(ctx, bson.D{})
			noError(t, err)
			insert(t, docs, running)
			insert(t, docs, token)
			insert(t, docs, ended)
			for _, db := range servers {
				equal(t, "the token is blacklisted after the restoration", sample.Must(isLoggedOut(ctx, db, loggedOut)), true)
				equal(t, "the valid token is blacklisted after the restoration", sample.Must(isLoggedOut(ctx, db, valid)), false)
				noError(t, db.Blacklist().Add(ctx, sample.Token(3, time.Hour)))
				equal(t, "the cut-off after the restoration", sample.Must(db.Blacklist().CutOff(ctx, sample.ID(4))), cutOff(4).Value)
				noError(t, db.Blacklist().EndTokens(ctx, cutOff(5)))
				awaitReady(t, db)
			}
		})
	}
}

func errorOf[T any](_ T, err error) error { return err }

// awaitReady waits until Ping returns nil.
func awaitReady(t *testing.T, db *mongodb.DB) {
	t.Helper()
	for late := time.Now().Add(20 * time.Second); ; {
		err := db.Ping(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("Ping: %v", err)
		}
	}
}

// indexDrops are ways to lose a unique index while servers run.
var indexDrops = map[string]func(ctx context.Context, db *mongodb.DB, collection, index string) error{
	"the index is dropped": func(ctx context.Context, db *mongodb.DB, collection, index string) error {
		return db.Database().Collection(collection).Indexes().DropOne(ctx, index)
	},
	"all indexes are dropped": func(ctx context.Context, db *mongodb.DB, collection, _ string) error {
		return db.Database().Collection(collection).Indexes().DropAll(ctx)
	},
	"the collection is dropped": func(ctx context.Context, db *mongodb.DB, collection, _ string) error {
		return db.Database().Collection(collection).Drop(ctx)
	},
}

// TestNoDuplicateWithoutAUniqueIndex loses a unique index and at the same time adds the
// same account, or the same widget, on two servers many times. At most one of each is
// acknowledged, and at most one is there.
func TestNoDuplicateWithoutAUniqueIndex(t *testing.T) {
	t.Parallel()
	for collection, kind := range map[string]struct {
		index string
		add   func(ctx context.Context, db *mongodb.DB, id, n int) error
	}{
		"users": {"email_key_1", func(ctx context.Context, db *mongodb.DB, id, n int) error {
			return db.Users().Add(ctx, sample.UserWithEmail(id, fmt.Sprintf("same-%d@example.com", n)))
		}},
		"widgets": {"name_1", func(ctx context.Context, db *mongodb.DB, _, n int) error {
			return db.Widgets().Add(ctx, widget(n))
		}},
	} {
		for name, drop := range indexDrops {
			t.Run(collection+"/"+name, func(t *testing.T) {
				t.Parallel()
				uri, ctx := mongotest.URI(t), t.Context()
				servers := []*mongodb.DB{open(t, uri), open(t, uri)}
				noError(t, drop(ctx, servers[0], collection, kind.index))
				var mu sync.Mutex
				acknowledged := map[int]int{}
				var adding sync.WaitGroup
				for worker := range 4 {
					adding.Go(func() {
						for n := range 10 {
							err := kind.add(ctx, servers[worker%2], 100*worker+n, n)
							switch {
							case err == nil:
								mu.Lock()
								acknowledged[n]++
								mu.Unlock()
							case !errors.Is(err, domain.Unavailable) && !errors.Is(err, domain.AlreadyExists):
								t.Error(err)
							}
						}
					})
				}
				adding.Wait()
				for _, db := range servers {
					awaitReady(t, db)
				}
				for n := range 10 {
					err := kind.add(ctx, servers[0], 1000+n, n)
					if acknowledged[n] > 1 || (err == nil) == (acknowledged[n] == 1) {
						t.Errorf("%d of the same were acknowledged, and then one more with %v", acknowledged[n], err)
					}
				}
				count, err := servers[0].Database().Collection(collection).CountDocuments(ctx, bson.D{})
				noError(t, err)
				equal(t, "number of documents", count, 10)
			})
		}
	}
}

// TestMissingIndexIsMadeAgain has servers at rest: Ping alone notices and repairs.
func TestMissingIndexIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, drop := range indexDrops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, ctx := open(t, mongotest.URI(t)), t.Context()
			for collection, index := range map[string]string{"users": "email_key_1", "widgets": "name_1"} {
				noError(t, drop(ctx, db, collection, index))
				if err := db.Ping(ctx); !errors.Is(err, domain.Unavailable) ||
					!strings.Contains(err.Error(), "the collection "+collection+" has no unique index of ") {
					t.Errorf("Ping: %v", err)
				}
				awaitReady(t, db)
			}
			noError(t, db.Users().Add(ctx, sample.User(1)))
			noError(t, db.Widgets().Add(ctx, widget(1)))
		})
	}
}

// TestIndexThatCannotBeMadeRefusesWrites drops the index and inserts a duplicate, so
// that the index cannot be made again until somebody removes the duplicate.
func TestIndexThatCannotBeMadeRefusesWrites(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()
	noError(t, db.Users().Add(ctx, sample.User(1)))
	users := db.Database().Collection("users")
	noError(t, users.Indexes().DropOne(ctx, "email_key_1"))
	insert(t, users, changed(userDocument(1), []string{"_id"}, binaryUUID(sample.ID(2))))
	const problem = "has no unique index of email_key, and it cannot be created: "
	for late := time.Now().Add(20 * time.Second); ; {
		err := db.Ping(ctx)
		if !errors.Is(err, domain.Unavailable) {
			t.Fatalf("Ping: %v", err)
		}
		if strings.Contains(err.Error(), problem) {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("Ping: %v, want an error with %q", err, problem)
		}
	}
	for method, err := range map[string]error{
		"Add":    db.Users().Add(ctx, sample.User(3)),
		"Update": db.Users().Update(ctx, sample.User(1), sample.User(1)),
		"Delete": db.Users().Delete(ctx, sample.User(1)),
	} {
		if !errors.Is(err, domain.Unavailable) {
			t.Errorf("%s: %v", method, err)
		}
	}
	noError(t, db.Widgets().Add(ctx, widget(1))) // widgets are not affected
	_, err := users.DeleteOne(ctx, bson.D{{Key: "_id", Value: binaryUUID(sample.ID(2))}})
	noError(t, err)
	awaitReady(t, db)
	noError(t, db.Users().Add(ctx, sample.User(3)))
}
