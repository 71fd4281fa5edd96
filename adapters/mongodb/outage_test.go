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

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

const operationTimeout = 3 * time.Second

// TestStoreWorksAgainAfterAnOutage kills the server and restarts it, twice. The
// store is opened only once. Every acknowledged write is there after each restart.
func TestStoreWorksAgainAfterAnOutage(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t)
	server.Chaos(t)
	db, ctx := open(t, server.Database(t)), t.Context()
	noError(t, db.Users().Add(ctx, sample.User(0)))
	for round := range 2 {
		noError(t, db.Blacklist().Add(ctx, sample.Token(round, 0)))
		noError(t, db.Blacklist().EndTokens(ctx, cutOff(round)))
		noError(t, db.Users().Add(ctx, sample.User(10+round)))
		noError(t, db.Users().Update(ctx, sample.User(10+round), disabled(sample.User(10+round))))
		noError(t, db.Users().Add(ctx, sample.User(20+round)))
		noError(t, db.Users().Delete(ctx, sample.User(20+round)))
		server.Kill(t)
		wantUnavailable(ctx, t, db, operationTimeout)
		server.Restart(t)
		for n := range round + 1 {
			found, err := isLoggedOut(ctx, db, sample.Token(n, 0))
			noError(t, err)
			equal(t, "a token added before the crash is blacklisted", found, true)
			equal(t, "a cut-off set before the crash", sample.Must(db.Blacklist().CutOff(ctx, sample.ID(n))), cutOff(n).Value)
			user, err := db.Users().ByPublicID(ctx, sample.ID(10+n))
			noError(t, err)
			equal(t, "an account disabled before the crash", user, disabled(sample.User(10+n)))
			if _, err := db.Users().ByPublicID(ctx, sample.ID(20+n)); !errors.Is(err, domain.NotFound) {
				t.Errorf("ByPublicID of an account deleted before the crash: %v", err)
			}
		}
		got, err := db.Users().ByEmail(ctx, sample.User(0).Email)
		noError(t, err)
		equal(t, "the user", got, sample.User(0))
	}
}

// TestCrashDuringWritesLosesNoAcknowledgedWidget kills the server while eight
// goroutines add widgets. Every acknowledged widget must be there afterwards. A
// widget whose Add returned Unavailable may be missing, but must not be incomplete.
func TestCrashDuringWritesLosesNoAcknowledgedWidget(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t)
	server.Chaos(t)
	db := open(t, server.Database(t))
	const writers = 8
	written := make([][]int, writers)
	var acknowledged atomic.Int64
	enough := make(chan struct{})
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			for n := 1000 * i; ; n++ {
				switch err := db.Widgets().Add(t.Context(), widget(n)); {
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
			got, err := db.Widgets().ByName(t.Context(), widget(n).Name)
			noError(t, err)
			equal(t, "the widget", got, widget(n))
		}
		// The outcome of the last, unacknowledged write is unknown.
		switch _, err := db.Widgets().ByName(t.Context(), widget(1000*i+len(numbers)).Name); {
		case err == nil:
			total++
		case !errors.Is(err, domain.NotFound):
			t.Error(err)
		}
	}
	equal(t, "the number of widgets", list(t, db, 1, 5).TotalItems, total)
}

// TestSilentServerIsUnavailableInTime uses a server that reads commands and never
// replies.
func TestSilentServerIsUnavailableInTime(t *testing.T) {
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
	wantUnavailable(t.Context(), t, impatient, time.Second)

	// A later deadline of the caller does not extend the time limit.
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	wantUnavailable(ctx, t, db, operationTimeout)
}

func TestEndedContextSendsNothing(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, "mongodb://"+startStub(t, func(string) bson.D { return bson.D{} }))
	sent.take()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for method, err := range conformance.EveryMethod(ctx, db) {
		if !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want Unavailable caused by the context", method, err)
		}
	}
	equal(t, "number of commands", len(sent.take()), 0)
}

// TestServerErrorsHaveTheRightKind checks the kind of a read and of a write for
// each error of a server. An error is Unavailable if it is temporary, or if the
// outcome of the write is unknown.
func TestServerErrorsHaveTheRightKind(t *testing.T) {
	t.Parallel()
	refusal := func(code int32) bson.D {
		return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: code}, {Key: "errmsg", Value: "because"}}
	}
	labels := func(names ...string) bson.E { return bson.E{Key: "errorLabels", Value: names} }
	noMajority := bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: int32(64)}, {Key: "errmsg", Value: "waiting for replication timed out"}}}
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
		"wrong password":         {refusal(18), fault, fault},
		"no access":              {refusal(13), domain.Unavailable, domain.Unavailable},
		"disk full":              {refusal(14031), domain.Unavailable, domain.Unavailable},
		"internal error":         {refusal(1), domain.Unavailable, domain.Unavailable},
		"over quota at Atlas":    {refusal(8000), domain.Unavailable, domain.Unavailable},
		"lock timeout":           {refusal(24), domain.Unavailable, domain.Unavailable},
		"write conflict":         {refusal(112), domain.Unavailable, domain.Unavailable},
		"not linearizable now":   {refusal(187), domain.Unavailable, domain.Unavailable},
		"no answer of a member":  {refusal(202), domain.Unavailable, domain.Unavailable},
		"storage changes":        {refusal(355), domain.Unavailable, domain.Unavailable},
		"temporary":              {refusal(365), domain.Unavailable, domain.Unavailable},
		"writes are blocked":     {refusal(371), domain.Unavailable, domain.Unavailable},
		"resources used up":      {refusal(402), domain.Unavailable, domain.Unavailable},
		"too long a queue":       {refusal(433), domain.Unavailable, domain.Unavailable},
		"too many operations":    {refusal(449), domain.Unavailable, domain.Unavailable},
		"too many requests":      {refusal(462), domain.Unavailable, domain.Unavailable},
		"throttled by Cosmos DB": {refusal(16500), domain.Unavailable, domain.Unavailable},
		"a label to retry":       {append(refusal(2), labels("RetryableWriteError")), domain.Unavailable, domain.Unavailable},
		"overloaded":             {append(refusal(2), labels("SystemOverloadedError", "RetryableError")), domain.Unavailable, domain.Unavailable},
		"a label of a conflict":  {append(refusal(2), labels("TransientTransactionError")), domain.Unavailable, domain.Unavailable},
		"another label":          {append(refusal(2), labels("Other")), fault, fault},
		"bad value":              {refusal(2), fault, fault},
		"no majority":            {bson.D{noMajority}, "", domain.Unavailable},
		"duplicate":              {bson.D{duplicate}, "", domain.AlreadyExists},
		"duplicate, no majority": {bson.D{duplicate, noMajority}, "", domain.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opened atomic.Bool
			address := startStub(t, func(command string) bson.D {
				reads := command == "find" || command == "count"
				writes := command == "insert" || command == "update" || command == "delete" || command == "findAndModify"
				if opened.Load() && (writes || reads && test.reads != "") {
					return test.answer
				}
				return bson.D{}
			})
			db := open(t, "mongodb://"+address+"/?timeoutMS=1000")
			opened.Store(true)
			errs := conformance.EveryMethod(t.Context(), db)
			for _, method := range []string{"Users.ByEmail", "Users.HasAdmin", "Users.List", "Widgets.List", "Blacklist.Check", "Blacklist.CutOff"} {
				if test.reads != "" {
					wantKind(t, method, errs[method], test.reads)
				}
			}
			for _, method := range []string{"Users.Add", "Users.Update", "Users.Delete", "Widgets.Add", "Widgets.Update", "Widgets.Delete"} {
				wantKind(t, method, errs[method], test.writes)
			}
			for method, err := range errs {
				if err != nil && strings.Contains(err.Error(), "ada@example.com") {
					t.Errorf("%s: %q contains an email", method, err)
				}
			}
		})
	}
}

// TestThrottledCommandNamesATime checks the time that an error tells the caller to wait. A
// write is throttled by an error of the command or of the document.
func TestThrottledCommandNamesATime(t *testing.T) {
	t.Parallel()
	const message = "Error=16500, RetryAfterMs=%s, Details='Response status code does not indicate success: TooManyRequests (429)'"
	problem := func(code int32, text string) bson.D {
		return bson.D{{Key: "index", Value: int32(0)}, {Key: "code", Value: code}, {Key: "errmsg", Value: text}}
	}
	failed := func(code int32, text string) bson.D {
		return append(problem(code, text), bson.E{Key: "ok", Value: 0.0})
	}
	for name, test := range map[string]struct {
		answer bson.D
		want   time.Duration
	}{
		"of a command":    {failed(16500, fmt.Sprintf(message, "5481")), 5481 * time.Millisecond},
		"of a document":   {bson.D{{Key: "writeErrors", Value: bson.A{problem(16500, fmt.Sprintf(message, "34"))}}}, 34 * time.Millisecond},
		"no time":         {failed(16500, "Request rate is large"), 0},
		"no number":       {failed(16500, fmt.Sprintf(message, "-1")), 0},
		"a number of ten": {failed(16500, fmt.Sprintf(message, "1000000000")), 0},
		"another error":   {failed(8000, fmt.Sprintf(message, "5481")), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := startStub(t, func(command string) bson.D {
				if command == "insert" {
					return test.answer
				}
				return bson.D{}
			})
			err := open(t, "mongodb://"+address).Users().Add(t.Context(), sample.User(1))
			wantKind(t, "Users.Add", err, domain.Unavailable)
			equal(t, "the time to wait", domain.RetryAfter(err), test.want)
		})
	}
}

// wantKind checks that the error has the kind and no other kind of a store's errors.
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
