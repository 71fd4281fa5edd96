package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/ports"
)

// results are the results of all measurements, and their conditions.
type results struct {
	Commit      string        `json:"commit"`
	Date        time.Time     `json:"date"`
	Processors  int           `json:"processors"`
	Go          string        `json:"go"`
	Rounds      int           `json:"rounds"`
	Round       time.Duration `json:"round_ns"`
	Connections int           `json:"connections"`
	Tokens      int           `json:"tokens"` // logged-out tokens in every store
	Comparisons []result      `json:"comparisons"`
	Startup     *startup      `json:"startup,omitempty"`
	Memory      *memory       `json:"memory,omitempty"`
}

// startup is the time that the program takes to start on a file in the page cache,
// until it listens.
type startup struct {
	Widgets int           `json:"widgets"`
	File    int64         `json:"file_bytes"`
	Took    time.Duration `json:"took_warm_ns"`
}

// memory is the peak memory of the program while its largest store was read.
type memory struct {
	Widgets   int   `json:"widgets"`
	Resident  int64 `json:"resident_bytes"`
	Anonymous int64 `json:"beyond_the_mapped_file_bytes"`
}

// Numbers of widgets in the stores. The largest store has [runCommand.Widgets].
const (
	fewWidgets  = 1000
	pageWidgets = 100_000
	maxWidgets  = 9_000_000 // the names have seven digits, and the measurements add widgets
)

// measure makes all measurements.
func (c runCommand) measure(ctx context.Context) (found results, err error) {
	folder, err := os.MkdirTemp("", "widgetd-bench-")
	if err != nil {
		return results{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	progress("building the program")
	program, commit, err := buildProgram(ctx, folder)
	if err != nil {
		return results{}, err
	}
	b := &benchmark{runCommand: c, folder: folder, program: program}
	defer func() { err = errors.Join(err, b.close()) }()
	b.found = results{
		Commit: commit, Date: time.Now().UTC().Truncate(time.Second), Processors: runtime.GOMAXPROCS(0), Go: runtime.Version(),
		Rounds: c.Rounds, Round: c.Round, Connections: c.Connections, Tokens: c.Tokens,
	}
	if c.MongoDBURI != "" {
		err = b.onMongoDB(ctx)
	} else {
		err = b.onBoltDB(ctx)
	}
	return b.found, err
}

// benchmark is one run of the command.
type benchmark struct {
	runCommand
	folder, program string
	found           results
	closers         []func() error // called by close in reverse order
}

func (b *benchmark) close() (err error) {
	for _, closer := range slices.Backward(b.closers) {
		err = errors.Join(err, closer())
	}
	return err
}

// onBoltDB measures the program on embedded stores. It measures reads first, because
// writes make a store grow and log-ins take memory.
func (b *benchmark) onBoltDB(ctx context.Context) error {
	few, err := b.serveBoltDB(ctx, fewWidgets)
	if err != nil {
		return err
	}
	edKey, err := ed25519Key(b.folder)
	if err != nil {
		return err
	}
	signed, err := b.serveBoltDBWithKey(ctx, fewWidgets, edKey)
	if err != nil {
		return err
	}
	pages, err := b.serveBoltDB(ctx, pageWidgets)
	if err != nil {
		return err
	}
	many, err := b.serveBoltDB(ctx, b.Widgets)
	if err != nil {
		return err
	}
	size, err := many.fileSize()
	if err != nil {
		return err
	}
	b.found.Startup = &startup{b.Widgets, size, many.started}
	bare, err := b.serveBare(ctx, few)
	if err != nil {
		return err
	}
	batch, closeBatch, err := rawBatch(b.folder, b.Connections)
	if err != nil {
		return err
	}
	b.closers = append(b.closers, closeBatch)
	atMany, atFew := fmt.Sprintf(" at %d widgets", b.Widgets), fmt.Sprintf("at %d", fewWidgets)
	if err := b.compareAll(ctx, []comparison{
		{"get", 0.75, few.get("widgetd", few.process), few.get("Fiber", bare)},
		{"get with EdDSA", 0, signed.get("widgetd", signed.process), few.get("HS256", few.process)},
		{"current user", 0.75, few.read("widgetd", few.process, ownUser), few.read("Fiber", bare, ownUser)},
		{"page of ten", 0.50, few.read("widgetd", few.process, firstPage), few.read("Fiber", bare, firstPage)},
		{"get" + atMany, 0.90, many.get("widgetd", many.process), few.get(atFew, few.process)},
		pages.lastPageToFirst(0.80),
		few.lastPageToFirst(0),
		many.lastPageToFirst(0),
		{"current user" + atMany, 0, many.read("widgetd", many.process, ownUser), few.read(atFew, few.process, ownUser)},
		{"page of ten" + atMany, 0, many.read("widgetd", many.process, firstPage), few.read(atFew, few.process, firstPage)},
	}); err != nil {
		return err
	}
	if b.found.Memory, err = b.readMany(many); err != nil {
		return err
	}
	return b.compareAll(ctx, []comparison{
		{"log in", 0.95, few.logIn("widgetd").inLongRounds(), rawArgon2id().inLongRounds()},
		{"create", 0.12, few.create("widgetd"), batch},
		{"log out", 0.12, few.logOut("widgetd"), batch},
		{"log in" + atMany, 0, many.logIn("widgetd").inLongRounds(), few.logIn(atFew).inLongRounds()},
		{"create" + atMany, 0, many.create("widgetd"), few.create(atFew)},
		{"log out" + atMany, 0, many.logOut("widgetd"), few.logOut(atFew)},
	})
}

// onMongoDB measures the program on one small MongoDB store. The speed of a large one
// depends on MongoDB, not on the program.
func (b *benchmark) onMongoDB(ctx context.Context) error {
	database, err := b.emptyDatabase(ctx)
	if err != nil {
		return err
	}
	store, err := mongodb.Open(ctx, b.MongoDBURI, mongodb.Options{})
	if err != nil {
		return err
	}
	key, err := secretKey()
	if err != nil {
		return err
	}
	few, err := b.serve(ctx, store, fewWidgets, key, "WIDGETD_MONGODB_URI="+b.MongoDBURI)
	if err != nil {
		return err
	}
	bare, err := b.serveBare(ctx, few)
	if err != nil {
		return err
	}
	insert := rawInsert(ctx, database, b.Connections)
	return b.compareAll(ctx, []comparison{
		{"get", 0, few.get("widgetd", few.process), few.get("Fiber", bare)},
		{"current user", 0, few.read("widgetd", few.process, ownUser), few.read("Fiber", bare, ownUser)},
		{"page of ten", 0, few.read("widgetd", few.process, firstPage), few.read("Fiber", bare, firstPage)},
		few.lastPageToFirst(0),
		{"log in", 0, few.logIn("widgetd").inLongRounds(), rawArgon2id().inLongRounds()},
		{"create", 0, few.create("widgetd"), insert},
		{"log out", 0, few.logOut("widgetd"), insert},
	})
}

// lastPageToFirst compares the last page of the widgets with the first page.
func (s *server) lastPageToFirst(target float64) comparison {
	return comparison{
		fmt.Sprintf("last page of %d widgets", s.widgets), target,
		s.read("widgetd", s.process, lastPage(s.widgets)), s.read("first page", s.process, firstPage),
	}
}

func (b *benchmark) compareAll(ctx context.Context, all []comparison) error {
	for _, pair := range all {
		found, err := b.compare(ctx, pair)
		if err != nil {
			return err
		}
		b.found.Comparisons = append(b.found.Comparisons, found)
	}
	return nil
}

// serveBoltDB fills a new embedded store and starts the program on it, with a secret as the
// key of tokens.
func (b *benchmark) serveBoltDB(ctx context.Context, widgets int) (*server, error) {
	key, err := secretKey()
	if err != nil {
		return nil, err
	}
	return b.serveBoltDBWithKey(ctx, widgets, key)
}

func (b *benchmark) serveBoltDBWithKey(ctx context.Context, widgets int, key tokenKey) (*server, error) {
	folder, err := os.MkdirTemp(b.folder, "data-")
	if err != nil {
		return nil, err
	}
	store, err := boltdb.Open(folder, boltdb.Options{})
	if err != nil {
		return nil, err
	}
	served, err := b.serve(ctx, store, widgets, key, "WIDGETD_DATA="+folder)
	if err == nil {
		served.folder = folder
	}
	return served, err
}

// serve fills the store, closes it, and starts the program on it. The setting tells the
// program where the store is.
func (b *benchmark) serve(ctx context.Context, store ports.Store, widgets int, key tokenKey, setting string) (*server, error) {
	progress("filling a store with %d widgets and %d logged-out tokens", widgets, b.Tokens)
	admin, err := seed(ctx, store, widgets, b.Tokens)
	if err := errors.Join(err, store.Close()); err != nil {
		return nil, err
	}
	token, err := newTokens(key.Key, admin, 1)
	if err != nil {
		return nil, err
	}
	logs, err := os.MkdirTemp(b.folder, "log-")
	if err != nil {
		return nil, err
	}
	// Without the rate limit, which would refuse most log-ins.
	p, err := startProgram(ctx, b.program, filepath.Join(logs, "log"),
		key.setting, "WIDGETD_MAX_LOGIN_FAILURES=0", setting)
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, p.end)
	return &server{process: p, connections: b.Connections, admin: admin, key: key.Key, token: token[0], widgets: widgets}, nil
}

// serveBare starts a bare Fiber server with the responses of the given server.
func (b *benchmark) serveBare(ctx context.Context, s *server) (*process, error) {
	routes, err := s.answers()
	if err != nil {
		return nil, err
	}
	bare, err := startBare(ctx, routes)
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, bare.end)
	return bare, nil
}

// readMany sends reads to the server for [runCommand.Reads] and returns the peak memory.
func (b *benchmark) readMany(s *server) (*memory, error) {
	progress("reading %d widgets for %v", s.widgets, b.Reads)
	beyond, err := s.peak(func() (err error) {
		for _, reads := range []side{s.get("", s.process), s.read("", s.process, firstPage), s.read("", s.process, ownUser)} {
			_, failure := reads.run(b.Reads / 3)
			err = errors.Join(err, failure)
		}
		return err
	})
	resident, failure := s.memory("VmHWM")
	return &memory{s.widgets, resident, beyond}, errors.Join(err, failure)
}

// emptyDatabase returns the database of the URI, which close drops. It returns an error
// if the database has collections.
func (b *benchmark) emptyDatabase(ctx context.Context) (*mongo.Database, error) {
	where, err := connstring.ParseAndValidate(b.MongoDBURI)
	if err != nil {
		return nil, err
	}
	if where.Database == "" {
		return nil, errors.New("--mongodb-uri must name a database in its path; the database is dropped at the end")
	}
	journaled := true
	client, err := mongo.Connect(options.Client().ApplyURI(b.MongoDBURI).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled}))
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, func() error { return client.Disconnect(context.WithoutCancel(ctx)) })
	database := client.Database(where.Database)
	names, err := database.ListCollectionNames(ctx, map[string]any{})
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("the database %s is not empty: name an empty one, because it is dropped at the end", where.Database)
	}
	b.closers = append(b.closers, func() error { return database.Drop(context.WithoutCancel(ctx)) })
	return database, nil
}
