package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/adapters/mongodb/mongotest"
	"github.com/widgetd/widgetd/domain"
)

const operationTimeout = 3 * time.Second

// TestOutage kills the server, twice, and brings it back: what it acknowledged
// is there, and nobody has to open the store again.
func TestOutage(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t)
	db, ctx := open(t, server.Database(t)), t.Context()
	noError(t, db.Users.Add(ctx, user(0)))
	for round := range 2 {
		noError(t, db.Blacklist.Add(ctx, token(round, 0)))
		server.Kill(t)
		wantUnavailable(t, db, operationTimeout)
		server.Restart(t)
		for n := range round + 1 {
			found, err := db.Blacklist.Contains(ctx, token(n, 0))
			noError(t, err)
			equal(t, "a token added before the crash is blacklisted", found, true)
		}
		got, err := db.Users.ByEmail(ctx, user(0).Email)
		noError(t, err)
		equal(t, "the user", got, user(0))
	}
}

// TestCrashUnderLoad kills the server amid writers. What they were told is
// written must be there; what was unavailable may be, but not half of it.
func TestCrashUnderLoad(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t)
	db := open(t, server.Database(t))
	const writers = 8
	written := make([][]int, writers)
	var acknowledged atomic.Int64
	enough := make(chan struct{})
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			for n := 1000 * i; ; n++ {
				switch err := db.Widgets.Add(t.Context(), widget(n)); {
				case errors.Is(err, domain.Unavailable):
					return
				case err != nil:
					t.Errorf("Add during the crash: %v", err)
					return
				}
				written[i] = append(written[i], n)
				if acknowledged.Add(1) == 100 {
					close(enough)
				}
			}
		})
	}
	<-enough
	server.Kill(t)
	writing.Wait()
	server.Restart(t)

	total := 0
	for i, numbers := range written {
		total += len(numbers)
		for _, n := range numbers {
			got, err := db.Widgets.ByName(t.Context(), widget(n).Name)
			noError(t, err)
			equal(t, "the widget", got, widget(n))
		}
		// The write that was cut off may be there as well.
		switch _, err := db.Widgets.ByName(t.Context(), widget(1000*i+len(numbers)).Name); {
		case err == nil:
			total++
		case !errors.Is(err, domain.NotFound):
			t.Error(err)
		}
	}
	equal(t, "the count", list(t, db, 1, 5).TotalItems, total)
}

// TestSilence has a server that takes commands and answers none.
func TestSilence(t *testing.T) {
	t.Parallel()
	var silent atomic.Bool
	address := startStub(t, func(string) bson.D {
		if silent.Load() {
			return nil
		}
		return bson.D{}
	})
	uri := "mongodb://" + address
	db := open(t, uri)
	impatient := open(t, uri+"/?timeoutMS=1000")
	silent.Store(true)
	defer silent.Store(false)
	wantUnavailable(t, impatient, time.Second)

	// A deadline of the caller's that is later does not put ours off.
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	start := time.Now()
	for method, err := range everyMethod(ctx, db) {
		if !errors.Is(err, domain.Unavailable) {
			t.Errorf("%s: %v, want unavailable", method, err)
		}
	}
	if took := time.Since(start); took > operationTimeout+time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestCloseMakesEverythingUnavailable(t *testing.T) {
	t.Parallel()
	db := open(t, mongotest.URI(t))
	noError(t, db.Close())
	noError(t, db.Close())
	wantUnavailable(t, db, 0)
}

func TestEndedContextSendsNothing(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, "mongodb://"+startStub(t, func(string) bson.D { return bson.D{} }))
	sent.take()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for method, err := range everyMethod(ctx, db) {
		if !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want unavailable because of the context", method, err)
		}
	}
	equal(t, "commands", len(sent.take()), 0)
}

// TestServersErrors tells which of a server's errors may pass. What of them is
// about a write leaves open whether it was done.
func TestServersErrors(t *testing.T) {
	t.Parallel()
	refusal := func(code int32) bson.D {
		return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: code}, {Key: "errmsg", Value: "because"}}
	}
	unconcerned := bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: int32(64)}, {Key: "errmsg", Value: "waiting for replication timed out"}}}
	duplicate := bson.E{Key: "writeErrors", Value: bson.A{bson.D{
		{Key: "index", Value: int32(0)}, {Key: "code", Value: int32(11000)},
		{Key: "errmsg", Value: `E11000 duplicate key error, dup key: { email_key: "ada@example.com" }`},
	}}}
	const fault = domain.Kind("none")
	for name, test := range map[string]struct {
		answer bson.D
		reads  domain.Kind
		writes domain.Kind
	}{
		"not writable primary":   {refusal(10107), domain.Unavailable, domain.Unavailable},
		"not primary":            {refusal(13435), domain.Unavailable, domain.Unavailable},
		"recovering":             {refusal(13436), domain.Unavailable, domain.Unavailable},
		"stepped down":           {refusal(189), domain.Unavailable, domain.Unavailable},
		"shutting down":          {refusal(91), domain.Unavailable, domain.Unavailable},
		"interrupted":            {refusal(11601), domain.Unavailable, domain.Unavailable},
		"out of time":            {refusal(50), domain.Unavailable, domain.Unavailable},
		"no longer our password": {refusal(18), fault, fault},
		"no access":              {refusal(13), fault, fault},
		"disk full":              {refusal(14031), domain.Unavailable, domain.Unavailable},
		"internal error":         {refusal(1), domain.Unavailable, domain.Unavailable},
		"refused by Atlas":       {refusal(8000), fault, fault},
		"bad value":              {refusal(2), fault, fault},
		"no majority":            {bson.D{unconcerned}, "", domain.Unavailable},
		"duplicate":              {bson.D{duplicate}, "", domain.AlreadyExists},
		"duplicate, no majority": {bson.D{duplicate, unconcerned}, "", domain.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opened atomic.Bool
			address := startStub(t, func(command string) bson.D {
				reads := command == "find" || command == "count"
				writes := command == "insert" || command == "update" || command == "delete"
				if opened.Load() && (writes || reads && test.reads != "") {
					return test.answer
				}
				return bson.D{}
			})
			db := open(t, "mongodb://"+address+"/?timeoutMS=1000")
			opened.Store(true)
			errs := everyMethod(t.Context(), db)
			for _, method := range []string{"Users.ByEmail", "Users.HasAdmin", "Widgets.List", "Blacklist.Contains"} {
				if test.reads != "" {
					wantKind(t, method, errs[method], test.reads)
				}
			}
			for _, method := range []string{"Users.Add", "Widgets.Add"} {
				wantKind(t, method, errs[method], test.writes)
			}
			for method, err := range errs {
				if err != nil && strings.Contains(err.Error(), "ada@example.com") {
					t.Errorf("%s: %q tells of an email", method, err)
				}
			}
		})
	}
}

// wantKind wants an error of that kind, or of none that the domain knows.
func wantKind(t *testing.T, method string, err error, kind domain.Kind) {
	t.Helper()
	if err == nil {
		t.Errorf("%s succeeded", method)
	}
	for _, k := range []domain.Kind{domain.Unavailable, domain.AlreadyExists, domain.NotFound} {
		if errors.Is(err, k) != (k == kind) {
			t.Errorf("%s: %v, want the kind %q", method, err, kind)
		}
	}
}

// TestTotal wants the count never to contradict the items it comes with.
func TestTotal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		page         string // of five
		items, count int
		want         int
	}{
		{"1", 0, 0, 0}, {"1", 0, 3, 0}, {"1", 3, 3, 3}, {"1", 3, 0, 3}, {"1", 3, 9, 3},
		{"1", 5, 5, 5}, {"1", 5, 4, 5}, {"1", 5, 9, 9},
		{"3", 0, 7, 7}, {"3", 0, 12, 10}, {"3", 2, 7, 12}, {"3", 5, 7, 15}, {"3", 5, 100, 100},
	} {
		got := mongodb.Total(must(domain.ParsePageRequest(test.page, "5")), test.items, test.count)
		equal(t, fmt.Sprintf("the total of %+v", test), got, test.want)
	}
}
