package mongotest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// connect returns a collection of an empty database, for which the driver uses the options
// of the URI.
func connect(t *testing.T, server *Server, options string) *mongo.Collection {
	t.Helper()
	return connectTo(t, server.Database(t)+options)
}

func connectTo(t *testing.T, uri string) *mongo.Collection {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	noError(t, err)
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database("widgetd_test").Collection("docs")
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// described is the answer to hello.
type described struct {
	Name      string   `bson:"setName"`
	Hosts     []string `bson:"hosts"`
	Me        string   `bson:"me"`
	Primary   string   `bson:"primary"`
	IsPrimary bool     `bson:"isWritablePrimary"`
}

// hello asks one member.
func hello(t *testing.T, member string) (d described) {
	t.Helper()
	docs := connectTo(t, "mongodb://"+member+"/?directConnection=true")
	noError(t, docs.Database().RunCommand(t.Context(), bson.D{{Key: "hello", Value: 1}}).Decode(&d))
	return d
}

func TestMembersDescribeOneReplicaSet(t *testing.T) {
	t.Parallel()
	server := Start(t)
	members := strings.Split(server.addresses(), ",")
	for primary := range 4 { // the fourth is the first again
		for i, member := range members {
			want := described{"rs", members, member, members[primary%3], i == primary%3}
			got := hello(t, member)
			if !slices.Equal(got.Hosts, want.Hosts) || got.Name != want.Name || got.Me != want.Me || got.Primary != want.Primary || got.IsPrimary != want.IsPrimary {
				t.Errorf("%s says %+v, want %+v", member, got, want)
			}
		}
		server.Elect(t, 0)
		awaitPrimary(t, members[(primary+1)%3])
	}
	server.Elect(t, time.Hour)
	for _, member := range members {
		if got := hello(t, member); got.Primary != "" || got.IsPrimary {
			t.Errorf("without a primary, %s says %+v", member, got)
		}
	}
}

func awaitPrimary(t *testing.T, member string) {
	t.Helper()
	for !hello(t, member).IsPrimary {
		if t.Context().Err() != nil {
			t.FailNow()
		}
	}
}

func TestSetWithoutAPrimaryExecutesNothing(t *testing.T) {
	t.Parallel()
	server := Start(t)
	docs := connect(t, server, "?timeoutMS=500")
	_, err := docs.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}})
	noError(t, err)
	server.Elect(t, time.Hour)
	if _, err := docs.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 2}}); err == nil {
		t.Error("InsertOne without a primary succeeded")
	}
	if err := docs.FindOne(t.Context(), bson.D{}).Err(); err == nil {
		t.Error("FindOne without a primary succeeded")
	}
	server.Elect(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if n, err := docs.CountDocuments(ctx, bson.D{}); err != nil || n != 1 {
		t.Errorf("there are %d documents, %v", n, err)
	}
}

// TestZeroTimestampsAreFilledIn inserts and replaces documents in the ways that exist.
func TestZeroTimestampsAreFilledIn(t *testing.T) {
	t.Parallel()
	docs, ctx := connect(t, Start(t), ""), t.Context()
	zero := bson.Timestamp{}
	doc := func(id any) bson.D {
		return bson.D{{Key: "_id", Value: id}, {Key: "at", Value: zero}, {Key: "deep", Value: bson.D{{Key: "at", Value: zero}}}}
	}
	content := doc(nil)[1:]
	for range 2 {
		_, err := docs.InsertMany(ctx, []any{doc(zero), doc(2), doc(1)})
		noError(t, err)
		_, err = docs.ReplaceOne(ctx, bson.D{{Key: "_id", Value: 3}}, content, options.Replace().SetUpsert(true))
		noError(t, err)
		err = docs.FindOneAndReplace(ctx, bson.D{{Key: "_id", Value: 4}}, content, options.FindOneAndReplace().SetUpsert(true)).Err()
		if !errors.Is(err, mongo.ErrNoDocuments) {
			t.Fatal(err)
		}
		_, err = docs.ReplaceOne(ctx, bson.D{{Key: "_id", Value: 2}}, content)
		noError(t, err)
		noError(t, docs.FindOneAndReplace(ctx, bson.D{{Key: "_id", Value: 1}}, content).Err())
		last := bson.Timestamp{}
		for _, id := range []any{zero, 3, 4, 2, 1} {
			var found struct{ At, Deep bson.RawValue }
			noError(t, docs.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&found))
			at := timestamp(found.At)
			if at.Compare(last) <= 0 {
				t.Errorf("the document %v has %v after %v", id, at, last)
			}
			if age := time.Since(time.Unix(int64(at.T), 0)); age > time.Minute || age < 0 {
				t.Errorf("the document %v has the time %v", id, at)
			}
			last = at
			if deep := timestamp(found.Deep.Document().Lookup("at")); !deep.IsZero() {
				t.Errorf("the document %v has %v in an embedded document", id, deep)
			}
		}
		_, err = docs.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "at", Value: zero}}}})
		noError(t, err)
		raw, err := docs.FindOne(ctx, bson.D{{Key: "_id", Value: 1}}).Raw()
		noError(t, err)
		if at := timestamp(raw.Lookup("at")); !at.IsZero() {
			t.Errorf("$set of a zero timestamp set %v", at)
		}
		noError(t, docs.Drop(ctx))
	}
}

func timestamp(value bson.RawValue) bson.Timestamp {
	seconds, increment := value.Timestamp()
	return bson.Timestamp{T: seconds, I: increment}
}

// increment adds one to the field n of the document 1 and returns the result.
func increment(ctx context.Context, docs *mongo.Collection) (n int32, err error) {
	raw, err := docs.FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: int32(1)}}}},
		options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Raw()
	if err != nil {
		return 0, err
	}
	return raw.Lookup("n").Int32(), nil
}

func TestRepeatedWriteIsExecutedOnce(t *testing.T) {
	t.Parallel()
	server := Start(t)
	docs, ctx := connect(t, server, "?timeoutMS=60000"), t.Context() // with a time limit the driver repeats more than once
	for n, fault := range []Fault{CutAfter, CutBefore, StepDown, CutAfter} {
		server.Fail(t, fault, "findAndModify")
		if got, err := increment(ctx, docs); err != nil || got != int32(n+1) {
			t.Errorf("%s: the increment returned %d, %v, want %d", fault, got, err, n+1)
		}
	}
	for id, fault := range []Fault{CutAfter, CutBefore, StepDown} {
		doc := bson.D{{Key: "_id", Value: 10 + id}}
		server.Fail(t, fault, "insert")
		if _, err := docs.InsertOne(ctx, doc); err != nil {
			t.Errorf("%s: InsertOne: %v", fault, err)
		}
		server.Fail(t, fault, "delete")
		if result, err := docs.DeleteOne(ctx, doc); err != nil || result.DeletedCount != 1 {
			t.Errorf("%s: DeleteOne: %+v, %v", fault, result, err)
		}
	}
	server.FailAtRandom(t, CutAfter, EveryRepeatable, 0.3)
	for n := range 100 {
		if got, err := increment(ctx, docs); err != nil || got != int32(n+5) {
			t.Fatalf("the increment returned %d, %v, want %d", got, err, n+5)
		}
	}
}

func TestWriteWithoutASessionIsExecutedAgain(t *testing.T) {
	t.Parallel()
	server := Start(t)
	docs := connect(t, server, "?retryWrites=false")
	server.Fail(t, CutAfter, "findAndModify")
	if _, err := increment(t.Context(), docs); !mongo.IsNetworkError(err) {
		t.Errorf("the increment returned %v, want a network error", err)
	}
	if n, err := increment(t.Context(), docs); err != nil || n != 2 {
		t.Errorf("the next increment returned %d, %v, want 2", n, err)
	}
}

// TestRetryAcrossACrashIsNotExecuted sends commands with numbers of a session.
func TestRetryAcrossACrashIsNotExecuted(t *testing.T) {
	t.Parallel()
	server := Start(t)
	docs := connect(t, server, "")
	insert := func(session byte, number int64) error {
		id := bson.Binary{Subtype: bson.TypeBinaryUUID, Data: bytes.Repeat([]byte{session}, 16)}
		return docs.Database().RunCommand(t.Context(), bson.D{
			{Key: "insert", Value: docs.Name()}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: bson.D{{Key: "n", Value: number}, {Key: "session", Value: int32(session)}}}}}},
			{Key: "txnNumber", Value: number}, {Key: "lsid", Value: bson.D{{Key: "id", Value: id}}},
		}).Err()
	}
	want := func(session byte, number int64, code int) {
		t.Helper()
		err := insert(session, number)
		var failure mongo.CommandError
		isWanted := code == 0 && err == nil || errors.As(err, &failure) && failure.HasErrorCode(code)
		if !isWanted {
			t.Errorf("write %d of session %d: %v, want the code %d", number, session, err, code)
		}
	}
	want(1, 7, 0)
	want(1, 7, 0) // the stored answer
	want(2, 7, 0)
	want(1, 8, 0)
	want(1, 7, 225) // too old
	server.Kill(t)
	server.Restart(t)
	want(1, 8, 11601) // it is not known whether the write was executed
	want(1, 7, 225)
	want(1, 9, 0)
	if n, err := docs.CountDocuments(t.Context(), bson.D{}); err != nil || n != 4 {
		t.Errorf("there are %d documents, %v, want 4", n, err)
	}
}

func TestFaultsThatTheServerReports(t *testing.T) {
	t.Parallel()
	server := Start(t)
	docs, ctx := connect(t, server, "?w=majority"), t.Context()
	server.Fail(t, WriteConcern, "insert")
	_, err := docs.InsertOne(ctx, bson.D{})
	var exception mongo.WriteException
	if !errors.As(err, &exception) || exception.WriteConcernError == nil || len(exception.WriteErrors) > 0 {
		t.Errorf("InsertOne returned %v, want a write concern error only", err)
	}
	server.FailAtRandom(t, Overload, "insert", 1)
	_, err = docs.InsertOne(ctx, bson.D{})
	var labeled mongo.LabeledError
	if !errors.As(err, &labeled) || !labeled.HasErrorLabel("SystemOverloadedError") || !labeled.HasErrorLabel("RetryableError") {
		t.Errorf("InsertOne returned %v, want an error with the labels of an overload", err)
	}
	server.Calm(t)
	_, err = docs.InsertOne(ctx, bson.D{})
	noError(t, err)
	wantCount(t, docs, 2, 2)
	for surplus, want := range map[int]int64{5: 7, -1: 1, -5: 0} {
		server.Miscount(t, surplus)
		wantCount(t, docs, want, 2)
	}
	server.Calm(t)
	wantCount(t, docs, 2, 2)
}

// wantCount checks the number in the metadata and the number of documents.
func wantCount(t *testing.T, docs *mongo.Collection, metadata, documents int64) {
	t.Helper()
	estimated, err := docs.EstimatedDocumentCount(t.Context())
	noError(t, err)
	exact, err := docs.CountDocuments(t.Context(), bson.D{})
	noError(t, err)
	if estimated != metadata || exact != documents {
		t.Errorf("the metadata has %d of %d documents, want %d of %d", estimated, exact, metadata, documents)
	}
}

func TestMalformedOrdersAreRefused(t *testing.T) {
	t.Parallel()
	server := Start(t)
	for _, order := range []string{"", "elect", "elect soon", "fail", "fail sometimes insert 1 1", "fail cut-after insert often 1", "fail cut-after insert 1 x", "miscount", "miscount x", "calm now", "dance"} {
		if err := server.give(order); err == nil {
			t.Errorf("the order %q was obeyed", order)
		}
	}
}
