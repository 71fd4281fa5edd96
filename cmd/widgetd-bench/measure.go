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

// results are all that was found out.
type results struct {
	Processors  int      `json:"processors"`
	Go          string   `json:"go"`
	Comparisons []result `json:"comparisons"`
	Startup     *startup `json:"startup,omitempty"`
	Memory      *memory  `json:"memory,omitempty"`
}

// startup is how long the program takes until it listens.
type startup struct {
	Widgets int           `json:"widgets"`
	Tokens  int           `json:"tokens"`
	Took    time.Duration `json:"took_ns"`
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
)

func (c runCommand) measure(ctx context.Context) (found results, err error) {
	folder, err := os.MkdirTemp("", "widgetd-bench-")
	if err != nil {
		return results{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	progress("building the program")
	program, err := buildProgram(ctx, folder)
	if err != nil {
		return results{}, err
	}
	b := &bench{runCommand: c, folder: folder, program: program}
	defer func() { err = errors.Join(err, b.end()) }()
	b.found = results{Processors: runtime.GOMAXPROCS(0), Go: runtime.Version()}
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
	b.found.Startup = &startup{b.Widgets, b.Tokens, many.started}
	bare, err := b.serveBare(ctx, few)
	if err != nil {
		return err
	}
	batch, closeBatch, err := rawBatch(b.folder, b.Connections)
	if err != nil {
		return err
	}
	b.ends = append(b.ends, closeBatch)
	last := fmt.Sprintf("%s/widgets?page=%d&per_page=10", base, pageWidgets/10)
	for _, of := range []comparison{
		{"get", 0.75, few.get("widgetd", few.process), few.get("Fiber", bare)},
		{"current user", 0.75, few.read("widgetd", few.process, ownUser), few.read("Fiber", bare, ownUser)},
		{"page of ten", 0.50, few.read("widgetd", few.process, firstPage), few.read("Fiber", bare, firstPage)},
		{fmt.Sprintf("get of %d widgets", b.Widgets), 0.90, many.get("widgetd", many.process), few.get("of 1000", few.process)},
		{fmt.Sprintf("last page of %d widgets", pageWidgets), 0.80,
			pages.read("widgetd", pages.process, last), pages.read("first page", pages.process, firstPage)},
		{"log in", 0.95, few.logIn(b.found.Processors).inLongRounds(), rawArgon2id().inLongRounds()},
		{"create", 0.12, few.create(), batch},
		{"log out", 0.12, few.logOut(), batch},
	} {
		if err := b.add(ctx, of); err != nil {
			return err
		}
	}
	b.found.Memory, err = b.readMany(many)
	return err
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
	for _, of := range []comparison{
		{"get", 0, few.get("widgetd", few.process), few.get("Fiber", bare)},
		{"current user", 0, few.read("widgetd", few.process, ownUser), few.read("Fiber", bare, ownUser)},
		{"page of ten", 0, few.read("widgetd", few.process, firstPage), few.read("Fiber", bare, firstPage)},
		{"log in", 0, few.logIn(b.found.Processors).inLongRounds(), rawArgon2id().inLongRounds()},
		{"create", 0, few.create(), insert},
		{"log out", 0, few.logOut(), insert},
	} {
		if err := b.add(ctx, of); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) add(ctx context.Context, of comparison) error {
	found, err := b.compare(ctx, of)
	if err == nil {
		b.found.Comparisons = append(b.found.Comparisons, found)
	}
	return err
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
	return b.serve(ctx, s, widgets, "WIDGETD_DATA="+folder)
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
	p, err := startProgram(ctx, b.program, filepath.Join(logs, "log"), "WIDGETD_SECRET_KEY="+secret, where)
	if err != nil {
		return nil, err
	}
	b.ends = append(b.ends, p.end)
	return &server{p, b.Connections, admin, token[0], widgets}, nil
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
	stop, watched := make(chan struct{}), make(chan error, 1)
	most := memory{Widgets: s.widgets}
	go func() { watched <- s.watch(&most.Anonymous, stop) }()
	var err error
	for _, reads := range []side{s.get("", s.process), s.read("", s.process, firstPage), s.read("", s.process, ownUser)} {
		_, failure := reads.run(b.Reads / 3)
		err = errors.Join(err, failure)
	}
	close(stop)
	err = errors.Join(err, <-watched)
	resident, failure := s.memory("VmHWM")
	most.Resident = resident
	return &most, errors.Join(err, failure)
}

// watch notes the most memory that is not of mapped files, until it is stopped.
func (s *server) watch(most *int64, stop <-chan struct{}) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		now, err := s.memory("RssAnon")
		if err != nil {
			return err
		}
		*most = max(*most, now)
		select {
		case <-stop:
			return nil
		case <-ticker.C:
		}
	}
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
