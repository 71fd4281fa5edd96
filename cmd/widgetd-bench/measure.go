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
)

// results are all that was found out, and how.
type results struct {
	Commit      string        `json:"commit"`
	Date        time.Time     `json:"date"`
	Processors  int           `json:"processors"`
	Go          string        `json:"go"`
	Rounds      int           `json:"rounds"`
	Round       time.Duration `json:"round_ns"`
	Connections int           `json:"connections"`
	Tokens      int           `json:"tokens"` // logged out, in every store
	Comparisons []result      `json:"comparisons"`
	Startup     *startup      `json:"startup,omitempty"`
	Memory      *memory       `json:"memory,omitempty"`
}

// startup is how long the program takes until it listens, on a file just written,
// which the page cache holds.
type startup struct {
	Widgets int           `json:"widgets"`
	File    int64         `json:"file_bytes"`
	Took    time.Duration `json:"took_warm_ns"`
}

// memory is the most that the program had while its largest store was read.
type memory struct {
	Widgets   int   `json:"widgets"`
	Resident  int64 `json:"resident_bytes"`
	Anonymous int64 `json:"beyond_the_mapped_file_bytes"`
}

// Widgets in the stores that are not the largest.
const (
	fewWidgets  = 1000
	pageWidgets = 100_000
	maxWidgets  = 9_000_000 // names have seven digits, and some are made while measuring
)

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
	b := &bench{runCommand: c, folder: folder, program: program}
	defer func() { err = errors.Join(err, b.end()) }()
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

// bench is a run.
type bench struct {
	runCommand
	folder, program string
	found           results
	ends            []func() error // what to do at the end, the last first
}

func (b *bench) end() (err error) {
	for _, end := range slices.Backward(b.ends) {
		err = errors.Join(err, end())
	}
	return err
}

// onBoltDB measures what only reads before the rest, for writes let a store grow, and
// what hashes takes memory.
func (b *bench) onBoltDB(ctx context.Context) error {
	few, err := b.serveBoltDB(ctx, fewWidgets)
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
	b.ends = append(b.ends, closeBatch)
	atMany, atFew := fmt.Sprintf(" at %d widgets", b.Widgets), fmt.Sprintf("at %d", fewWidgets)
	if err := b.compareAll(ctx, []comparison{
		{"get", 0.75, few.get("widgetd", few.process), few.get("Fiber", bare)},
		{"current user", 0.75, few.read("widgetd", few.process, ownUser), few.read("Fiber", bare, ownUser)},
		{"page of ten", 0.50, few.read("widgetd", few.process, firstPage), few.read("Fiber", bare, firstPage)},
		{"get" + atMany, 0.90, many.get("widgetd", many.process), few.get(atFew, few.process)},
		pages.lastBesideFirst(0.80),
		few.lastBesideFirst(0),
		many.lastBesideFirst(0),
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

// onMongoDB measures on one small store: how a large one does is MongoDB's affair.
func (b *bench) onMongoDB(ctx context.Context) error {
	database, err := b.emptyDatabase(ctx)
	if err != nil {
		return err
	}
	s, err := openMongoDB(ctx, b.MongoDBURI)
	if err != nil {
		return err
	}
	few, err := b.serve(ctx, s, fewWidgets, "WIDGETD_MONGODB_URI="+b.MongoDBURI)
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
		few.lastBesideFirst(0),
		{"log in", 0, few.logIn("widgetd").inLongRounds(), rawArgon2id().inLongRounds()},
		{"create", 0, few.create("widgetd"), insert},
		{"log out", 0, few.logOut("widgetd"), insert},
	})
}

// lastBesideFirst compares the last page of all widgets with the first.
func (s *server) lastBesideFirst(target float64) comparison {
	return comparison{
		fmt.Sprintf("last page of %d widgets", s.widgets), target,
		s.read("widgetd", s.process, lastPage(s.widgets)), s.read("first page", s.process, firstPage),
	}
}

func (b *bench) compareAll(ctx context.Context, all []comparison) error {
	for _, of := range all {
		found, err := b.compare(ctx, of)
		if err != nil {
			return err
		}
		b.found.Comparisons = append(b.found.Comparisons, found)
	}
	return nil
}

// serveBoltDB starts the program on an embedded store of its own.
func (b *bench) serveBoltDB(ctx context.Context, widgets int) (*server, error) {
	folder, err := os.MkdirTemp(b.folder, "data-")
	if err != nil {
		return nil, err
	}
	s, err := openBoltDB(folder)
	if err != nil {
		return nil, err
	}
	served, err := b.serve(ctx, s, widgets, "WIDGETD_DATA="+folder)
	if err == nil {
		served.folder = folder
	}
	return served, err
}

// serve fills a store and starts the program on it.
func (b *bench) serve(ctx context.Context, s store, widgets int, where string) (*server, error) {
	progress("filling a store with %d widgets and %d logged-out tokens", widgets, b.Tokens)
	admin, err := s.seed(ctx, widgets, b.Tokens)
	if err := errors.Join(err, s.close()); err != nil {
		return nil, err
	}
	token, err := newTokens(admin, 1)
	if err != nil {
		return nil, err
	}
	logs, err := os.MkdirTemp(b.folder, "log-")
	if err != nil {
		return nil, err
	}
	// Log-in is to measure hashing, not how many attempts the limits let through.
	p, err := startProgram(ctx, b.program, filepath.Join(logs, "log"),
		"WIDGETD_SECRET_KEY="+secret, "WIDGETD_MAX_LOGIN_FAILURES=0", where)
	if err != nil {
		return nil, err
	}
	b.ends = append(b.ends, p.end)
	return &server{process: p, connections: b.Connections, admin: admin, token: token[0], widgets: widgets}, nil
}

// serveBare starts a bare server that answers what the given one does.
func (b *bench) serveBare(ctx context.Context, of *server) (*process, error) {
	routes, err := of.answers()
	if err != nil {
		return nil, err
	}
	bare, err := startBare(ctx, routes)
	if err != nil {
		return nil, err
	}
	b.ends = append(b.ends, bare.end)
	return bare, nil
}

// readMany reads for a while and returns the most memory that took.
func (b *bench) readMany(s *server) (*memory, error) {
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

// emptyDatabase returns the URI's database, which the end drops. It is an error for
// it to have collections.
func (b *bench) emptyDatabase(ctx context.Context) (*mongo.Database, error) {
	where, err := connstring.ParseAndValidate(b.MongoDBURI)
	if err != nil {
		return nil, err
	}
	if where.Database == "" {
		return nil, errors.New("--mongodb-uri must name a database in its path, which will be dropped")
	}
	journaled := true
	client, err := mongo.Connect(options.Client().ApplyURI(b.MongoDBURI).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled}))
	if err != nil {
		return nil, err
	}
	b.ends = append(b.ends, func() error { return client.Disconnect(context.WithoutCancel(ctx)) })
	database := client.Database(where.Database)
	names, err := database.ListCollectionNames(ctx, map[string]any{})
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("the database %s is not empty, and would be dropped", where.Database)
	}
	b.ends = append(b.ends, func() error { return database.Drop(context.WithoutCancel(ctx)) })
	return database, nil
}
