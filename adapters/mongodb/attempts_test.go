package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

// TestAttemptLimiter opens each database twice, as two servers do.
func TestAttemptLimiter(t *testing.T) {
	t.Parallel()
	server := mongotest.New(t)
	server.Chaos(t)
	conformance.AttemptLimiter(t, func(t *testing.T) (ports.AttemptLimiter, func(time.Duration)) {
		uri := server.Database(t)
		one, another := open(t, uri), open(t, uri)
		return conformance.SharedAttempts(one.Attempts(), another.Attempts()), func(d time.Duration) {
			one.AwaitEnds()
			another.AwaitEnds()
			elapse(t, one, d)
		}
	})
}

// elapse moves the times of all counters into the past.
func elapse(t *testing.T, db *mongodb.DB, d time.Duration) {
	t.Helper()
	for _, counter := range attemptCounters(t, db) {
		set := bson.D{}
		for _, name := range []string{"latest", "begun"} {
			if at, ok := counter.Lookup(name).TimeOK(); ok {
				set = append(set, bson.E{Key: name, Value: at.Add(-d)})
			}
		}
		_, err := attemptCollection(db).UpdateByID(t.Context(), counter.Lookup("_id"), bson.D{{Key: "$set", Value: set}})
		noError(t, err)
	}
}

func attemptCollection(db *mongodb.DB) *mongo.Collection { return db.Database().Collection("attempts") }

// attemptCounters returns all counters, after the ends of attempts are written.
func attemptCounters(t *testing.T, db *mongodb.DB) (counters []bson.Raw) {
	t.Helper()
	db.AwaitEnds()
	cursor, err := attemptCollection(db).Find(t.Context(), bson.D{})
	noError(t, err)
	noError(t, cursor.All(t.Context(), &counters))
	return counters
}

// failures is a limit of events in a quarter of an hour.
func failures(maximum int) domain.AttemptLimit {
	return domain.AttemptLimit{Name: "failures", Max: maximum, Window: 15 * time.Minute}
}

const attemptKey = "192.0.2.1/32 ada@example.com"

// begin begins an attempt that must be let through.
func begin(t *testing.T, db *mongodb.DB, limit domain.AttemptLimit) (end func(isEvent bool)) {
	t.Helper()
	end, err := db.Attempts().Begin(t.Context(), limit, attemptKey)
	noError(t, err)
	return end
}

// wantRefused wants the next attempt to be refused for about the given time.
func wantRefused(t *testing.T, db *mongodb.DB, limit domain.AttemptLimit, about time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := db.Attempts().Begin(ctx, limit, attemptKey)
	reached, ok := errors.AsType[*domain.LimitReachedError](err)
	if !ok || reached.RetryAfter > about || reached.RetryAfter < about-time.Minute {
		t.Fatalf("Begin returned %v, want a LimitReachedError with RetryAfter %v", err, about)
	}
}

// TestAttemptsSendTheseCommands checks the round trips of each attempt.
func TestAttemptsSendTheseCommands(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	sent.take()
	limit := failures(1)
	for _, step := range []struct {
		what string
		step func()
		want string // in alphabetical order, because some commands are sent at the same time
	}{
		{"an attempt", func() { begin(t, db, limit)(false) }, "delete findAndModify"},
		{"an event", func() { begin(t, db, limit)(true) }, "findAndModify update"},
		{"a refusal", func() { wantRefused(t, db, limit, limit.Window) }, "find findAndModify hello"},
		{"an attempt after an event", func() { begin(t, db, failures(2))(false) }, "delete findAndModify update"},
		{"time", func() { elapse(t, db, limit.Window) }, "find update"},
		{"an attempt after the window", func() { begin(t, db, failures(2))(false) }, "delete findAndModify findAndModify"},
	} {
		step.step()
		db.AwaitEnds()
		equal(t, "the commands of "+step.what, sent.takeSortedNames(), step.want)
	}
}

// TestCountersHaveNoEmailAndNoAddress also checks that another database has other hashes.
func TestCountersHaveNoEmailAndNoAddress(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for range 2 {
		db := open(t, mongotest.URI(t))
		begin(t, db, failures(2))(true)
		counters := attemptCounters(t, db)
		equal(t, "number of counters", len(counters), 1)
		if text := string(counters[0]) + counters[0].String(); strings.Contains(text, "ada") || strings.Contains(text, "192.0.2") {
			t.Errorf("the counter is %s, want no part of the key", text)
		}
		ids[counters[0].Lookup("_id").String()] = true
	}
	equal(t, "number of different hashes", len(ids), 2)
}

// TestAttemptThatIsNoEventLeavesNoCounter proves that log-ins with the right password do not
// fill the database.
func TestAttemptThatIsNoEventLeavesNoCounter(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	first, second := begin(t, db, failures(3)), begin(t, db, failures(3))
	first(false)
	db.AwaitEnds()
	second(false)
	equal(t, "number of counters", len(attemptCounters(t, db)), 0)
}

// TestBeginOutlastsAttemptsThatBeginAndEndMeanwhile has another server whose attempts are in
// progress whenever a server adds one, and have ended when it reads the counter.
func TestBeginOutlastsAttemptsThatBeginAndEndMeanwhile(t *testing.T) {
	t.Parallel()
	uri, limit := mongotest.URI(t), failures(1)
	other := open(t, uri)
	var end func(isEvent bool)
	interfered := 0
	db, err := mongodb.OpenMonitored(t.Context(), uri, mongodb.Options{}, &event.CommandMonitor{
		Started: func(_ context.Context, e *event.CommandStartedEvent) {
			if collection, _ := e.Command.Lookup(e.CommandName).StringValueOK(); collection != "attempts" {
				return
			}
			switch {
			case e.CommandName == "findAndModify" && interfered < 12:
				interfered++
				end = begin(t, other, limit)
			case e.CommandName == "find" && end != nil:
				end(false)
				other.AwaitEnds()
				end = nil
			}
		},
	})
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	begin(t, db, limit)(true)
	wantRefused(t, db, limit, limit.Window)
	equal(t, "number of attempts of the other server", interfered, 12)
}

// TestAttemptsOfACrashedServerCountUntilTheWindowEnds opens a database and never ends two
// attempts.
func TestAttemptsOfACrashedServerCountUntilTheWindowEnds(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	crashed, db := open(t, uri), open(t, uri)
	limit := failures(2)
	begin(t, crashed, limit)
	begin(t, crashed, limit)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := db.Attempts().Begin(ctx, limit, attemptKey)
	equal(t, "the kind of the error while the attempts may be in progress", domain.KindOf(err), domain.Unavailable)

	elapse(t, db, mongodb.LostAfter)
	wantRefused(t, db, limit, limit.Window)
	elapse(t, db, limit.Window-mongodb.LostAfter)
	begin(t, db, limit)(true)
	begin(t, db, limit)(true)
	wantRefused(t, db, limit, limit.Window)
}

// TestAttemptOfACrashedServerDoesNotCountForEver never ends one attempt, while others with
// the same key are no events.
func TestAttemptOfACrashedServerDoesNotCountForEver(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	limit := failures(2)
	begin(t, db, limit)
	for range 3 {
		begin(t, db, limit)(false)
		db.AwaitEnds()
		elapse(t, db, limit.Window/3)
	}
	begin(t, db, limit)(true)
	begin(t, db, limit)(true)
	wantRefused(t, db, limit, limit.Window)
}

// TestClockOfTheDatabaseIsSetBack moves the times of the counter into the future.
func TestClockOfTheDatabaseIsSetBack(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	limit := failures(2)
	begin(t, db, limit)(true)
	db.AwaitEnds()
	elapse(t, db, -365*24*time.Hour)
	begin(t, db, limit)(true) // begins the window now
	wantRefused(t, db, limit, limit.Window)
	elapse(t, db, -365*24*time.Hour)
	wantRefused(t, db, limit, limit.Window)
	wantRefused(t, db, limit, limit.Window)
	elapse(t, db, limit.Window)
	begin(t, db, limit)(true)
}

// TestCounterThatCannotBeReadLetsNobodyThrough changes a counter so that this version
// does not know it.
func TestCounterThatCannotBeReadLetsNobodyThrough(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]bson.D{
		"later version": {{Key: "$set", Value: bson.D{{Key: "schema_version", Value: int32(2)}}}},
		"no number":     {{Key: "$unset", Value: bson.D{{Key: "counted", Value: ""}}}},
		"text":          {{Key: "$set", Value: bson.D{{Key: "active", Value: "one"}}}},
		"no window":     {{Key: "$unset", Value: bson.D{{Key: "window", Value: ""}}}},
		"no date":       {{Key: "$set", Value: bson.D{{Key: "begun", Value: "today"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t, mongotest.URI(t))
			begin(t, db, failures(5))(true)
			db.AwaitEnds()
			_, err := attemptCollection(db).UpdateMany(t.Context(), bson.D{}, change)
			noError(t, err)
			_, err = db.Attempts().Begin(t.Context(), failures(5), attemptKey)
			if err == nil || domain.KindOf(err) != "" || !strings.Contains(err.Error(), "collection attempts") {
				t.Errorf("Begin returned %v, want an error of no kind that names the collection", err)
			}
		})
	}
}

// TestSweepDeletesEndedAndThenTheOldestCounters makes a counter of each of several ages.
func TestSweepDeletesEndedAndThenTheOldestCounters(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	limit := failures(1)
	const keys = 6
	for i := range keys { // the age of the key i is (keys-1-i) parts of the longest window
		end, err := db.Attempts().Begin(t.Context(), limit, fmt.Sprint(i))
		noError(t, err)
		end(true)
		db.AwaitEnds()
		if i < keys-1 {
			elapse(t, db, mongodb.LongestWindow/(keys-1))
		}
	}
	noError(t, db.Sweep(t.Context(), keys))
	equal(t, "number of counters", len(attemptCounters(t, db)), keys-1)
	noError(t, db.Sweep(t.Context(), 2))
	counters := attemptCounters(t, db)
	equal(t, "number of counters above the maximum", len(counters), 2)
	for _, counter := range counters {
		if age := time.Since(counter.Lookup("latest").Time()); age > mongodb.LongestWindow/2 {
			t.Errorf("a counter of the age %v was left, want the latest ones", age)
		}
	}
}

// TestServerDeletesCountersIfItCan opens a database of a server that can delete documents by
// itself. FerretDB cannot.
func TestServerDeletesCountersIfItCan(t *testing.T) {
	t.Parallel()
	address := startStub(t, func(string) bson.D { return bson.D{} })
	_, sent := openRecorded(t, "mongodb://"+address)
	var expiries []int64
	for _, command := range sent.take() {
		if name, _ := command.Lookup("createIndexes").StringValueOK(); name == "attempts" {
			expiries = append(expiries, command.Lookup("indexes", "0", "expireAfterSeconds").AsInt64())
		}
	}
	if want := int64(mongodb.LongestWindow.Seconds()); !slices.Equal(expiries, []int64{want}) {
		t.Errorf("expireAfterSeconds of the indexes are %v, want %d", expiries, want)
	}
}

// TestCountersHaveAnIndex also needs no server that deletes documents by itself.
func TestCountersHaveAnIndex(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	indexes, err := attemptCollection(db).Indexes().ListSpecifications(t.Context())
	noError(t, err)
	equal(t, "number of indexes", len(indexes), 2)
	equal(t, "the index", indexes[1].KeysDocument.Index(0).Key(), "latest")
}
