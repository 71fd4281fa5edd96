package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// OpenMonitored is [Open] with a monitor for the commands that the driver sends.
func OpenMonitored(ctx context.Context, uri string, options Options, monitor *event.CommandMonitor) (*DB, error) {
	return open(ctx, uri, options, thisVersion(), monitor)
}

// OpenVersion is [Open] for a server of another version: see serverVersions.
func OpenVersion(ctx context.Context, uri string, own, least int32) (*DB, error) {
	return open(ctx, uri, Options{}, serverVersions{own, least}, nil)
}

// Total is the function total.
var Total = total

// FoldedLetters is the constant foldedLetters.
const FoldedLetters = foldedLetters

// Database returns the driver's database.
func (db *DB) Database() *mongo.Database { return db.users.docs.Database() }

// The versions of new documents.
var (
	UserVersion      = userSchema().latest()
	WidgetVersion    = widgetSchema().latest()
	TokenVersion     = tokenSchema().latest()
	WatermarkVersion = watermarkSchema().latest()
	CounterVersion   = counterSchema().latest()
	CutOffVersion    = cutOffSchema().latest()
)

// MarkDeletions marks the deletions of earlier servers, as Open does in the background,
// with another pause.
func MarkDeletions(ctx context.Context, db *DB, pause time.Duration) error {
	return deletions{db.blacklist, db.users.departures, pause}.mark(ctx)
}

// The limits of the counters of attempts.
const (
	LongestWindow = longestWindow
	LostAfter     = lostAfter
	MaxWaiting    = maxWaiting
)

// AwaitEnds waits until the ends of attempts are written.
func (db *DB) AwaitEnds() { db.attempts.ends.tasks.Wait() }

// Sweep deletes counters of attempts as a server does every minute, with another maximum.
func (db *DB) Sweep(ctx context.Context, maximum int) error { return db.attempts.sweep(ctx, maximum) }
