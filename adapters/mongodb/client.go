package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/widgetd/widgetd/domain"
)

const (
	// defaultDatabase is the database for a URI with an empty path.
	defaultDatabase = "widgetd"

	// operationTimeout limits a round trip. It is shorter than the 5 seconds within
	// which the server must respond to a request.
	operationTimeout = 3 * time.Second

	// indexTimeout limits the creation of one index. The creation takes long only
	// if an operator dropped the index of a large collection.
	indexTimeout = time.Minute

	// poolSize is the maximum number of connections to one server, unless the URI
	// sets maxPoolSize. A list uses two connections at the same time. With the
	// driver's default of 100, the requests of 64 busy clients wait for
	// connections.
	poolSize = 256
)

// clientOptions returns the options of the URI. It overrides the options that would
// break a promise of the package.
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

func databaseName(uri *connstring.ConnString) string {
	if uri.Database == "" {
		return defaultDatabase
	}
	return uri.Database
}

// isLinearizable reports whether the URI asks for linearizable reads.
func isLinearizable(config *options.ClientOptions) bool {
	return config.ReadConcern != nil && config.ReadConcern.Level == readconcern.Linearizable().Level
}

// client is a database and the time limit for a round trip.
type client struct {
	*mongo.Database
	timeout      time.Duration
	late         *lateIndexes
	linearizable bool // see isLinearizable
}

func (c *client) collection(name string) collection {
	return collection{c.Collection(name), c.timeout, c.late}
}

// uniqueness returns the collection, whose unique index is on the field. For admit see
// [uniqueness].
func (c *client) uniqueness(name, field string, admit func() error) *uniqueness {
	return &uniqueness{
		collection: c.collection(name),
		field:      field,
		create:     func(ctx context.Context) error { return c.ensureIndexes(ctx, name) },
		admit:      admit,
	}
}

// prepare creates the indexes and corrects the keys of emails.
func (c *client) prepare(ctx context.Context, shadowed func(domain.UUID)) error {
	if err := c.ensureIndexes(ctx, users, widgets, blacklist, attempts); err != nil {
		return err
	}
	return c.correctEmailKeys(ctx, shadowed)
}

// errDirect is the error for a URI with directConnection to a replica set that has
// several members.
var errDirect = errors.New("directConnection cannot be used with a replica set of several members: " +
	"a member that is no longer the primary would return old data; remove directConnection from the URI")

// errNotLinearizable is the error for linearizable reads from a server that has no other
// members to confirm a read.
var errNotLinearizable = errors.New("readConcernLevel=linearizable needs a replica set, and this is a single server; " +
	"start the server as a replica set, or remove readConcernLevel from the URI")

// requirePrimary returns an error unless the server is a primary, and can do what the
// URI asks for. The driver itself checks that the server is not too old.
func (c *client) requirePrimary(ctx context.Context, direct bool) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var hello struct {
		Primary bool     `bson:"isWritablePrimary"`
		Hosts   []string `bson:"hosts"`
		Set     string   `bson:"setName"`
		Message string   `bson:"msg"` // "isdbgrid" from mongos, in front of the replica sets of a sharded cluster
	}
	err := c.Client().Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	switch {
	case err != nil:
		return err
	case direct && len(hello.Hosts) > 1:
		return errDirect
	case c.linearizable && hello.Set == "" && hello.Message != "isdbgrid":
		return errNotLinearizable
	case !hello.Primary:
		return mongo.CommandError{Code: notWritablePrimary, Name: "NotWritablePrimary", Message: "the server is not the replica set's primary"}
	}
	return nil
}

// disconnect closes the connections. It returns at the end of the time limit, even if the
// driver goes on: the driver sometimes waits until a member of a replica set answers its
// last heartbeat, which takes ten seconds.
func (c *client) disconnect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	disconnected := make(chan error, 1)
	go func() { disconnected <- c.Client().Disconnect(ctx) }()
	select {
	case err := <-disconnected:
		return err
	case <-ctx.Done():
		return nil
	}
}
