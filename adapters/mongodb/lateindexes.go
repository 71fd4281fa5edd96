package mongodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// lateIndexes creates the late indexes of the database. On a full collection this may take
// minutes, so it is done in the background. Until an index is there, the lists that need
// it are Unavailable. Everything else works.
//
// Several servers may do so at the same time: MongoDB builds an index once, and each server
// waits for it. MongoDB goes on building when a server stops.
type lateIndexes struct {
	log      *slog.Logger
	database *mongo.Database
	timeout  time.Duration
	tasks    *background

	mu       sync.Mutex
	states   map[string]*indexState // by indexOf.String
	building map[string]bool        // by collection
}

// indexState is what the server knows about an index.
type indexState struct {
	indexOf
	ready    bool
	reported bool  // a line in the log says that the index is missing
	problem  error // of the last attempt to create the index
}

const (
	// buildTimeout limits the creation of a late index.
	buildTimeout = 24 * time.Hour

	// fewDocuments is the number of documents up to which Open waits until the late
	// indexes of a collection are built, at most indexTimeout.
	fewDocuments = 10_000
)

func newLateIndexes(database *mongo.Database, timeout time.Duration, tasks *background, log *slog.Logger) *lateIndexes {
	l := &lateIndexes{
		log: log, database: database, timeout: timeout, tasks: tasks,
		states: map[string]*indexState{}, building: map[string]bool{},
	}
	for _, index := range indexes() {
		if index.late {
			l.states[index.String()] = &indexState{indexOf: index}
		}
	}
	return l
}

// open begins to create the indexes that do not exist, and waits for some of them.
func (l *lateIndexes) open(ctx context.Context) error {
	for _, name := range l.collections() {
		longest, err := l.patience(ctx, name)
		if err != nil {
			return err
		}
		if err := await(ctx, l.build(name), longest); err != nil {
			return err
		}
	}
	return nil
}

// patience returns how long open waits at most for the indexes of a collection. If the
// server lists all of them, this is a short time: another server may be building them. If
// some are missing, open waits for those of a small collection only; patience logs that
// those of another collection are missing.
func (l *lateIndexes) patience(ctx context.Context, name string) (time.Duration, error) {
	docs := collection{l.database.Collection(name), l.timeout, l}
	existing, err := docs.indexes(ctx)
	if err != nil {
		return 0, err
	}
	missing := l.notIn(name, existing)
	if len(missing) == 0 {
		return l.timeout, nil
	}
	count, err := docs.count(ctx)
	if err != nil {
		return 0, err
	}
	if count > fewDocuments {
		l.report(missing, count)
		return 0, nil
	}
	return indexTimeout, nil
}

// report logs that indexes are missing.
func (l *lateIndexes) report(missing []*indexState, documents int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, state := range missing {
		state.reported = true
	}
	l.log.Warn("indexes are missing and are now built; until they are there, the lists that need them are answered with 503",
		"indexes", texts(missing), "documents", documents)
}

// await waits until done is closed, the time has passed or the context ends.
func await(ctx context.Context, done <-chan struct{}, longest time.Duration) error {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
	return nil
}

// require returns Unavailable if an index of the collection is not there yet.
func (l *lateIndexes) require(collection string, fields bson.D) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.states[indexOf{collection: collection, fields: fields}.String()]
	if state == nil || state.ready { // the other indexes are created before Open returns
		return nil
	}
	return state.unavailable()
}

// lost marks an index as missing, because the server has refused a query that names it, and
// begins to create the index. It returns the error for the query.
func (l *lateIndexes) lost(collection string, fields bson.D) error {
	index := indexOf{collection: collection, fields: fields}
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.states[index.String()]
	if state == nil {
		return (&indexState{indexOf: index}).unavailable()
	}
	l.miss(state)
	return state.unavailable()
}

// observe compares the late indexes of a collection with those that the server has, and
// begins to create the ones that do not exist.
func (l *lateIndexes) observe(collection string, existing []bson.Raw) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, state := range l.states {
		if state.collection == collection && state.ready && !contains(existing, state.fields) {
			l.miss(state)
		}
	}
}

// miss begins to create an index. The caller holds the lock.
func (l *lateIndexes) miss(state *indexState) {
	if state.ready {
		l.log.Warn("an index was dropped and is now built again", "index", state.String())
		state.ready, state.reported = false, true
	}
	if !l.building[state.collection] {
		l.start(state.collection)
	}
}

// build creates the late indexes of a collection in the background. It returns a channel
// that is closed after the first attempt.
func (l *lateIndexes) build(collection string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start(collection)
}

// start is build for a caller that holds the lock.
func (l *lateIndexes) start(collection string) <-chan struct{} {
	l.building[collection] = true
	tried := make(chan struct{})
	once := sync.OnceFunc(func() { close(tried) })
	l.tasks.repeat(func(ctx context.Context) (done bool) {
		defer once()
		return l.try(ctx, collection)
	})
	return tried
}

// try creates the late indexes of a collection, one after the other. It reports whether all
// of them are there.
func (l *lateIndexes) try(ctx context.Context, collection string) (done bool) {
	for _, state := range l.missing(collection) {
		started := time.Now()
		err := l.create(ctx, state.indexOf)
		if ctx.Err() != nil {
			return true
		}
		l.note(state, err, time.Since(started))
		if err != nil {
			return false
		}
	}
	return l.finish(collection)
}

func (l *lateIndexes) create(ctx context.Context, index indexOf) error {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	_, err := l.database.Collection(index.collection).Indexes().CreateOne(ctx, index.model())
	return err
}

// note logs the result of an attempt to create an index: a failure once, and a success if
// the log says that the index is missing.
func (l *lateIndexes) note(state *indexState, err error, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && state.problem == nil:
		l.log.Warn("an index cannot be created; the server tries it again", "index", state.String(), "error", oneLine{err})
	case err == nil && state.reported:
		l.log.Info("an index is there", "index", state.String(), "took", took.Round(time.Millisecond).String())
	}
	state.ready, state.problem = err == nil, err
	state.reported = state.reported && err != nil
}

// finish ends the work on a collection, unless an index of the collection was dropped
// meanwhile.
func (l *lateIndexes) finish(collection string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, state := range l.states {
		if state.collection == collection && !state.ready {
			return false
		}
	}
	l.building[collection] = false
	return true
}

// missing returns the indexes of a collection that are not there.
func (l *lateIndexes) missing(collection string) (missing []*indexState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, index := range indexes() {
		if state := l.states[index.String()]; state != nil && state.collection == collection && !state.ready {
			missing = append(missing, state)
		}
	}
	return missing
}

// notIn returns the late indexes of a collection that are not among the existing ones.
func (l *lateIndexes) notIn(collection string, existing []bson.Raw) (missing []*indexState) {
	for _, state := range l.missing(collection) {
		if !contains(existing, state.fields) {
			missing = append(missing, state)
		}
	}
	return missing
}

// collections returns the collections that have late indexes.
func (l *lateIndexes) collections() (names []string) {
	for _, index := range indexes() {
		if index.late && (len(names) == 0 || names[len(names)-1] != index.collection) {
			names = append(names, index.collection)
		}
	}
	return names
}

// unavailable returns the error for a query that needs the index.
func (s *indexState) unavailable() error {
	cause := fmt.Errorf("%w: %s", errNotBuilt, s)
	if s.problem != nil {
		cause = fmt.Errorf("%w; it cannot be created: %w", cause, oneLine{s.problem})
	}
	return unavailable(cause)
}

// errNotBuilt is a cause of the errors for an index that is not there.
var errNotBuilt = errors.New("mongodb: the list needs an index that is still being built")

// contains reports whether one of the indexes is ascending and has exactly the fields.
func contains(existing []bson.Raw, fields bson.D) bool {
	return slices.ContainsFunc(existing, func(index bson.Raw) bool {
		key, _ := index.Lookup("key").DocumentOK()
		elements, _ := key.Elements()
		return slices.EqualFunc(elements, fields, func(element bson.RawElement, field bson.E) bool {
			direction, ok := element.Value().AsInt64OK()
			return ok && direction == 1 && element.Key() == field.Key
		})
	})
}

func texts(indexes []*indexState) string {
	names := make([]string, len(indexes))
	for i, index := range indexes {
		names[i] = index.String()
	}
	return strings.Join(names, ", ")
}
