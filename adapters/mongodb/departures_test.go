package mongodb_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func wantDeparted(t *testing.T, db *mongodb.DB, want ...domain.UUID) {
	t.Helper()
	if got := sample.Must(db.Users().Departed(t.Context())); !slices.Equal(got, want) {
		t.Errorf("Departed returned %v, want %v", got, want)
	}
}

func marks(t *testing.T, db *mongodb.DB) int64 {
	t.Helper()
	return sample.Must(db.Database().Collection("departed").CountDocuments(t.Context(), bson.D{}))
}

// TestCrashBetweenMarkAndDeletion loses the connection after the mark was written, before
// and after the account is deleted.
func TestCrashBetweenMarkAndDeletion(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t)
	db, ctx := open(t, server.Database(t)+"?retryWrites=false"), t.Context()
	user := sample.User(1)
	noError(t, db.Users().Add(ctx, user))
	server.Fail(t, mongotest.CutBefore, "delete")
	if err := db.Users().Delete(ctx, user); !errors.Is(err, domain.Unavailable) {
		t.Fatalf("Delete: %v, want Unavailable", err)
	}
	equal(t, "the number of marks", marks(t, db), 1)
	wantDeparted(t, db) // the account exists
	noError(t, db.Users().Settle(ctx, user.PublicID))
	equal(t, "the number of marks after Settle", marks(t, db), 1)

	server.Fail(t, mongotest.CutAfter, "delete")
	if err := db.Users().Delete(ctx, user); !errors.Is(err, domain.Unavailable) {
		t.Fatalf("Delete: %v, want Unavailable", err)
	}
	wantDeparted(t, db, user.PublicID) // once, although there are two marks
	noError(t, db.Users().Settle(ctx, user.PublicID))
	wantDeparted(t, db)
	equal(t, "the number of marks at the end", marks(t, db), 0)
}

// TestRefusedDeletionLeavesNoMark deletes accounts that do not exist, that have changed and
// that must stay.
func TestRefusedDeletionLeavesNoMark(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()
	noError(t, db.Users().Add(ctx, sample.Admin(1)))
	for user, want := range map[domain.User]error{
		sample.User(2): domain.NotFound, sample.User(1): domain.ChangedMeanwhile, sample.Admin(1): domain.ErrLastAdministrator,
	} {
		noError(t, wantError(db.Users().Delete(ctx, user), want))
		equal(t, "the number of marks", marks(t, db), 0)
	}
}

// TestDeletionsOfTheVersionBeforeAreMarkedOnce upgrades a database in which accounts were
// deleted.
func TestDeletionsOfTheVersionBeforeAreMarkedOnce(t *testing.T) {
	t.Parallel()
	uri, ctx := mongotest.URI(t), t.Context()
	before := openVersion(t, uri, 2, 2)
	docs := before.Database().Collection("blacklist")
	_, err := docs.UpdateByID(ctx, "running", bson.D{{Key: "$set", Value: bson.D{{Key: "least_version", Value: int32(2)}}}})
	noError(t, err)
	deleted := func(n int) domain.CutOff {
		c := cutOff(n)
		c.Value = domain.AccountDeleted
		return c
	}
	for n := range 3 {
		noError(t, before.Blacklist().EndTokens(ctx, deleted(n)))
	}
	noError(t, before.Blacklist().EndTokens(ctx, cutOff(3)))
	noError(t, before.Users().Add(ctx, sample.User(2))) // was added again

	db := open(t, uri)
	equal(t, "the deletions are to be marked", isUnmarked(t, db), true)
	noError(t, mongodb.MarkDeletions(ctx, db, 0))
	equal(t, "the deletions are to be marked after they were", isUnmarked(t, db), false)
	noError(t, db.Close())
	db = open(t, uri)
	wantDeparted(t, db, sample.ID(0), sample.ID(1))
	noError(t, db.Users().Settle(ctx, sample.ID(0)))
	noError(t, db.Close())
	wantDeparted(t, open(t, uri), sample.ID(1))
}

// TestDeletionsAreMarkedAgainAfterAStop stops a server before it has read the deletions a
// second time.
func TestDeletionsAreMarkedAgainAfterAStop(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	db := openVersion(t, uri, 2, 2)
	_, err := db.Database().Collection("blacklist").UpdateByID(t.Context(), "running", bson.D{{Key: "$set", Value: bson.D{{Key: "least_version", Value: int32(2)}}}})
	noError(t, err)
	noError(t, db.Close())
	db = open(t, uri)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := mongodb.MarkDeletions(ctx, db, 0); err == nil {
		t.Error("MarkDeletions succeeded after its context has ended")
	}
	noError(t, db.Close())
	equal(t, "the deletions are to be marked", isUnmarked(t, open(t, uri)), true)
}

func isUnmarked(t *testing.T, db *mongodb.DB) bool {
	t.Helper()
	return !runningRaw(t, db).Lookup("unmarked").IsZero()
}
