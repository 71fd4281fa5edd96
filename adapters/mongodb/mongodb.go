// Package mongodb keeps accounts, widgets and logged-out tokens in a MongoDB
// database that any number of servers share. It implements the persistence ports
// on MongoDB 4.4 or later: a replica set, which loses nothing when a member
// dies, or a single server.
//
// What the promises of the ports rest on:
//
//   - Durability: every write waits until a majority of the replica set has it in
//     the journal (w: majority, j: true), whatever the URI says.
//   - Every later read sees it: all reads go to the primary, whatever the URI
//     says, where an acknowledged write is visible at once. One gap is left that
//     is the store's to close: a primary that was cut off from its majority goes
//     on answering, for up to electionTimeoutMillis (10 seconds), those servers
//     that still reach it and not its successor. readConcernLevel=linearizable in
//     the URI closes it: the primary then asks a majority before it answers each
//     read. That takes a replica set and a trip between its members.
//   - Uniqueness: unique indexes, which [Open] makes.
//   - Creation order: each widget carries a BSON timestamp that the store fills
//     in as it inserts ("seq"). It is the primary's logical clock, which only
//     grows and which a new primary takes over, so the clocks of the servers play
//     no part. A store that does not fill it in, like FerretDB, has the UUIDv7
//     in _id to go by: in order for the widgets of one server, and for those of
//     several as far as their clocks agree.
//   - Unavailability: every round trip ends within three seconds, or the URI's
//     timeoutMS if that is less, and what has not been acknowledged by then is
//     [domain.Unavailable]. Methods are one round trip but for those that say so.
//
// A document that this package did not write, or not as it is, is an error that
// names it and the field; it is never read with values made up. One with a field
// that is missing or of another type is not overwritten either.
package mongodb

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

const (
	// defaultDatabase is used when the URI names none.
	defaultDatabase = "widgetd"

	// operationTimeout bounds a round trip, to less than the HTTP contract allows
	// a store.
	operationTimeout = 3 * time.Second

	// indexTimeout bounds the making of a collection's indexes, which takes long
	// only when somebody dropped them from a full one.
	indexTimeout = time.Minute

	// poolSize is how many connections to a server there may be at once, unless
	// the URI says. A list takes two, and the driver's default of 100 makes the
	// requests of 64 busy clients wait for each other.
	poolSize = 256
)

// DB is a connection to a database. Its methods and those of its repositories
// are safe for concurrent use.
type DB struct {
	Users     *Users
	Widgets   *Widgets
	Blacklist *Blacklist

	close func() error
}

// Open connects to the database that the URI's path names, else "widgetd", and
// makes the indexes that it lacks. Any number of servers may do so at once.
//
// It returns a [domain.Unavailable] error when the primary does not answer
// within three seconds, or is lost while it makes indexes, for which it has a
// minute each; trying again later may work. Any other error is
// there to stay: a URI of no use, refused credentials, a server too old,
// documents that break a unique index. No error holds the URI's password.
func Open(ctx context.Context, uri string) (*DB, error) { return open(ctx, uri, nil) }

// Close waits for the operations under way, as long as one may take, and
// disconnects. From then on every method of the repositories returns a
// [domain.Unavailable] error. Closing again does nothing and returns the same
// error, if any.
func (db *DB) Close() error { return db.close() }

// open is Open with a monitor of the commands sent.
func open(ctx context.Context, uri string, monitor *event.CommandMonitor) (*DB, error) {
	where, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, uriError(uri, err)
	}
	config := clientOptions(uri).SetMonitor(monitor)
	client, err := mongo.Connect(config)
	if err != nil {
		return nil, uriError(uri, err)
	}
	s := &store{client.Database(database(where)), *config.Timeout}
	if err := s.prepare(ctx, where.DirectConnection); err != nil {
		_ = s.disconnect(context.WithoutCancel(ctx))
		return nil, openError(where.Hosts, err)
	}
	return &DB{
		Users:     &Users{s.collection(users)},
		Widgets:   &Widgets{s.collection(widgets)},
		Blacklist: &Blacklist{s.collection(blacklist)},
		close:     sync.OnceValue(s.close),
	}, nil
}

// clientOptions returns the URI's options, save those that would break a promise.
func clientOptions(uri string) *options.ClientOptions {
	journaled := true
	config := options.Client().ApplyURI(uri).
		SetReadPreference(readpref.Primary()).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled})
	if config.AppName == nil {
		config.SetAppName("widgetd")
	}
	if config.Timeout == nil || *config.Timeout == 0 || *config.Timeout > operationTimeout {
		config.SetTimeout(operationTimeout)
	}
	if config.ConnectTimeout == nil {
		config.SetConnectTimeout(*config.Timeout)
	}
	if config.MaxPoolSize == nil {
		config.SetMaxPoolSize(poolSize)
	}
	return config
}

func database(where *connstring.ConnString) string {
	if where.Database == "" {
		return defaultDatabase
	}
	return where.Database
}

// store is a database on a client.
type store struct {
	*mongo.Database
	timeout time.Duration
}

func (s *store) collection(name string) collection {
	return collection{s.Collection(name), s.timeout}
}

// prepare looks whether the database is one to work with, and makes its indexes.
func (s *store) prepare(ctx context.Context, direct bool) error {
	if err := s.greet(ctx, direct); err != nil {
		return err
	}
	return s.ensureIndexes(ctx)
}

// errDirect is about a URI that ties the driver to one member of a replica set.
var errDirect = errors.New("directConnection is of no use with a replica set of several members: " +
	"once this one is no longer the primary it would answer with what it last knew")

// greet asks the server whether it is a primary. That it isn't too old is what
// the driver looks at by itself, with every server.
func (s *store) greet(ctx context.Context, direct bool) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var hello struct {
		Primary bool     `bson:"isWritablePrimary"`
		Hosts   []string `bson:"hosts"`
	}
	err := s.Client().Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	switch {
	case err != nil:
		return err
	case direct && len(hello.Hosts) > 1:
		return errDirect
	case !hello.Primary:
		return mongo.CommandError{Code: notWritablePrimary, Name: "NotWritablePrimary", Message: "it is not the replica set's primary"}
	}
	return nil
}

func (s *store) close() error { return s.disconnect(context.Background()) }

func (s *store) disconnect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.Client().Disconnect(ctx)
}
