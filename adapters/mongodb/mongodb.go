// Package mongodb implements [ports.Store] with a MongoDB database, which any number
// of servers can share. It needs MongoDB 4.4 or later: a single server or a replica
// set. A replica set loses no acknowledged write when a member fails.
//
// # Promises
//
// The promises of the ports rest on these properties of MongoDB:
//
//   - Durability: every write waits until a majority of the replica set has
//     written it to the journal (w: majority, j: true). Options in the URI do not
//     change this.
//   - Reads see every acknowledged write: all reads go to the primary. Options in
//     the URI do not change this. One gap remains. A primary that has lost its
//     majority can answer reads with old data for up to electionTimeoutMillis (10
//     seconds). Add readConcernLevel=linearizable to the URI to close this gap for
//     the reads of one document: of a token and a cut-off (Check, CutOff), of an
//     account (ByPublicID, ByEmail) and of a widget (ByName). The primary then
//     confirms each read with a majority. MongoDB gives no such guarantee for
//     queries that match several documents, so the gap remains for lists, counts
//     and HasAdmin. This needs a replica set: Open refuses a single server. Each
//     read costs a round trip between the members. Check and CutOff make two
//     round trips in place of one.
//   - Uniqueness: unique indexes, which [Open] creates. Somebody may drop an index or
//     a collection while servers run: see uniqueness.
//   - Creation order: the primary sets the BSON timestamp "seq" of each widget and
//     each account when it inserts the document. The timestamp is the primary's
//     logical clock. It never decreases, and a new primary continues it. The clocks
//     of the widgetd servers do not matter. FerretDB does not set "seq". With FerretDB
//     the order is that of a UUIDv7: the _id of a widget, the "seq_id" of an account.
//     This is the order of creation if one server creates all of them, or if the
//     clocks of the servers agree. Accounts that earlier versions registered have
//     neither field. They come first, in the order of registered_on.
//   - Versions of widgets: every write is one command, whose filter has the condition and
//     which raises the version.
//   - Lists by position: each order has an index, and each slice is a few intervals of it:
//     see order. The query names the index, so that the server refuses it, and does not
//     read the whole collection, while the index is not there: see lateIndexes.
//   - Limits on attempts: the write that begins an attempt has the limit as a condition, and
//     times are those of the primary's clock: see attemptLimiter.
//   - The last active administrator stays, without transactions: see the comment in
//     administrators.go.
//   - Time limits: every round trip ends within three seconds, or within the URI's
//     timeoutMS if that is shorter. An operation that is not acknowledged by then
//     returns [domain.Unavailable]. A method is one round trip unless its comment
//     says otherwise.
//
// # Running time
//
// A logged-out token or a cut-off is forgotten when its expiry has passed by a wall clock
// and its lifetime has passed in running time: see [ports.TokenBlacklist]. The blacklist has
// a document with a counter, in milliseconds. Each server remembers the value that it
// read at its last sync, which Purge makes, and adds the time since by its monotonic
// clock, at most maxStep. This is the server's estimate. A sync sets the counter to
// the maximum of the counter and the estimate.
//
// Let E be the greatest of the counter and all estimates, also those on their way to
// the database. Estimates grow as fast as time passes while their server runs, and a
// sync makes no number greater than E. So E never grows by more than the running time.
// A server that could not sync for a longer time leaves out the time over maxStep, so
// E is at most maxStep more than the counter. A server that has synced within maxStep
// has an estimate that is at most maxStep, and the time of a round trip, less than E.
// It logs a token out at its estimate plus margin, which is not less than E when the
// log-out is acknowledged. When the counter has grown from there by the lifetime of
// the token, at least the lifetime has passed in running time. Wall clocks play no
// part. If syncs fail, the counter falls behind, and tokens are remembered longer.
//
// # A blacklist that was dropped
//
// The document with the counter has a random id, which [Open] remembers. Check
// reads the document together with the token and the cut-off, and Add and EndTokens read
// it after they have written. If it is missing or has another id, the collection was
// dropped or replaced, and all methods of the blacklist and Ping return Unavailable.
// They work again when the collection was restored. A server that is started later
// begins a new blacklist.
//
// # Servers of several versions
//
// A server of an earlier version would ignore cut-offs and disabled accounts, change widgets
// without a new version, and delete accounts without a mark. So the
// document with the counter also has the least version of the servers that may run: see
// serverVersions. A server raises it when it starts. An excluded server finds out with
// the next token that it checks, and with the next Ping. It then accepts no token and
// writes nothing, and every method of the blacklist and Ping return Unavailable. Open of
// an excluded server returns an error that is not Unavailable.
//
// The releases without this rule are excluded too, because the name of the field with the
// random id differs from the one that they know: for them the collection was replaced.
// They accept no token and are not ready, but they still register accounts and issue
// tokens. The releases before had a watermark in place of the counter. If the database
// has one, they cannot decode it any more, and refuse every token with an error.
//
// # Documents
//
// Every document has a version, in the field schema_version (int32). A document
// without this field has version 1. New documents have the latest version. Every
// earlier version can be read. A document of a later version is an error: a later
// widgetd wrote it.
//
// A document cannot be read if a field is missing or has another type, for example
// because another program changed the document. ByName, ByEmail and ByPublicID then
// return an error that names the collection, the _id and the field. Check and CutOff
// do so for the cut-off of the account, Tokens and CutOffs for each document. List and
// Slice leave the document out and call
// [Options.Unreadable]. An update does not change a document of
// a later version, or one in which a field is missing or has another BSON type.
package mongodb

import (
	"context"
	"log/slog"
	"sync"

	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// DB is a connection to a database.
type DB struct {
	users     *userRepository
	widgets   *widgetRepository
	blacklist *tokenBlacklist
	attempts  *attemptLimiter
	tasks     *background
	cursorKey domain.CursorKey // set by open

	close func() error
}

var (
	_ ports.Store        = (*DB)(nil)
	_ ports.AttemptStore = (*DB)(nil)
)

// Options configure a [DB]. The zero value is usable.
type Options struct {
	// Unreadable is called for each account and each widget that List leaves out
	// because its document cannot be read. The collection is "users" or "widgets".
	// The error names the collection, the _id and the field. It never contains the
	// value of a field. Unreadable is called by the goroutines that call List, so it
	// must be safe for concurrent use. Nil means that these errors are ignored.
	Unreadable func(collection string, err error)

	// Shadowed is called by Open for each account whose email belongs to an older
	// account too, with its public id. ByEmail does not return the account. There
	// are such accounts where earlier versions of widgetd added two accounts that
	// differ only in case: their rule for case was another one. Nil means that they
	// are not reported.
	Shadowed func(domain.UUID)

	// Log takes lines about work in the background. Nil means that they are not logged.
	Log *slog.Logger

	// Clock is the clock for the running time of the blacklist. If it is nil, the
	// running time is measured with the monotonic clock.
	Clock ports.Clock
}

// Open connects to the database in the URI's path, or to "widgetd" if the path is
// empty. It creates the indexes that do not exist, and corrects the keys of emails
// that earlier versions of widgetd wrote. On a large collection it creates the late
// indexes in the background: until they are there, the lists that need them are
// Unavailable. Several servers may call Open at the same time.
//
// Open returns a [domain.Unavailable] error if the primary does not answer within
// three seconds, or stops answering while it creates an index. Each index may take
// a minute. A retry may succeed. Every other error is permanent: a malformed URI,
// rejected credentials, a MongoDB server that is too old, a later widgetd that
// excludes this one, documents that violate a unique index, or linearizable reads from a
// single server. No error contains the password of the URI.
func Open(ctx context.Context, uri string, options Options) (*DB, error) {
	return open(ctx, uri, options, thisVersion(), nil)
}

// open is [Open] for a server of another version, with a monitor for the commands that
// the driver sends.
func open(ctx context.Context, uri string, options Options, server serverVersions, monitor *event.CommandMonitor) (*DB, error) {
	parsed, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, uriError(uri, err)
	}
	config := clientOptions(uri).SetMonitor(monitor)
	driver, err := mongo.Connect(config)
	if err != nil {
		return nil, uriError(uri, err)
	}
	options = options.withDefaults()
	database := driver.Database(databaseName(parsed))
	tasks := newBackground()
	c := &client{database, *config.Timeout, newLateIndexes(database, *config.Timeout, tasks, options.Log), isLinearizable(config)}
	db := newDB(c, tasks, options, server)
	if err := db.open(ctx, c, parsed.DirectConnection, options.Shadowed); err != nil {
		_ = db.close()
		return nil, openError(parsed.Hosts, err)
	}
	return db, nil
}

// withDefaults returns the options with functions that do nothing in place of nil.
func (o Options) withDefaults() Options {
	if o.Unreadable == nil {
		o.Unreadable = func(string, error) {}
	}
	if o.Shadowed == nil {
		o.Shadowed = func(domain.UUID) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func newDB(c *client, tasks *background, options Options, server serverVersions) *DB {
	tokens := newTokenBlacklist(c.collection(blacklist), options.Clock, server, c.linearizable)
	accounts := c.uniqueness(users, uniqueUserField, tokens.running.admit)
	counters := newAttemptLimiter(c.collection(attempts), options.Log)
	return &DB{
		users:     newUserRepository(accounts, newDepartures(c), options.Unreadable),
		widgets:   newWidgetRepository(c.uniqueness(widgets, uniqueWidgetField, tokens.running.admit), options.Unreadable),
		blacklist: tokens,
		attempts:  counters,
		tasks:     tasks,
		close: sync.OnceValue(func() error {
			tasks.close()
			counters.ends.close()
			return c.disconnect(context.Background())
		}),
	}
}

// open prepares the database. It excludes servers of earlier versions before it does
// anything else, and changes nothing if this server is excluded.
func (db *DB) open(ctx context.Context, c *client, direct bool, shadowed func(domain.UUID)) error {
	if err := c.requirePrimary(ctx, direct); err != nil {
		return err
	}
	if err := db.blacklist.running.open(ctx); err != nil {
		return err
	}
	if err := c.prepare(ctx, shadowed); err != nil {
		return err
	}
	if err := db.blacklist.open(ctx); err != nil {
		return err
	}
	key, err := c.openCursorKey(ctx)
	if err != nil {
		return err
	}
	db.cursorKey = key
	db.attempts.open(key, db.tasks)
	if err := c.late.open(ctx); err != nil {
		return err
	}
	if db.blacklist.running.unmarked {
		earlier := deletions{db.blacklist, db.users.departures, markingPause}
		db.tasks.repeat(func(ctx context.Context) (done bool) { return earlier.mark(ctx) == nil })
	}
	return nil
}

// Users returns the accounts.
func (db *DB) Users() ports.UserRepository { return db.users }

// Widgets returns the widgets.
func (db *DB) Widgets() ports.WidgetRepository { return db.widgets }

// Blacklist returns the logged-out tokens and the cut-offs.
func (db *DB) Blacklist() ports.TokenBlacklist { return db.blacklist }

// Attempts implements [ports.AttemptStore].
func (db *DB) Attempts() ports.AttemptLimiter { return db.attempts }

// Ping implements [ports.Store]. It checks that the blacklist is the one that was
// opened, that no later server has excluded this one, and that the unique indexes
// exist. It makes three round trips at the same time.
func (db *DB) Ping(ctx context.Context) error {
	return checkTogether(ctx, db.blacklist.running.check, db.users.check, db.widgets.check)
}

// CursorKey implements [ports.Store].
func (db *DB) CursorKey() domain.CursorKey { return db.cursorKey }

// Close implements [ports.Store]. It waits for running operations and disconnects. It
// waits at most as long as two round trips may take.
func (db *DB) Close() error { return db.close() }

// Shared implements [ports.Store]. It returns true.
func (db *DB) Shared() bool { return true }
