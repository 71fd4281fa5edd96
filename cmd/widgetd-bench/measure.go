package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	pageWidgets = 20_000    // 2,000 pages
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

// serveOpponent starts an opponent. It returns an error unless the opponent answers each
// path as the server does.
func (b *benchmark) serveOpponent(ctx context.Context, name string, configuration opponent, s *server, paths ...string) (*process, error) {
	p, err := startOpponent(ctx, name, configuration)
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, p.end)
	for _, path := range paths {
		if err := s.compareAnswers(p, path); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return p, nil
}

// serveBare starts a bare Fiber server with the responses of the given server.
func (b *benchmark) serveBare(ctx context.Context, s *server) (*process, error) {
	routes, err := s.answers()
	if err != nil {
		return nil, err
	}
	return b.serveOpponent(ctx, "fiber", &bareServer{routes}, s, slices.Collect(maps.Values(paths()))...)
}

// serveRaw starts a fasthttp server with the response of the given server to a get.
func (b *benchmark) serveRaw(ctx context.Context, s *server) (*process, error) {
	path := paths()[getRoute]
	answer, err := s.answer(s.process, path)
	if err != nil {
		return nil, err
	}
	return b.serveOpponent(ctx, "fasthttp", &rawServer{answer}, s, path)
}

// serveUsual starts the usual service with the widgets of the given server and as many
// logged-out tokens.
func (b *benchmark) serveUsual(ctx context.Context, s *server) (*process, error) {
	configuration := &usualService{Store: filepath.Join(b.folder, "usual.db"), Log: filepath.Join(b.folder, "usual.log"), Secret: secret}
	widgets, err := s.usualWidgets()
	if err != nil {
		return nil, err
	}
	if err := writeUsualStore(configuration.Store, widgets, b.Tokens); err != nil {
		return nil, err
	}
	p, err := b.serveOpponent(ctx, "usual", configuration, s, paths()[getRoute])
	if err == nil {
		p.log = configuration.Log
	}
	return p, err
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
