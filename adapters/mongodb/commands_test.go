package mongodb_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/adapters/mongodb/mongotest"
	"github.com/widgetd/widgetd/domain"
)

// recorder keeps the commands that a client sends.
type recorder struct {
	mu       sync.Mutex
	commands []bson.Raw
}

// openRecorded returns a store and what records its commands from then on.
func openRecorded(t *testing.T, uri string) (*mongodb.DB, *recorder) {
	t.Helper()
	r := &recorder{}
	db, err := mongodb.OpenMonitored(t.Context(), uri, &event.CommandMonitor{
		Started: func(_ context.Context, e *event.CommandStartedEvent) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.commands = append(r.commands, slices.Clone(e.Command))
		},
	})
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	return db, r
}

// take returns the commands since it was last called.
func (r *recorder) take() []bson.Raw {
	r.mu.Lock()
	defer r.mu.Unlock()
	commands := r.commands
	r.commands = nil
	return commands
}

func nameOf(command bson.Raw) string {
	return command.Index(0).Key()
}

// TestRoundTrips holds what each method costs.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	sent.take()
	ctx := t.Context()
	u, w, to, old := user(1), widget(1), token(1, 0), token(2, 0)
	for _, call := range []struct {
		what string
		call func() error
		want string // sorted, for List asks for both at once
	}{
		{"Users.Add", func() error { return db.Users.Add(ctx, u) }, "insert"},
		{"Users.ByPublicID", func() error { _, err := db.Users.ByPublicID(ctx, u.PublicID); return err }, "find"},
		{"Users.ByEmail", func() error { _, err := db.Users.ByEmail(ctx, u.Email); return err }, "find"},
		{"Users.SetCredentials", func() error { return db.Users.SetCredentials(ctx, u, u.PasswordHash) }, "update"},
		{"Users.HasAdmin", func() error { _, err := db.Users.HasAdmin(ctx); return err }, "find"},
		{"Widgets.Add", func() error { return db.Widgets.Add(ctx, w) }, "insert"},
		{"Widgets.ByName", func() error { _, err := db.Widgets.ByName(ctx, w.Name); return err }, "find"},
		{"Widgets.List", func() error {
			_, err := db.Widgets.List(ctx, must(domain.ParsePageRequest("1", "100")))
			return err
		}, "count find"},
		{"Widgets.Update", func() error { return db.Widgets.Update(ctx, w.Name, w.InfoURL, w.Deadline) }, "update"},
		{"Widgets.Delete", func() error { return db.Widgets.Delete(ctx, w.Name) }, "delete"},
		{"Blacklist.Contains of a good token", func() error { _, err := db.Blacklist.Contains(ctx, to); return err }, "find"},
		{"Blacklist.Add", func() error { return db.Blacklist.Add(ctx, to) }, "insert"},
		{"Blacklist.Add again", func() error { return db.Blacklist.Add(ctx, to) }, "insert update"},
		{"Blacklist.Contains", func() error { _, err := db.Blacklist.Contains(ctx, to); return err }, "find"},
		{"Blacklist.Purge of nothing", func() error { _, err := db.Blacklist.Purge(ctx, noon()); return err }, "find"},
		{"Blacklist.Add for the purge", func() error { return db.Blacklist.Add(ctx, old) }, "insert"},
		{"Blacklist.Purge", func() error { _, err := db.Blacklist.Purge(ctx, old.ExpiresAt); return err }, "delete find find update"},
	} {
		noError(t, call.call())
		var names []string
		for _, command := range sent.take() {
			names = append(names, nameOf(command))
		}
		slices.Sort(names)
		equal(t, "what "+call.what+" sends", strings.Join(names, " "), call.want)
	}
}

// TestListAsksForBothAtOnce holds each command up until the other is on its way.
func TestListAsksForBothAtOnce(t *testing.T) {
	t.Parallel()
	var onTheirWay sync.WaitGroup
	var meet atomic.Bool
	db, err := mongodb.OpenMonitored(t.Context(), mongotest.URI(t), &event.CommandMonitor{
		Started: func(ctx context.Context, _ *event.CommandStartedEvent) {
			if !meet.Load() {
				return
			}
			onTheirWay.Done()
			met := make(chan struct{})
			go func() {
				onTheirWay.Wait()
				close(met)
			}()
			select {
			case <-met:
			case <-ctx.Done(): // the deadline below: they went one after the other
			}
		},
	})
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	onTheirWay.Add(2)
	meet.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	request, err := domain.ParsePageRequest("1", "10")
	noError(t, err)
	_, err = db.Widgets.List(ctx, request)
	meet.Store(false)
	noError(t, err)
}

// TestWholePageIsOneAnswer wants no cursor that has to be asked for more.
func TestWholePageIsOneAnswer(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	docs := make([]any, 205)
	for n := range docs {
		docs[n] = widgetDocument(n)
	}
	_, err := db.Database().Collection("widgets").InsertMany(t.Context(), docs)
	noError(t, err)
	sent.take()
	for number, want := range map[int]int{1: 100, 2: 100, 3: 5, 4: 0} {
		page := list(t, db, number, 100)
		equal(t, "items", len(page.Items), want)
		equal(t, "total", page.TotalItems, len(docs))
		equal(t, "commands", len(sent.take()), 2)
	}
}

// TestPurgeInBoundedBatches wants each of its round trips to be about a
// thousand tokens at most.
func TestPurgeInBoundedBatches(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	const expired = 2000
	docs := make([]any, expired+1)
	for n := range docs {
		expiry := token(0, time.Duration(n/expired)*time.Second).ExpiresAt
		docs[n] = bson.D{{Key: "_id", Value: binaryUUID(id(n))}, {Key: "expires_at", Value: expiry}}
	}
	_, err := db.Database().Collection("blacklist").InsertMany(t.Context(), docs)
	noError(t, err)
	sent.take()
	forgotten, err := db.Blacklist.Purge(t.Context(), token(0, 0).ExpiresAt)
	noError(t, err)
	equal(t, "forgotten", forgotten, expired)
	var names []string
	for _, command := range sent.take() {
		names = append(names, nameOf(command))
	}
	equal(t, "what it sends", strings.Join(names, " "), "find update find delete find delete find")
	left, err := db.Blacklist.Contains(t.Context(), token(expired, time.Second))
	noError(t, err)
	equal(t, "the valid token is remembered", left, true)
}

// TestPromisesOutrankTheURI wants the concerns of every command to be what the
// package's comment says, whatever the URI asks for.
func TestPromisesOutrankTheURI(t *testing.T) {
	t.Parallel()
	address := startStub(t, func(string) bson.D {
		return bson.D{{Key: "setName", Value: "rs"}}
	})
	db, sent := openRecorded(t, "mongodb://"+address+
		"/?w=0&readPreference=secondary&readConcernLevel=linearizable&timeoutMS=3600000")
	opening := sent.take()
	for method, err := range everyMethod(t.Context(), db) {
		if err != nil && !errors.Is(err, domain.NotFound) {
			t.Errorf("%s: %v", method, err)
		}
	}
	seen := map[string]int{}
	for _, command := range append(opening, sent.take()...) {
		name := nameOf(command)
		seen[name]++
		switch name {
		case "insert", "update", "delete", "createIndexes":
			want := `{"w": "majority","j": true}`
			equal(t, name+"'s write concern", command.Lookup("writeConcern").String(), want)
		case "find", "count":
			equal(t, name+"'s read concern", command.Lookup("readConcern").String(), `{"level": "linearizable"}`)
		}
		if mode, ok := command.Lookup("$readPreference", "mode").StringValueOK(); ok && mode != "primary" {
			t.Errorf("%s reads from %s", name, mode)
		}
		limit, limited := command.Lookup("maxTimeMS").AsInt64OK()
		if name != "createIndexes" && limit > 3000 || name != "find" && !limited { // the driver has no limit for cursors
			t.Errorf("%s may take %v ms", name, limit)
		}
	}
	for _, name := range []string{"hello", "createIndexes", "insert", "update", "delete", "find", "count"} {
		if seen[name] == 0 {
			t.Errorf("no %s was seen", name)
		}
	}
}

// TestTheStoreForgetsNothingByItself, for nothing would be left of a token then.
func TestTheStoreForgetsNothingByItself(t *testing.T) {
	t.Parallel()
	address := startStub(t, func(string) bson.D { return bson.D{} })
	_, sent := openRecorded(t, "mongodb://"+address)
	for _, command := range sent.take() {
		if nameOf(command) == "createIndexes" && !command.Lookup("indexes", "0", "expireAfterSeconds").IsZero() {
			t.Errorf("an index that forgets: %s", command)
		}
	}
}
