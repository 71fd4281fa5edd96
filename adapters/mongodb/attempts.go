package mongodb

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

const (
	// longestWindow is the maximum length of a window. The server deletes a counter this long
	// after its latest attempt, if it can: see indexes.
	longestWindow = time.Hour

	// maxCounters is the maximum number of counters that a sweep leaves.
	maxCounters = 1_000_000

	// sweepPause is the time before each sweep. A server sweeps every minute.
	sweepPause = time.Minute - retryPause

	// lostAfter is longer than a request takes. An attempt that is in progress for a longer
	// time is that of a server that has crashed.
	lostAfter = 10 * time.Second

	// maxWaiting is the number of calls of Begin for one key that may wait until attempts have
	// ended. pollPause is the time after which such a call asks the database again: another
	// server may have ended an attempt.
	maxWaiting = 64
	pollPause  = 50 * time.Millisecond
)

// The fields of a counter: see attemptCounter.
const (
	windowField  = "window"
	countedField = "counted"
	activeField  = "active"
	latestField  = "latest"
	begunField   = "begun"
)

// attemptLimiter implements [ports.AttemptLimiter]. The collection has a document, a counter,
// for each key with attempts. Its _id is a keyed hash of the key, so that the collection has
// neither emails nor addresses.
//
// Begin adds an attempt to the counter, by a write that the database refuses if the maximum
// is reached. The counter counts the attempt until its end takes it away again. So an attempt
// whose server crashes counts as an event. The end of an attempt is written in the
// background: until then, the attempt is in progress for every server.
//
// Every time is one of the primary's clock. A window ends when this clock has passed its
// length. If the clock is set back, the window begins again at the next refusal.
type attemptLimiter struct {
	collection
	counters schema[attemptCounter]
	hashKey  domain.CursorKey // set by open
	ends     *background      // ends of attempts that are being written
	log      *slog.Logger

	mu      sync.Mutex
	waiting map[string]*waitingCalls // by the _id of the counter
}

// attemptCounter is the content of a counter.
type attemptCounter struct {
	id      bson.Binary
	window  domain.UUID // random, different for each window
	counted int64       // events and attempts in progress of the window
	active  int64       // attempts in progress
	latest  time.Time   // the beginning of the latest attempt
	begun   time.Time   // the beginning of the window; zero until an attempt has ended
}

func newAttemptLimiter(c collection, log *slog.Logger) *attemptLimiter {
	return &attemptLimiter{
		collection: c, counters: attemptSchema(), ends: newBackground(), log: log, waiting: map[string]*waitingCalls{},
	}
}

func attemptSchema() schema[attemptCounter] {
	return schema[attemptCounter]{attempts, []func(*document) attemptCounter{decodeAttemptCounter}}
}

func decodeAttemptCounter(doc *document) attemptCounter {
	c := attemptCounter{
		id:      field(doc, "binary data", binaryOK, "_id"),
		window:  doc.uuid(windowField),
		counted: doc.int64(countedField),
		active:  doc.int64(activeField),
		latest:  doc.time(latestField),
	}
	if doc.has(begunField) {
		c.begun = doc.time(begunField)
	}
	return c
}

func binaryOK(value bson.RawValue) (bson.Binary, bool) {
	subtype, data, ok := value.BinaryOK()
	return bson.Binary{Subtype: subtype, Data: data}, ok
}

// start returns the time from which the window is measured.
func (c attemptCounter) start() time.Time {
	if c.begun.IsZero() {
		return c.latest
	}
	return c.begun
}

// isEnded reports whether the window has ended.
func (c attemptCounter) isEnded(now time.Time, window time.Duration) bool {
	return now.Sub(c.start()) >= window
}

// isBusy reports whether attempts are in progress, of a server that has not crashed.
func (c attemptCounter) isBusy(now time.Time) bool {
	return c.active > 0 && now.Sub(c.latest).Abs() < lostAfter
}

// open sets the key of the hashes, and begins to sweep among the tasks.
func (l *attemptLimiter) open(key domain.CursorKey, tasks *background) {
	l.hashKey = key
	tasks.repeat(func(ctx context.Context) (done bool) {
		if sleep(ctx, sweepPause) != nil {
			return true
		}
		if err := l.sweep(ctx, maxCounters); err != nil && ctx.Err() == nil {
			l.log.Warn("counters of attempts cannot be deleted; the server tries it again", "error", oneLine{err})
		}
		return false
	})
}

// id returns the _id of the counter of a key.
func (l *attemptLimiter) id(limit domain.AttemptLimit, key string) bson.Binary {
	mac := hmac.New(sha256.New, l.hashKey[:])
	mac.Write([]byte(limit.Name + "\x00" + key))
	return bson.Binary{Data: mac.Sum(nil)}
}

// Begin implements [ports.AttemptLimiter]. It makes one round trip for a key without events
// and for one that has not reached the maximum, and a second one if a window has ended. For a
// key that has reached the maximum it makes two round trips, the second of two commands at the
// same time. While Begin waits it repeats them. The end makes one or two round trips, which
// the caller does not wait for.
func (l *attemptLimiter) Begin(ctx context.Context, limit domain.AttemptLimit, key string) (end func(isEvent bool), err error) {
	id := l.id(limit, key)
	counter, err := l.tryBegin(ctx, limit, id)
	if errors.Is(err, errBusy) {
		counter, err = l.await(ctx, limit, id)
	}
	if err != nil {
		return nil, err
	}
	return func(isEvent bool) {
		l.ends.repeat(func(context.Context) (done bool) {
			l.end(counter, isEvent)
			return true
		})
	}, nil
}

// errBusy is the error of tryBegin if only attempts in progress are in the way, or if others
// begin and end all the time.
var errBusy = errors.New("mongodb: the attempts in progress reach the limit")

// tryBegin is Begin without waiting. It returns the counter with the attempt, or errBusy.
func (l *attemptLimiter) tryBegin(ctx context.Context, limit domain.AttemptLimit, id bson.Binary) (attemptCounter, error) {
	for range 5 { // other calls may change the counter at the same time
		c, err := l.add(ctx, limit, id)
		added := err == nil
		now := c.latest
		if errors.Is(err, domain.AlreadyExists) {
			c, now, err = l.read(ctx, id)
		}
		if errors.Is(err, domain.NotFound) {
			continue
		}
		if err != nil {
			return attemptCounter{}, err
		}
		switch {
		case c.isEnded(now, limit.Window):
			c, err = l.renew(ctx, c)
			if !errors.Is(err, domain.NotFound) {
				return c, err
			}
		case added:
			return c, nil
		case c.counted < int64(limit.Max): // an attempt was taken away meanwhile
		case c.isBusy(now):
			return attemptCounter{}, errBusy
		default:
			return attemptCounter{}, l.refuse(ctx, c, now, limit.Window)
		}
	}
	return attemptCounter{}, errBusy
}

// add adds an attempt to a counter, which it inserts if there is none. It returns
// AlreadyExists if the maximum is reached, or if another call inserts the counter at the same
// time.
func (l *attemptLimiter) add(ctx context.Context, limit domain.AttemptLimit, id bson.Binary) (attemptCounter, error) {
	conditions := bson.A{ // in $and, because FerretDB inserts other conditions as fields
		bson.D{versions(1, l.counters.latest())},
		bson.D{{Key: windowField, Value: ofType("binData")}},
		bson.D{{Key: countedField, Value: ofType("long")}},
		bson.D{{Key: countedField, Value: bson.D{{Key: "$lt", Value: int64(limit.Max)}}}},
		bson.D{{Key: activeField, Value: ofType("long")}},
	}
	raw, err := l.modify(ctx, bson.D{byID(id), {Key: "$and", Value: conditions}}, bson.D{
		{Key: "$setOnInsert", Value: bson.D{l.counters.version(), {Key: windowField, Value: newWindow()}}},
		{Key: "$inc", Value: bson.D{{Key: countedField, Value: int64(1)}, {Key: activeField, Value: int64(1)}}},
		currentDate(latestField),
	}, true)
	if err != nil {
		return attemptCounter{}, err
	}
	return l.counters.decode(raw)
}

// read returns a counter and the time.
func (l *attemptLimiter) read(ctx context.Context, id bson.Binary) (c attemptCounter, now time.Time, err error) {
	var raw bson.Raw
	err = checkTogether(ctx, func(ctx context.Context) (err error) {
		raw, err = l.one(ctx, byID(id))
		return err
	}, func(ctx context.Context) (err error) {
		now, err = l.serverTime(ctx)
		return err
	})
	if err == nil {
		c, err = l.counters.decode(raw)
	}
	return c, now, err
}

// renew begins another window with one attempt in progress. It returns NotFound if another
// call has done so.
func (l *attemptLimiter) renew(ctx context.Context, c attemptCounter) (attemptCounter, error) {
	raw, err := l.modify(ctx, c.filter(), bson.D{
		{Key: "$set", Value: bson.D{
			{Key: windowField, Value: newWindow()},
			{Key: countedField, Value: int64(1)},
			{Key: activeField, Value: int64(1)},
		}},
		{Key: "$unset", Value: bson.D{{Key: begunField, Value: ""}}},
		currentDate(latestField),
	}, false)
	if err != nil {
		return attemptCounter{}, err
	}
	return l.counters.decode(raw)
}

// filter matches the counter in the same window.
func (c attemptCounter) filter() bson.D {
	return bson.D{byID(c.id), {Key: windowField, Value: binary(c.window)}}
}

// refuse returns the error for a counter that has reached the maximum. If the clock was set
// back, the window begins now.
func (l *attemptLimiter) refuse(ctx context.Context, c attemptCounter, now time.Time, window time.Duration) error {
	start := c.start()
	if start.After(now) {
		start = now
		if _, err := l.update(ctx, c.filter(), bson.D{{Key: "$min", Value: bson.D{{Key: begunField, Value: now}}}}); err != nil {
			return err
		}
	}
	return &domain.LimitReachedError{RetryAfter: window - now.Sub(start)}
}

// end writes the end of an attempt, and wakes a call that waits for it. It takes at most as
// long as one round trip may take.
func (l *attemptLimiter) end(c attemptCounter, isEvent bool) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	if err := l.finish(ctx, c, isEvent); err != nil {
		l.log.Warn("the end of an attempt cannot be written; the attempt counts until its window ends", "error", oneLine{err})
	}
	l.wake(c.id)
}

// finish writes the end of an attempt. It removes a counter that counts nothing else. It
// changes nothing if another window has begun.
func (l *attemptLimiter) finish(ctx context.Context, c attemptCounter, isEvent bool) error {
	change := bson.D{{Key: activeField, Value: int64(-1)}}
	if !isEvent {
		removed, err := l.remove(ctx, append(c.filter(), bson.E{Key: countedField, Value: int64(1)}))
		if removed || err != nil {
			return err
		}
		change = append(change, bson.E{Key: countedField, Value: int64(-1)})
	}
	_, err := l.update(ctx, c.filter(), bson.D{
		{Key: "$inc", Value: change},
		{Key: "$min", Value: bson.D{{Key: begunField, Value: c.latest}}},
	})
	return err
}

// sweep deletes the counters whose window has ended, and the oldest ones if there are more
// than the maximum.
func (l *attemptLimiter) sweep(ctx context.Context, maximum int) error {
	now, err := l.serverTime(ctx)
	if err != nil {
		return err
	}
	ended := bson.D{{Key: latestField, Value: bson.D{{Key: "$lte", Value: now.Add(-longestWindow)}}}}
	for found := purgeBatch; found == purgeBatch; {
		if found, _, err = l.deleteBatch(ctx, ended, nil, purgeBatch); err != nil {
			return err
		}
	}
	count, err := l.count(ctx)
	for excess := count - maximum; err == nil && excess > 0; excess -= purgeBatch {
		_, _, err = l.deleteBatch(ctx, bson.D{}, ascending(latestField), min(excess, purgeBatch))
	}
	return err
}

func newWindow() bson.Binary { return binary(domain.UUID(uuid.New())) }

// currentDate returns the update that sets a field to the time of the primary's clock.
func currentDate(field string) bson.E {
	return bson.E{Key: "$currentDate", Value: bson.D{{Key: field, Value: true}}}
}
