package mongodb_test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

// stub is a server that speaks as much of MongoDB's protocol as it takes to
// give answers that a real one gives on its bad days.
type stub struct {
	net.Listener
	answer func(command string) bson.D // nil: none, ever
}

// startStub starts a stub and returns its address. It asks answer about every
// command. An answer with no "ok" is merged into that of a command that went well.
func startStub(t *testing.T, answer func(command string) bson.D) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	s := &stub{ln, answer}
	var conversations sync.WaitGroup
	ended := make(chan struct{})
	conversations.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conversations.Go(func() {
				go func() { <-ended; conn.Close() }()
				s.converse(conn)
				conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		close(ended)
		ln.Close()
		conversations.Wait()
	})
	return ln.Addr().String()
}

func (s *stub) converse(conn net.Conn) {
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
		command := commandOf(kind, body)
		answer := s.answer(command)
		if answer == nil {
			continue
		}
		doc, err := bson.Marshal(merged(answer, s.wellDone(command)))
		if err != nil {
			panic(err)
		}
		if _, err := conn.Write(reply(kind, id, doc)); err != nil {
			return
		}
	}
}

// merged returns the answer with what it leaves out.
func merged(answer, standard bson.D) bson.D {
	for _, element := range standard {
		if !slices.ContainsFunc(answer, func(e bson.E) bool { return e.Key == element.Key }) {
			answer = append(answer, element)
		}
	}
	return answer
}

// wellDone is how a stub answers if it has nothing better to say: as a primary.
func (s *stub) wellDone(command string) bson.D {
	switch command {
	case "hello", "isMaster", "ismaster":
		return bson.D{
			{Key: "helloOk", Value: true},
			{Key: "isWritablePrimary", Value: true},
			{Key: "ismaster", Value: true},
			{Key: "hosts", Value: bson.A{s.Addr().String()}}, // that counts with a setName
			{Key: "minWireVersion", Value: int32(0)},
			{Key: "maxWireVersion", Value: int32(21)},
			{Key: "maxBsonObjectSize", Value: int32(16 << 20)},
			{Key: "maxMessageSizeBytes", Value: int32(48_000_000)},
			{Key: "maxWriteBatchSize", Value: int32(100_000)},
			{Key: "ok", Value: 1.0},
		}
	case "find":
		return bson.D{{Key: "cursor", Value: bson.D{
			{Key: "id", Value: int64(0)}, {Key: "ns", Value: "widgetd.any"}, {Key: "firstBatch", Value: bson.A{}},
		}}, {Key: "ok", Value: 1.0}}
	}
	return bson.D{{Key: "n", Value: int32(1)}, {Key: "ok", Value: 1.0}}
}

//nolint:staticcheck // deprecated, but how the driver says hello
func commandOf(kind wiremessage.OpCode, body []byte) string {
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
		return ""
	}
	return element.Key()
}

//nolint:staticcheck // deprecated, but how the driver wants hello answered
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
