package mongodb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestOrderIsThatOfThePrimary inserts documents whose ids have the reverse order, as
// servers with wrong clocks would. With a replica set the order is that of the insertion,
// because the primary fills in a timestamp. A FerretDB without a replica set does not, so
// the order is that of the ids.
func TestOrderIsThatOfThePrimary(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server *mongotest.Server
		byID   bool
	}{
		"replica set":   {mongotest.New(t), false},
		"single server": {mongotest.StartSingle(t), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t, test.server.Database(t))
			want := []int{7, 6, 5, 4, 3, 2, 1}
			for _, n := range want {
				insert(t, db.Database().Collection("widgets"), changed(widgetDocument(n), []string{"seq"}, bson.Timestamp{}))
				insert(t, db.Database().Collection("users"), changed(userDocument(n), []string{"seq"}, bson.Timestamp{}))
			}
			if test.byID {
				want = slices.Sorted(slices.Values(want))
			}
			for i, w := range list(t, db, 1, 100).Items {
				equal(t, "name of a widget", w.Name, widget(want[i]).Name)
			}
			for i, u := range users(t, db, 1, 100).Items {
				equal(t, "id of an account", u.PublicID, sample.ID(want[i]))
			}
		})
	}
}

// TestEveryMethodDoesItsWorkOnceDuringFaults lets the first command of each name that a
// method sends fail, so that the driver repeats it. A write that was executed before the
// fault must not be executed again: it would then return an error such as AlreadyExists or
// NotFound.
func TestEveryMethodDoesItsWorkOnceDuringFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range []mongotest.Fault{mongotest.CutBefore, mongotest.CutAfter, mongotest.StepDown} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Start(t)
			db := open(t, server.Database(t))
			wantEverythingDone(t, db, func() {
				server.Calm(t)
				for _, command := range []string{"insert", "delete", "findAndModify", "find", "count", "listIndexes"} {
					server.Fail(t, fault, command)
				}
			})
		})
	}
}

// TestElectionsBetweenCallsGoUnnoticed moves the primary before each call.
func TestElectionsBetweenCallsGoUnnoticed(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t)
	db := open(t, server.Database(t))
	wantEverythingDone(t, db, func() { server.Elect(t, 10*time.Millisecond) })
}

// TestReplicaSetWithoutAPrimaryIsUnavailable leaves the set without a primary for longer
// than a round trip may take.
func TestReplicaSetWithoutAPrimaryIsUnavailable(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t)
	uri := server.Database(t)
	db := open(t, uri+"?timeoutMS=1000")
	noError(t, doEverything(t, db, 0, func() {}))
	server.Elect(t, time.Hour)
	wantUnavailable(t.Context(), t, db, time.Second)
	if _, err := mongodb.Open(t.Context(), uri+"?timeoutMS=1000", mongodb.Options{}); !errors.Is(err, domain.Unavailable) {
		t.Errorf("Open returned %v, want Unavailable", err)
	}
	server.Elect(t, 0)
	awaitReady(t, db)
	noError(t, doEverything(t, db, 10, func() {}))
}

// TestUnconfirmedWriteIsUnavailable has writes that no majority confirms.
func TestUnconfirmedWriteIsUnavailable(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t)
	db, ctx := open(t, server.Database(t)), t.Context()
	noError(t, doEverything(t, db, 0, func() {}))
	server.FailAtRandom(t, mongotest.WriteConcern, mongotest.EveryRepeatable, 1)
	for method, err := range conformance.EveryMethod(ctx, db) {
		_, name, _ := strings.Cut(method, ".")
		isWrite := slices.Contains([]string{"Add", "AddAll", "Update", "Delete", "Settle", "EndTokens"}, name)
		mayBeIdle := name == "Purge" || name == "RemoveOwnerEmail" || method == "Users.Delete" // they have nothing to write
		if errors.Is(err, domain.Unavailable) != isWrite && !mayBeIdle {
			t.Errorf("%s returned %v, want Unavailable: %t", method, err, isWrite)
		}
	}
	server.Calm(t)
	noError(t, doEverything(t, db, 10, func() {}))
}

// wantEverythingDone calls doEverything, which must succeed. It begins again if the store is
// unavailable: on a busy machine, the driver may need more time to repeat a command than a
// round trip may take. No other error is allowed.
func wantEverythingDone(t *testing.T, db *mongodb.DB, before func()) {
	t.Helper()
	const rounds = 5
	var err error
	for round := range rounds {
		err = doEverything(t, db, 10*round, before)
		if !errors.Is(err, domain.Unavailable) {
			break
		}
	}
	noError(t, err)
}

// doEverything calls the methods that write, with accounts, widgets and tokens whose
// numbers begin with n, and the function before each of them. It leaves one administrator.
func doEverything(t *testing.T, db *mongodb.DB, n int, before func()) error {
	t.Helper()
	ctx, w, token := t.Context(), widget(n), sample.Token(n, time.Hour)
	admin, leaver, user := sample.Admin(n), sample.Admin(n+1), sample.User(n+2)
	for _, call := range []struct {
		what string
		call func() error
	}{
		{"Users.Add", func() error { return db.Users().Add(ctx, admin) }},
		{"Users.Add again", func() error { return wantError(db.Users().Add(ctx, admin), domain.AlreadyExists) }},
		{"Users.Add of a second administrator", func() error { return db.Users().Add(ctx, leaver) }},
		{"Users.Add of a user", func() error { return db.Users().Add(ctx, user) }},
		{"Users.Update of an administrator", func() error { return db.Users().Update(ctx, leaver, disabled(leaver)) }},
		{"Users.Update of a user", func() error { return db.Users().Update(ctx, user, disabled(user)) }},
		{"Users.Delete", func() error { return db.Users().Delete(ctx, disabled(user)) }},
		{"Users.Delete again", func() error { return wantError(db.Users().Delete(ctx, disabled(user)), domain.NotFound) }},
		{"Widgets.Add", func() error { return db.Widgets().Add(ctx, w) }},
		{"Widgets.Add again", func() error { return wantError(db.Widgets().Add(ctx, w), domain.AlreadyExists) }},
		{"Widgets.Update", func() error { return errorOf(db.Widgets().Update(ctx, w.Name, w.ChangeAll(), domain.Condition{})) }},
		{"Widgets.Delete", func() error { return errorOf(db.Widgets().Delete(ctx, w.Name, domain.Condition{})) }},
		{"Widgets.Delete again", func() error {
			return wantError(errorOf(db.Widgets().Delete(ctx, w.Name, domain.Condition{})), domain.NotFound)
		}},
		{"Widgets.List", func() error { return errorOf(db.Widgets().List(ctx, sample.Page(1, 5))) }},
		{"Blacklist.Add", func() error { return db.Blacklist().Add(ctx, token) }},
		{"Blacklist.EndTokens", func() error { return db.Blacklist().EndTokens(ctx, cutOff(n)) }},
		{"Blacklist.EndTokens again", func() error { return db.Blacklist().EndTokens(ctx, cutOff(n)) }},
		{"Ping", func() error { return db.Ping(ctx) }},
	} {
		before()
		if err := call.call(); err != nil {
			return fmt.Errorf("%s: %w", call.what, err)
		}
	}
	loggedOut, err := isLoggedOut(ctx, db, token)
	if err != nil {
		return err
	}
	equal(t, "the token is logged out", loggedOut, true)
	value, err := db.Blacklist().CutOff(ctx, sample.ID(n))
	if err != nil {
		return err
	}
	equal(t, "the cut-off", value, cutOff(n).Value)
	return nil
}
