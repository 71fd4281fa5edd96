package mongodb

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

const (
	// runningID is the _id of the blacklist's document with the running time. Its
	// field "milliseconds" is the counter. Its field "blacklist_id" is a random UUID
	// that the first Open of the database chose. In version 1 of the document the name
	// of this field is "store_id", and there is no field "least_version": see
	// [serverVersions]. For the field "unmarked" see deletions.
	runningID = "running"

	// maxStep is the maximum by which one server moves the counter at once.
	maxStep = 2 * time.Minute

	// margin is added to the end of each token's lifetime. See "Running time" in the
	// comment of the package.
	margin = maxStep + 2*operationTimeout
)

// errLost is the cause of Unavailable errors when the blacklist is not the one that
// Open found.
var errLost = errors.New("the collection blacklist is not the one that this server opened: it was dropped, or replaced by another; " +
	"restore it, or restart the servers to begin a new one, after which tokens that were logged out before are accepted until they expire")

// runningTime is the counter of the running time and the proof that the collection
// was not dropped. It is safe for concurrent use.
type runningTime struct {
	collection
	counters schema[counter]
	process  func() time.Duration // running time of this process
	server   serverVersions
	id       domain.UUID // of the blacklist; set by open
	unmarked bool        // found by open; see deletions
	excluded atomic.Bool // a later server has excluded this one

	mu   sync.Mutex
	last counter       // in the database, at the last sync
	at   time.Duration // running time of this process when the answer arrived
}

// counter is the content of the document.
type counter struct {
	id       domain.UUID
	running  time.Duration
	least    int32 // see serverVersions
	unmarked bool  // see deletions
}

func counterSchema() schema[counter] {
	return schema[counter]{blacklist, []func(*document) counter{
		decodeOldCounter,
		decodeCounter,
		decodeCounter, // version 3 added the optional field unmarked
	}}
}

func newRunningTime(c collection, clock ports.Clock, server serverVersions) *runningTime {
	r := &runningTime{collection: c, counters: counterSchema(), server: server}
	start := time.Now()
	r.process = func() time.Duration { return time.Since(start) }
	if clock != nil {
		r.process = clock.Running
	}
	return r
}

// open reads the document, or inserts it into a new database. It excludes the servers of
// versions that must not run beside this one. It returns an error if this server is
// excluded.
func (r *runningTime) open(ctx context.Context) error {
	for range 3 { // others may open the database at the same time
		found, err := r.readOrInsert(ctx)
		switch {
		case err != nil:
			return err
		case found.least > r.server.own:
			return r.server.exclusion(found.least)
		case found.least >= r.server.least:
			r.id, r.unmarked, r.last, r.at = found.id, found.unmarked, found, r.process()
			return nil
		}
		if err := r.raise(ctx, found); err != nil {
			return err
		}
	}
	return unavailable(errors.New("mongodb: other servers changed the document " + runningID + " of the collection blacklist at the same time"))
}

func (r *runningTime) readOrInsert(ctx context.Context) (counter, error) {
	insert := bson.D{{Key: "$setOnInsert", Value: bson.D{
		r.counters.version(),
		{Key: "blacklist_id", Value: binary(domain.UUID(uuid.New()))},
		{Key: "least_version", Value: r.server.least},
		{Key: "milliseconds", Value: int64(0)},
	}}}
	raw, err := r.modify(ctx, bson.D{byID(runningID)}, insert, true)
	if errors.Is(err, domain.AlreadyExists) { // another server inserted it at the same time
		raw, err = r.modify(ctx, bson.D{byID(runningID)}, insert, true)
	}
	if err != nil {
		return counter{}, err
	}
	return r.counters.decode(raw)
}

// raise changes the least version of the servers that may run. It gives the document the
// latest version.
func (r *runningTime) raise(ctx context.Context, found counter) error {
	id := bson.E{Key: "blacklist_id", Value: binary(found.id)}
	condition := id
	if found.least == 0 {
		condition.Key = "store_id"
	}
	set := bson.D{r.counters.version(), id}
	if found.least < markingVersion {
		set = append(set, bson.E{Key: unmarkedField, Value: true})
	}
	_, err := r.update(ctx, bson.D{byID(runningID), condition, r.counters.known()}, bson.D{
		{Key: "$set", Value: set},
		{Key: "$unset", Value: bson.D{{Key: "store_id", Value: ""}}},
		{Key: "$max", Value: bson.D{{Key: "least_version", Value: r.server.least}}},
	})
	return err
}

// sync moves the counter on and returns it. It is one round trip. If no document matches,
// sync makes a second one to find out the reason.
func (r *runningTime) sync(ctx context.Context) (time.Duration, error) {
	mine, _ := r.estimate()
	raw, err := r.modify(ctx, bson.D{
		byID(runningID),
		{Key: "blacklist_id", Value: binary(r.id)},
		{Key: "least_version", Value: bson.D{{Key: "$lte", Value: r.server.own}}},
		{Key: "milliseconds", Value: ofType("long")},
		r.counters.known(),
	}, bson.D{{Key: "$max", Value: bson.D{{Key: "milliseconds", Value: mine.Milliseconds()}}}}, false)
	if errors.Is(err, domain.NotFound) {
		return 0, cmp.Or(r.check(ctx), unavailable(errLost))
	}
	if err != nil {
		return 0, err
	}
	found, err := r.counters.decode(raw)
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if found.running >= r.last.running { // else the answer to a later sync was faster
		r.last, r.at = found, r.process()
	}
	return r.last.running, nil
}

// estimate returns the running time that this server knows of: the counter at the
// last sync and the time since, at most maxStep. It reports whether it left out no
// time.
func (r *runningTime) estimate() (running time.Duration, complete bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.process() - r.at
	return r.last.running + min(since, maxStep), since <= maxStep
}

// logOutTime returns the running time that the lifetime of a token counts from that
// is logged out now. It makes a round trip if the last sync is too long ago.
func (r *runningTime) logOutTime(ctx context.Context) (time.Duration, error) {
	running, complete := r.estimate()
	if !complete {
		var err error
		if running, err = r.sync(ctx); err != nil {
			return 0, err
		}
	}
	return running + margin, nil
}

// check returns Unavailable if the collection is not the one that was opened, or if this
// server is excluded.
func (r *runningTime) check(ctx context.Context) error {
	doc, err := r.one(ctx, byID(runningID))
	if errors.Is(err, domain.NotFound) {
		return unavailable(errLost)
	}
	if err != nil {
		return err
	}
	return r.prove(doc)
}

// prove returns nil if the document with the running time proves that the collection is
// the one that was opened, and that this server is not excluded. Otherwise it returns
// Unavailable.
func (r *runningTime) prove(raw bson.Raw) error {
	found, err := r.counters.decode(raw)
	excluded := found.least > r.server.own || r.counters.isLater(raw)
	if r.excluded.Load() != excluded {
		r.excluded.Store(excluded)
	}
	switch {
	case err != nil:
		return unavailable(err)
	case excluded:
		return unavailable(r.server.exclusion(found.least))
	case found.id != r.id || found.least < r.server.least: // the latter after a restoration
		return unavailable(errLost)
	}
	return nil
}

// admit returns Unavailable if the last proof showed that this server is excluded.
func (r *runningTime) admit() error {
	if r.excluded.Load() {
		return unavailable(errExcluded)
	}
	return nil
}

func isRunningDocument(doc bson.Raw) bool {
	id, ok := doc.Lookup("_id").StringValueOK()
	return ok && id == runningID
}

func decodeOldCounter(doc *document) counter {
	return counter{id: doc.uuid("store_id"), running: doc.milliseconds("milliseconds")}
}

func decodeCounter(doc *document) counter {
	return counter{doc.uuid("blacklist_id"), doc.milliseconds("milliseconds"), doc.int32("least_version"), doc.has(unmarkedField)}
}
