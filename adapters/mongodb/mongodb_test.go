package mongodb_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestMain(m *testing.M) {
	// Most tests wait for a server or for a time limit, so that more of them run at the same
	// time than there are processors. The flag -parallel overrides this.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestStoreOnSQLite opens each database twice, as two servers do.
func TestStoreOnSQLite(t *testing.T) {
	t.Parallel()
	testStore(t, mongotest.New(t))
}

func testStore(t *testing.T, server *mongotest.Server) {
	server.Chaos(t)
	conformance.Store(t, func(t *testing.T, clock ports.Clock) ports.Store {
		t.Parallel()
		uri, options := server.Database(t), mongodb.Options{Clock: clock}
		return conformance.SharedStore(openWith(t, uri, options), openWith(t, uri, options))
	})
}

// TestDurableStore kills the server after each acknowledged write.
func TestDurableStore(t *testing.T) {
	t.Parallel()
	testDurableStore(t, mongotest.Start)
}

func testDurableStore(t *testing.T, start func(testing.TB) *mongotest.Server) {
	conformance.DurableStore(t, func(t *testing.T, clock ports.Clock) (ports.Store, func(ports.Clock) ports.Store) {
		server := start(t)
		server.Chaos(t)
		uri := server.Database(t)
		db := openWith(t, uri, mongodb.Options{Clock: clock})
		return db, func(clock ports.Clock) ports.Store {
			noError(t, db.Close()) // sends no writes; it would wait for the servers later
			server.Kill(t)
			server.Restart(t)
			db = openWith(t, uri, mongodb.Options{Clock: clock})
			return db
		}
	})
}

// TestStoreOnPostgreSQL uses another engine behind the replica set. PostgreSQL itself is not
// killed. In this engine, FerretDB's compare-and-swap is not atomic either. No subtest is
// skipped for that reason, because the stand-in gives the engine one command of each
// database at a time.
func TestStoreOnPostgreSQL(t *testing.T) {
	t.Parallel()
	server := mongotest.StartOnPostgreSQL(t)
	t.Run("Store", func(t *testing.T) { testStore(t, server) })
	t.Run("DurableStore", func(t *testing.T) { testDurableStore(t, mongotest.StartOnPostgreSQL) })
}

// TestSingleServer uses a server that is not a replica set and does not fill in the
// timestamp of new documents. The suite is short; TestOrderIsThatOfThePrimary has more.
func TestSingleServer(t *testing.T) {
	t.Parallel()
	testDurableStore(t, mongotest.StartSingle)
}

// BenchmarkStore measures the operations on a FerretDB server, or on the server that
// MONGODB_URI names. FerretDB scans collections where MongoDB uses an index.
func BenchmarkStore(b *testing.B) {
	server := mongotest.New(b)
	conformance.BenchmarkStore(b, func(b *testing.B) ports.Store { return open(b, server.Database(b)) })
}

// wantUnavailable fails the test unless every method returns Unavailable within
// the given time limit of an operation and one more second.
func wantUnavailable(ctx context.Context, t *testing.T, db *mongodb.DB, limit time.Duration) {
	t.Helper()
	start := time.Now()
	for method, err := range conformance.EveryMethod(ctx, db) {
		if !errors.Is(err, domain.Unavailable) {
			t.Errorf("%s returned %v, want Unavailable", method, err)
		}
	}
	if took := time.Since(start); took > limit+time.Second {
		t.Errorf("the methods took %v, want at most %v", took, limit)
	}
}

func open(t testing.TB, uri string) *mongodb.DB {
	t.Helper()
	return openWith(t, uri, mongodb.Options{})
}

func openWith(t testing.TB, uri string, options mongodb.Options) *mongodb.DB {
	t.Helper()
	db, err := mongodb.Open(t.Context(), uri, options)
	for late := time.Now().Add(20 * time.Second); errors.Is(err, domain.Unavailable) && time.Now().Before(late); {
		t.Logf("Open is tried again, as the program does: %v", err)
		db, err = mongodb.Open(t.Context(), uri, options)
	}
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	return db
}

func list(t testing.TB, db *mongodb.DB, number, size int) domain.Page[domain.Widget] {
	t.Helper()
	page, err := db.Widgets().List(t.Context(), sample.Page(number, size))
	noError(t, err)
	return page
}

func users(t testing.TB, db *mongodb.DB, number, size int) domain.Page[domain.User] {
	t.Helper()
	page, err := db.Users().List(t.Context(), sample.Page(number, size))
	noError(t, err)
	return page
}

// isLoggedOut reports whether the blacklist has a token.
func isLoggedOut(ctx context.Context, db *mongodb.DB, token domain.BlacklistedToken) (bool, error) {
	revocation, err := db.Blacklist().Check(ctx, domain.Claims{
		ID: token.ID, Subject: sample.ID(999), IssuedAt: token.ExpiresAt.Add(-token.Lifetime), ExpiresAt: token.ExpiresAt,
	})
	return revocation.LoggedOut, err
}

func widget(n int) domain.Widget { return sample.Widget(fmt.Sprintf("widget-%d", n)) }

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}
