package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// recorder records the commands that a store sends.
type recorder struct {
	mu       sync.Mutex
	commands []bson.Raw
}

// openRecorded opens a store and returns it with a recorder of its commands.
func openRecorded(t *testing.T, uri string) (*mongodb.DB, *recorder) {
	t.Helper()
	return openRecordedWith(t, uri, mongodb.Options{})
}

func openRecordedWith(t *testing.T, uri string, options mongodb.Options) (*mongodb.DB, *recorder) {
	t.Helper()
	r := &recorder{}
	db, err := mongodb.OpenMonitored(t.Context(), uri, options, &event.CommandMonitor{
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

// take returns the commands since the last call of take.
func (r *recorder) take() []bson.Raw {
	r.mu.Lock()
	defer r.mu.Unlock()
	commands := r.commands
	r.commands = nil
	return commands
}

// takeNames is take for the names of the commands, separated by spaces.
func (r *recorder) takeNames() string { return strings.Join(r.namesTaken(), " ") }

// takeSortedNames is takeNames in alphabetical order, for commands of which some are sent
// at the same time.
func (r *recorder) takeSortedNames() string {
	names := r.namesTaken()
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (r *recorder) namesTaken() (names []string) {
	for _, command := range r.take() {
		names = append(names, nameOf(command))
	}
	return names
}

func nameOf(command bson.Raw) string {
	return command.Index(0).Key()
}

// TestEachMethodSendsTheseCommands checks the round trips of each method.
func TestEachMethodSendsTheseCommands(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	db, sent := openRecordedWith(t, mongotest.URI(t), mongodb.Options{Clock: clock})
	sent.take()
	ctx := t.Context()
	purgeLater := func(now time.Time) func() error {
		return func() error {
			clock.run(2 * time.Minute)
			_, err := db.Blacklist().Purge(ctx, now)
			return err
		}
	}
	u, w, to, old := sample.User(1), widget(1), sample.Token(1, time.Hour), sample.Token(2, time.Hour)
	admin, promoted := sample.Admin(2), sample.Admin(1)
	newHash := promoted
	newHash.PasswordHash = domain.NewPasswordHash("another hash")
	for _, call := range []struct {
		what string
		call func() error
		want string // in alphabetical order, because List sends two commands at the same time
	}{
		{"Ping", func() error { return db.Ping(ctx) }, "find listIndexes listIndexes"},
		{"Users.Add", func() error { return db.Users().Add(ctx, u) }, "insert listIndexes"},
		{"Users.ByPublicID", func() error { _, err := db.Users().ByPublicID(ctx, u.PublicID); return err }, "find"},
		{"Users.ByEmail", func() error { _, err := db.Users().ByEmail(ctx, u.Email); return err }, "find"},
		{"Users.Add of an administrator", func() error { return db.Users().Add(ctx, admin) }, "insert listIndexes"},
		{"Users.List", func() error { _, err := db.Users().List(ctx, sample.Page(1, 100)); return err }, "count find"},
		{"Users.Update", func() error { return db.Users().Update(ctx, u, promoted) }, "update"},
		{"Users.Update of an administrator's password", func() error { return db.Users().Update(ctx, promoted, newHash) }, "update"},
		{"Users.Update of one of two administrators", func() error { return db.Users().Update(ctx, newHash, u) }, "findAndModify update update"},
		{"Users.Update of the last administrator", func() error {
			return wantError(db.Users().Update(ctx, admin, u), domain.ErrLastAdministrator)
		}, "findAndModify update update update update update"},
		{"Users.Update of another account than the stored one", func() error {
			return wantError(db.Users().Update(ctx, newHash, u), domain.ChangedMeanwhile)
		}, "find findAndModify"},
		{"Users.Delete", func() error { return db.Users().Delete(ctx, u) }, "delete insert"},
		{"Users.Delete of an unknown account", func() error {
			return wantError(db.Users().Delete(ctx, sample.User(9)), domain.NotFound)
		}, "delete delete find insert"},
		{"Users.Departed", func() error { return errorOf(db.Users().Departed(ctx)) }, "find find"},
		{"Users.Settle", func() error { return db.Users().Settle(ctx, u.PublicID) }, "delete find find"},
		{"Users.Slice", func() error { return errorOf(db.Users().Slice(ctx, "", 1000)) }, "find"},
		{"Users.HasAdmin", func() error { _, err := db.Users().HasAdmin(ctx); return err }, "find"},
		{"Widgets.Add", func() error { return db.Widgets().Add(ctx, w) }, "insert listIndexes"},
		{"Widgets.ByName", func() error { _, err := db.Widgets().ByName(ctx, w.Name); return err }, "find"},
		{"Widgets.List", func() error {
			_, err := db.Widgets().List(ctx, sample.Page(1, 100))
			return err
		}, "count find"},
		{"Widgets.Update", func() error { return errorOf(db.Widgets().Update(ctx, w.Name, w.ChangeAll(), domain.Condition{})) }, "findAndModify"},
		{"Widgets.Delete", func() error { return errorOf(db.Widgets().Delete(ctx, w.Name, domain.Condition{})) }, "findAndModify"},
		{"Blacklist.Check of a valid token", func() error { _, err := isLoggedOut(ctx, db, to); return err }, "find"},
		{"Blacklist.Add", func() error { return db.Blacklist().Add(ctx, to) }, "find insert"},
		{"Blacklist.Add again", func() error { return db.Blacklist().Add(ctx, to) }, "find insert update"},
		{"Blacklist.Check", func() error { _, err := isLoggedOut(ctx, db, to); return err }, "find"},
		{"Blacklist.EndTokens", func() error { return db.Blacklist().EndTokens(ctx, cutOff(1)) }, "find insert"},
		{"Blacklist.EndTokens again", func() error { return db.Blacklist().EndTokens(ctx, cutOff(1)) }, "find insert update"},
		{"Blacklist.CutOff", func() error { return errorOf(db.Blacklist().CutOff(ctx, sample.ID(1))) }, "find"},
		{"Blacklist.Check of a token of an account with a cut-off", func() error {
			return errorOf(db.Blacklist().Check(ctx, domain.Claims{ID: to.ID, Subject: sample.ID(1)}))
		}, "find"},
		{"Blacklist.Purge of nothing", purgeLater(sample.Time()), "find findAndModify"},
		{"Blacklist.Add for the purge", func() error { return db.Blacklist().Add(ctx, old) }, "find insert"},
		{"Blacklist.Purge for the running time", purgeLater(sample.Time()), "find findAndModify"},
		{"Blacklist.Add after a while without a purge", func() error {
			clock.run(3 * time.Minute)
			return db.Blacklist().Add(ctx, to)
		}, "find findAndModify insert update"},
		{"Blacklist.Purge", purgeLater(old.ExpiresAt), "delete find findAndModify"},
		{"Blacklist.Tokens", func() error { return errorOf(db.Blacklist().Tokens(ctx, "", 1000)) }, "find find"},
		{"Blacklist.CutOffs", func() error { return errorOf(db.Blacklist().CutOffs(ctx, "", 1000)) }, "find find"},
		{"Blacklist.Count", func() error { _, err := db.Blacklist().Count(ctx); return err }, "count find"},
	} {
		noError(t, call.call())
		equal(t, "the commands of "+call.what, sent.takeSortedNames(), call.want)
	}
}

// wantError returns nil if err is the wanted error.
func wantError(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("got the error %w, want %w", err, want)
}

// TestListReadsPageAndCountAtTheSameTime delays each command until the other is
// being sent.
func TestListReadsPageAndCountAtTheSameTime(t *testing.T) {
	t.Parallel()
	var sending sync.WaitGroup
	var wait atomic.Bool
	db, err := mongodb.OpenMonitored(t.Context(), mongotest.URI(t), mongodb.Options{}, &event.CommandMonitor{
		Started: func(ctx context.Context, _ *event.CommandStartedEvent) {
			if !wait.Load() {
				return
			}
			sending.Done()
			both := make(chan struct{})
			go func() {
				sending.Wait()
				close(both)
			}()
			select {
			case <-both:
			case <-ctx.Done(): // List sent one command after the other, and the deadline below passed
			}
		},
	})
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	sending.Add(2)
	wait.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = db.Widgets().List(ctx, sample.Page(1, 10))
	wait.Store(false)
	noError(t, err)
}

// TestListReadsAPageInOneRoundTrip checks that the largest page needs no second
// command for the rest of a cursor.
func TestListReadsAPageInOneRoundTrip(t *testing.T) {
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
		equal(t, "number of items", len(page.Items), want)
		equal(t, "total", page.TotalItems, len(docs))
		equal(t, "number of commands", len(sent.take()), 2)
	}
}

// TestPurgeDeletesInBatches checks that no command of Purge finds or deletes more
// than a thousand tokens.
func TestPurgeDeletesInBatches(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	const expired = 2000
	docs := make([]any, expired+1)
	for n := range docs {
		expiry := sample.Token(0, time.Duration(n/expired)*time.Second).ExpiresAt
		docs[n] = changed(tokenDocument(n), []string{"expires_at"}, expiry)
	}
	_, err := db.Database().Collection("blacklist").InsertMany(t.Context(), docs)
	noError(t, err)
	sent.take()
	purged, err := db.Blacklist().Purge(t.Context(), sample.Token(0, 0).ExpiresAt)
	noError(t, err)
	equal(t, "number of purged tokens", purged, expired)
	equal(t, "the commands", sent.takeNames(), "findAndModify find delete find delete find")
	left, err := isLoggedOut(t.Context(), db, sample.Token(expired, time.Second))
	noError(t, err)
	equal(t, "the valid token is blacklisted", left, true)
}

// TestTokenThatIsAddedDuringAPurgeStays adds a token again after Purge has found it, and
// before Purge deletes it.
func TestTokenThatIsAddedDuringAPurgeStays(t *testing.T) {
	t.Parallel()
	uri, ctx := mongotest.URI(t), t.Context()
	other, again := open(t, uri), sample.Token(1, time.Hour)
	added := errors.New("Purge deleted nothing")
	db, err := mongodb.OpenMonitored(ctx, uri, mongodb.Options{}, &event.CommandMonitor{
		Started: func(_ context.Context, e *event.CommandStartedEvent) {
			if e.CommandName == "delete" {
				added = other.Blacklist().Add(ctx, again)
			}
		},
	})
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	insert(t, db.Database().Collection("blacklist"), tokenDocument(1))
	purged, err := db.Blacklist().Purge(ctx, again.ExpiresAt.Add(-time.Minute))
	noError(t, err)
	noError(t, added)
	equal(t, "number of purged tokens", purged, 0)
	left, err := isLoggedOut(ctx, other, again)
	noError(t, err)
	equal(t, "the token is blacklisted", left, true)
}

// TestPrimaryFillsInTheTimestamps checks that new documents are sent with a zero timestamp,
// in whose place MongoDB puts the time of the primary. A time of the sender would make the
// order depend on the clocks of all servers.
func TestPrimaryFillsInTheTimestamps(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, "mongodb://"+startStub(t, func(string) bson.D { return bson.D{} }))
	sent.take()
	ctx := t.Context()
	noError(t, db.Users().Add(ctx, sample.User(1)))
	noError(t, db.Widgets().Add(ctx, widget(1)))
	inserts := 0
	for _, command := range sent.take() {
		if nameOf(command) == "insert" {
			inserts++
			equal(t, "seq in "+command.String(), command.Lookup("documents", "0", "seq").String(), `{"$timestamp":{"t":0,"i":0}}`)
		}
	}
	equal(t, "number of inserts", inserts, 2)
}

// TestURICannotWeakenTheConcerns checks the read and write concerns and the time
// limit of every command. The URI asks for weaker ones.
func TestURICannotWeakenTheConcerns(t *testing.T) {
	t.Parallel()
	address := startStub(t, func(string) bson.D {
		return bson.D{{Key: "setName", Value: "rs"}}
	})
	db, sent := openRecorded(t, "mongodb://"+address+
		"/?w=0&readPreference=secondary&readConcernLevel=linearizable&timeoutMS=3600000")
	opening := sent.take()
	for method, err := range conformance.EveryMethod(t.Context(), db) {
		if err != nil && !errors.Is(err, domain.NotFound) {
			t.Errorf("%s: %v", method, err)
		}
	}
	seen := map[string]int{}
	for _, command := range append(opening, sent.take()...) {
		name := nameOf(command)
		seen[name]++
		switch name {
		case "insert", "update", "delete", "findAndModify", "createIndexes":
			want := `{"w": "majority","j": true}`
			equal(t, name+"'s write concern", command.Lookup("writeConcern").String(), want)
		case "find", "count":
			equal(t, name+"'s read concern", command.Lookup("readConcern").String(), `{"level": "linearizable"}`)
		}
		if mode, ok := command.Lookup("$readPreference", "mode").StringValueOK(); ok && mode != "primary" {
			t.Errorf("%s reads from %s", name, mode)
		}
		limit, limited := command.Lookup("maxTimeMS").AsInt64OK()
		longest := int64(3000)
		if _, ok := command.Lookup("filter", "$or").ArrayOK(); ok { // of all accounts, once, in Open
			longest = 60_000
		}
		if !limited || limit > longest && name != "createIndexes" {
			t.Errorf("%s has the time limit %v ms", name, limit)
		}
	}
	for _, name := range []string{"hello", "createIndexes", "insert", "update", "delete", "findAndModify", "find", "count"} {
		if seen[name] == 0 {
			t.Errorf("no command %s was sent", name)
		}
	}
}

// TestLinearizableReadsAreOfOneDocument checks the queries that the promises rest on.
// MongoDB guarantees a linearizable read only if the filter identifies one document.
func TestLinearizableReadsAreOfOneDocument(t *testing.T) {
	t.Parallel()
	for name, hello := range map[string]bson.D{
		"a replica set":     {{Key: "setName", Value: "rs"}},
		"a sharded cluster": {{Key: "msg", Value: "isdbgrid"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := startStub(t, func(string) bson.D { return hello })
			db, sent := openRecorded(t, "mongodb://"+address+"/?readConcernLevel=linearizable")
			sent.take()
			errs := map[string]error{"Ping": db.Ping(t.Context())}
			_, errs["Check"] = isLoggedOut(t.Context(), db, sample.Token(1, 0))
			_, errs["CutOff"] = db.Blacklist().CutOff(t.Context(), sample.ID(1))
			errs["Add"] = db.Blacklist().Add(t.Context(), sample.Token(2, 0))
			errs["EndTokens"] = db.Blacklist().EndTokens(t.Context(), cutOff(1))
			_, errs["ByPublicID"] = db.Users().ByPublicID(t.Context(), sample.ID(1))
			_, errs["ByEmail"] = db.Users().ByEmail(t.Context(), sample.User(1).Email)
			_, errs["ByName"] = db.Widgets().ByName(t.Context(), widget(1).Name)
			for method, err := range errs {
				if err != nil && !errors.Is(err, domain.NotFound) {
					t.Errorf("%s: %v", method, err)
				}
			}
			var queries []string
			for _, command := range sent.take() {
				if nameOf(command) != "find" {
					continue
				}
				equal(t, "the read concern", command.Lookup("readConcern").String(), `{"level": "linearizable"}`)
				elements, err := command.Lookup("filter").Document().Elements()
				noError(t, err)
				if len(elements) != 1 || elements[0].Value().Type == bson.TypeEmbeddedDocument {
					t.Errorf("the filter %s does not identify one document", command.Lookup("filter"))
				}
				queries = append(queries, elements[0].Key())
			}
			slices.Sort(queries)
			// Ping 1, Check 4, CutOff 2, Add 1, EndTokens 1, ByPublicID 1
			equal(t, "the fields of the filters", strings.Join(queries, " "), strings.Repeat("_id ", 10)+"email_key name")
		})
	}
}

// TestLinearizableReadsFindRevocations reads the documents with a query for each.
func TestLinearizableReadsFindRevocations(t *testing.T) {
	t.Parallel()
	uri := mongotest.Start(t).Database(t) + "?readConcernLevel=linearizable"
	db, ctx := open(t, uri), t.Context()
	claims := domain.Claims{
		ID: sample.Token(1, 0).ID, Subject: cutOff(1).Subject,
		IssuedAt: sample.Token(1, 0).ExpiresAt.Add(-time.Hour), ExpiresAt: sample.Token(1, 0).ExpiresAt,
	}
	check := func() domain.Revocation { return sample.Must(db.Blacklist().Check(ctx, claims)) }
	equal(t, "the revocation of a valid token", check(), domain.Revocation{})
	noError(t, db.Blacklist().EndTokens(ctx, cutOff(1)))
	equal(t, "the revocation by a cut-off", check(), domain.Revocation{CutOff: cutOff(1).Value})
	noError(t, db.Blacklist().Add(ctx, sample.Token(1, 0)))
	equal(t, "the revocation by both", check(), domain.Revocation{LoggedOut: true, CutOff: cutOff(1).Value})
	noError(t, db.Database().Collection("blacklist").Drop(ctx))
	if _, err := db.Blacklist().Check(ctx, claims); !errors.Is(err, domain.Unavailable) {
		t.Errorf("after the collection was dropped, Check returns %v", err)
	}
}

// TestNoIndexExpiresDocuments checks that the server never deletes a token by
// itself: its wall clock would decide alone.
func TestNoIndexExpiresDocuments(t *testing.T) {
	t.Parallel()
	address := startStub(t, func(string) bson.D { return bson.D{} })
	_, sent := openRecorded(t, "mongodb://"+address)
	for _, command := range sent.take() {
		collection, _ := command.Lookup("createIndexes").StringValueOK()
		if collection != "" && collection != "attempts" && !command.Lookup("indexes", "0", "expireAfterSeconds").IsZero() {
			t.Errorf("a TTL index: %s", command)
		}
	}
}
