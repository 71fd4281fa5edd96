package mongodb_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// stub is a server that can fail. It implements the part of MongoDB's protocol that
// the driver needs.
type stub struct {
	net.Listener
	answer func(command string) bson.D
}

// startStub starts a stub and returns its address. For each command the stub calls
// answer and replies with the returned fields. It adds the fields of a successful
// reply that answer did not return. If answer returns nil, the stub does not reply.
func startStub(t *testing.T, answer func(command string) bson.D) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	s := &stub{ln, answer}
	var connections sync.WaitGroup
	ended := make(chan struct{})
	connections.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			connections.Go(func() {
				go func() { <-ended; conn.Close() }()
				s.serve(conn)
				conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		close(ended)
		ln.Close()
		connections.Wait()
	})
	return ln.Addr().String()
}

func (s *stub) serve(conn net.Conn) {
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		message := make([]byte, binary.LittleEndian.Uint32(size[:]))
		copy(message, size[:])
		if _, err := io.ReadFull(conn, message[4:]); err != nil {
			return
		}
		_, id, _, kind, body, _ := wiremessage.ReadHeader(message)
		command, collection := commandOf(kind, body)
		answer := s.answer(command)
		if answer == nil {
			continue
		}
		doc, err := bson.Marshal(merged(answer, s.success(command, collection, bytes.Contains(body, []byte("running")))))
		if err != nil {
			panic(err)
		}
		if _, err := conn.Write(reply(kind, id, doc)); err != nil {
			return
		}
	}
}

// merged returns the answer and the fields of standard that the answer lacks.
func merged(answer, standard bson.D) bson.D {
	answer = slices.Clip(answer) // connections share it
	for _, element := range standard {
		if !slices.ContainsFunc(answer, func(e bson.E) bool { return e.Key == element.Key }) {
			answer = append(answer, element)
		}
	}
	return answer
}

// success returns the answer of a primary to a successful command, which may ask for the
// document of the running time.
func (s *stub) success(command, collection string, running bool) bson.D {
	switch command {
	case "hello", "isMaster", "ismaster":
		return bson.D{
			{Key: "helloOk", Value: true},
			{Key: "isWritablePrimary", Value: true},
			{Key: "ismaster", Value: true},
			{Key: "hosts", Value: bson.A{s.Addr().String()}}, // ignored without setName
			{Key: "minWireVersion", Value: int32(0)},
			{Key: "maxWireVersion", Value: int32(21)},
			{Key: "maxBsonObjectSize", Value: int32(16 << 20)},
			{Key: "maxMessageSizeBytes", Value: int32(48_000_000)},
			{Key: "maxWriteBatchSize", Value: int32(100_000)},
			{Key: "ok", Value: 1.0},
		}
	case "find":
		if collection == "blacklist" && running { // else the program takes it for a dropped one
			return cursor(runningDocument())
		}
		return cursor()
	case "findAndModify":
		switch collection {
		case "blacklist":
			return bson.D{{Key: "value", Value: runningDocument()}, {Key: "ok", Value: 1.0}}
		case "settings":
			return bson.D{{Key: "value", Value: cursorKeyDocument()}, {Key: "ok", Value: 1.0}}
		default:
			return bson.D{{Key: "value", Value: bson.Null{}}, {Key: "ok", Value: 1.0}}
		}
	case "listIndexes":
		return cursor(
			uniqueIndex("email_key"), uniqueIndex("name"),
			index("deadline", "seq", "_id"), index("owner.public_id", "seq", "_id"),
			index("owner.public_id", "deadline", "seq", "_id"), index("value", "expires_at", "_id"),
		)
	}
	return bson.D{{Key: "n", Value: int32(1)}, {Key: "ok", Value: 1.0}}
}

// commandOf returns the name of the command in a message, and the collection that the
// command is about, if any.
//
//nolint:staticcheck // deprecated, but the driver begins with OpQuery
func commandOf(kind wiremessage.OpCode, body []byte) (command, collection string) {
	var doc []byte
	if kind == wiremessage.OpQuery {
		_, body, _ = wiremessage.ReadQueryFlags(body)
		_, body, _ = wiremessage.ReadQueryFullCollectionName(body)
		_, body, _ = wiremessage.ReadQueryNumberToSkip(body)
		_, body, _ = wiremessage.ReadQueryNumberToReturn(body)
		doc, _, _ = wiremessage.ReadQueryQuery(body)
	} else {
		_, body, _ = wiremessage.ReadMsgFlags(body)
		_, body, _ = wiremessage.ReadMsgSectionType(body)
		doc, _, _ = wiremessage.ReadMsgSectionSingleDocument(body)
	}
	element, err := bson.Raw(doc).IndexErr(0)
	if err != nil {
		return "", ""
	}
	collection, _ = element.Value().StringValueOK()
	return element.Key(), collection
}

// reply returns the message that answers a message of the given kind.
//
//nolint:staticcheck // deprecated, but the driver expects OpReply to OpQuery
func reply(kind wiremessage.OpCode, to int32, doc []byte) []byte {
	var message []byte
	if kind == wiremessage.OpQuery {
		_, message = wiremessage.AppendHeaderStart(nil, 1, to, wiremessage.OpReply)
		message = wiremessage.AppendReplyFlags(message, 0)
		message = wiremessage.AppendReplyCursorID(message, 0)
		message = wiremessage.AppendReplyStartingFrom(message, 0)
		message = wiremessage.AppendReplyNumberReturned(message, 1)
	} else {
		_, message = wiremessage.AppendHeaderStart(nil, 1, to, wiremessage.OpMsg)
		message = wiremessage.AppendMsgFlags(message, 0)
		message = wiremessage.AppendMsgSectionType(message, wiremessage.SingleDocument)
	}
	message = append(message, doc...)
	binary.LittleEndian.PutUint32(message, uint32(len(message)))
	return message
}

func cursor(batch ...any) bson.D {
	return bson.D{{Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: "widgetd.any"}, {Key: "firstBatch", Value: append(bson.A{}, batch...)},
	}}, {Key: "ok", Value: 1.0}}
}

func uniqueIndex(field string) bson.D {
	return bson.D{
		{Key: "v", Value: int32(2)}, {Key: "key", Value: bson.D{{Key: field, Value: int32(1)}}},
		{Key: "name", Value: field + "_1"}, {Key: "unique", Value: true},
	}
}

func index(fields ...string) bson.D {
	key := bson.D{}
	for _, field := range fields {
		key = append(key, bson.E{Key: field, Value: int32(1)})
	}
	return bson.D{{Key: "v", Value: int32(2)}, {Key: "key", Value: key}, {Key: "name", Value: strings.Join(fields, "_1_") + "_1"}}
}

// runningDocument returns the document of the running time.
func runningDocument() bson.D {
	return bson.D{
		{Key: "_id", Value: "running"}, {Key: "schema_version", Value: mongodb.CounterVersion},
		{Key: "blacklist_id", Value: binaryUUID(sample.ID(77))}, {Key: "least_version", Value: int32(3)},
		{Key: "milliseconds", Value: int64(0)},
	}
}

// cursorKeyDocument returns the document of the key for cursors.
func cursorKeyDocument() bson.D {
	return bson.D{
		{Key: "_id", Value: "cursor key"}, {Key: "schema_version", Value: int32(1)},
		{Key: "key", Value: bson.Binary{Data: make([]byte, 32)}},
	}
}
