package mongodb_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// fullStub is a stub with a million documents, which builds no index until it is allowed to.
type fullStub struct {
	uri     string
	allowed chan struct{}
	noHint  atomic.Bool // the server refuses every query with a hint

	complete atomic.Bool // the server has every index
}

func startFullStub(t *testing.T) *fullStub {
	s := &fullStub{allowed: make(chan struct{})}
	var created atomic.Int64
	s.uri = "mongodb://" + startStub(t, func(command string) bson.D {
		switch command {
		case "count":
			return bson.D{{Key: "n", Value: int32(1_000_000)}}
		case "createIndexes":
			if created.Add(1) > 7 { // those that Open waits for
				select {
				case <-s.allowed:
				case <-t.Context().Done():
					return nil
				}
			}
		case "listIndexes":
			if !s.complete.Load() {
				return cursor(uniqueIndex("email_key"), uniqueIndex("name"))
			}
		case "find":
			if s.noHint.Load() {
				return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: int32(2)}, {Key: "errmsg", Value: "planner returned error: hint provided does not correspond to an existing index"}}
			}
		}
		return bson.D{}
	})
	return s
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// awaitSlice reads slices until one succeeds.
func awaitSlice(t *testing.T, db *mongodb.DB, query domain.WidgetQuery) {
	t.Helper()
	for late := time.Now().Add(time.Minute); ; {
		_, err := db.Widgets().Slice(t.Context(), query, "", 5)
		if err == nil {
			return
		}
		if !errors.Is(err, domain.Unavailable) || time.Now().After(late) {
			t.Fatalf("Slice: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestStartOnAFullCollectionWaitsForNoIndex opens a store whose new indexes take long. The
// queries that need them are Unavailable until the indexes are there.
func TestStartOnAFullCollectionWaitsForNoIndex(t *testing.T) {
	t.Parallel()
	server, log := startFullStub(t), &lines{}
	db := openWith(t, server.uri, mongodb.Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	due := domain.WidgetQuery{Sort: domain.ByDeadline}
	const reason = "needs an index that is still being built: widgets (deadline, seq, _id)"
	_, err := db.Widgets().Slice(t.Context(), due, "", 5)
	if !errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), reason) {
		t.Errorf("Slice before the index is there returned %v, want Unavailable because it %q", err, reason)
	}
	noError(t, errorOf(db.Widgets().Slice(t.Context(), domain.WidgetQuery{Sort: domain.ByCreation}, "", 5)))
	noError(t, errorOf(db.Widgets().List(t.Context(), sample.Page(1, 5))))
	noError(t, db.Ping(t.Context()))

	server.complete.Store(true)
	close(server.allowed)
	awaitSlice(t, db, due)
	for _, text := range []string{
		"level=WARN msg=\"indexes are missing", "documents=1000000", "widgets (owner.public_id, deadline, seq, _id)",
		"level=INFO msg=\"an index is there\" index=\"widgets (deadline, seq, _id)\"",
	} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("the log has no %q:\n%s", text, log)
		}
	}
}

// TestCloseDoesNotWaitForAnIndex closes a store while an index is being built.
func TestCloseDoesNotWaitForAnIndex(t *testing.T) {
	t.Parallel()
	server := startFullStub(t)
	db, err := mongodb.Open(t.Context(), server.uri, mongodb.Options{})
	noError(t, err)
	noError(t, db.Close())
	if _, err := db.Widgets().Slice(t.Context(), domain.WidgetQuery{Sort: domain.ByDeadline}, "", 5); !errors.Is(err, domain.Unavailable) {
		t.Errorf("Slice after Close: %v", err)
	}
}

// TestQueryWithoutItsIndexIsUnavailable has a server that does not have the index of a
// query, although it has created it: somebody has dropped it.
func TestQueryWithoutItsIndexIsUnavailable(t *testing.T) {
	t.Parallel()
	server := startFullStub(t)
	close(server.allowed)
	db := open(t, server.uri)
	due := domain.WidgetQuery{Sort: domain.ByDeadline}
	awaitSlice(t, db, due)
	server.noHint.Store(true)
	for _, query := range widgetQueries() {
		_, err := db.Widgets().Slice(t.Context(), query, "", 5)
		if !errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), "needs an index") {
			t.Errorf("Slice of %s: %v", query, err)
		}
	}
	server.noHint.Store(false)
	awaitSlice(t, db, due)
}

// TestServersStartAtOnceOnAFullCollection opens two servers of this version on a database
// of an earlier one with many widgets.
func TestServersStartAtOnceOnAFullCollection(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t)
	uri := server.Database(t)
	docs := open(t, uri).Database().Collection("widgets")
	for _, index := range []string{"deadline_1_seq_1__id_1", "owner.public_id_1_seq_1__id_1", "owner.public_id_1_deadline_1_seq_1__id_1"} {
		noError(t, docs.Indexes().DropOne(t.Context(), index))
	}
	for n := range 20 {
		insert(t, docs, widgetDocument(n))
	}
	server.Miscount(t, 1_000_000) // Open waits for the indexes of fewer documents
	for _, db := range openAtOnce(t, uri, 2) {
		awaitSlice(t, db, domain.WidgetQuery{Sort: domain.ByDeadline, Owner: new(sample.User(0).PublicID)})
	}
}
