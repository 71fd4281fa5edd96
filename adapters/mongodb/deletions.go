package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// Servers of version 2 deleted accounts without a mark. They set the cut-off of the account
// to [domain.AccountDeleted]. The first server of version 3 notes this in the field unmarked
// of the document with the running time, with the same write that excludes the earlier ones.
// A server that finds the field marks the deletions, in the background, and removes the
// field. An earlier server may still finish a deletion that it has begun. So the cut-offs
// are read a second time after a while.
const (
	unmarkedField        = "unmarked"
	markingVersion int32 = 3 // the version of servers

	// markingPause is longer than the time that a request takes.
	markingPause = time.Minute
)

// deletions marks the deletions of earlier servers.
type deletions struct {
	blacklist  *tokenBlacklist
	departures departures
	pause      time.Duration // see markingPause
}

// mark marks the deletions, and again after the pause, and removes the field unmarked.
func (d deletions) mark(ctx context.Context) error {
	if err := d.markAll(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, d.pause); err != nil {
		return err
	}
	if err := d.markAll(ctx); err != nil {
		return err
	}
	_, err := d.blacklist.update(ctx, bson.D{byID(runningID), d.blacklist.running.counters.known()},
		bson.D{{Key: "$unset", Value: bson.D{{Key: unmarkedField, Value: ""}}}})
	return err
}

// markAll marks the accounts whose cut-off has the value AccountDeleted.
func (d deletions) markAll(ctx context.Context) error {
	order := deletionOrder()
	for position := ""; ; {
		docs, next, err := d.blacklist.sliceOf(ctx, order, false, position, departedBatch)
		if err != nil {
			return err
		}
		var accounts []domain.UUID
		for _, doc := range docs {
			if cutOff, err := d.blacklist.cutOffs.decode(doc); err == nil {
				accounts = append(accounts, cutOff.Subject)
			}
		}
		if err := d.departures.markEarlier(ctx, accounts); err != nil {
			return err
		}
		if next == "" {
			return nil
		}
		position = next
	}
}

// deletionOrder returns the order of the cut-offs of deleted accounts.
func deletionOrder() order {
	return order{
		index: ascending(retainedFields()...),
		sort:  ascending("expires_at", "_id"),
		parts: []part{{
			tag:    'x',
			equal:  bson.D{{Key: "value", Value: binary(domain.AccountDeleted)}},
			fields: []orderField{{name: "expires_at", kind: "date"}, {name: "_id", kind: "string"}},
		}},
	}
}
