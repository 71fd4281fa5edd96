package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/x/mongo/driver/wiremessage"
)

// A message begins with a header of four little-endian numbers of four bytes. The
// first is the length of the message and the last is its opcode. In a message with
// the opcode OP_MSG, flags follow the header.
const (
	headerBytes = 16
	maxBytes    = 48_000_000
)

func readMessage(from io.Reader) ([]byte, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header[:])
	if length < headerBytes || length > maxBytes {
		return nil, fmt.Errorf("invalid length of a message: %d bytes", length)
	}
	message := make([]byte, length)
	copy(message, header[:])
	_, err := io.ReadFull(from, message[headerBytes:])
	return message, err
}

func isOpMsg(message []byte) bool {
	return len(message) >= headerBytes+4 && binary.LittleEndian.Uint32(message[12:]) == uint32(wiremessage.OpMsg)
}

func expectsNoReply(command []byte) bool {
	return isOpMsg(command) && wiremessage.IsMsgMoreToCome(command)
}

// command is a message from a client. The documents are parts of the message.
type command struct {
	message   []byte
	id        int32 // of the message
	name      string
	body      bsoncore.Document
	sequences map[string][]bsoncore.Document // the lists of documents that are not in the body, by field
}

var errMalformed = errors.New("malformed command")

func parse(message []byte) (command, error) {
	_, id, _, opcode, rest, ok := wiremessage.ReadHeader(message)
	c := command{message: message, id: id, sequences: map[string][]bsoncore.Document{}}
	if ok && opcode == wiremessage.OpQuery { // deprecated, but drivers begin with it
		ok = c.parseQuery(rest)
	} else if ok {
		ok = c.parseMsg(rest)
	}
	first, err := c.body.IndexErr(0)
	if !ok || err != nil {
		return command{}, errMalformed
	}
	c.name = first.Key()
	return c, nil
}

func (c *command) parseQuery(rest []byte) (ok bool) {
	_, rest, _ = wiremessage.ReadQueryFlags(rest)
	_, rest, _ = wiremessage.ReadQueryFullCollectionName(rest)
	if len(rest) < 8 { // the numbers of documents to skip and to return
		return false
	}
	c.body, _, ok = wiremessage.ReadQueryQuery(rest[8:])
	return ok
}

func (c *command) parseMsg(rest []byte) (ok bool) {
	_, rest, ok = wiremessage.ReadMsgFlags(rest)
	for ok && len(rest) > 0 {
		var kind wiremessage.SectionType
		kind, rest, ok = wiremessage.ReadMsgSectionType(rest)
		switch {
		case ok && kind == wiremessage.SingleDocument:
			c.body, rest, ok = wiremessage.ReadMsgSectionSingleDocument(rest)
		case ok:
			var field string
			var docs []bsoncore.Document
			field, docs, rest, ok = wiremessage.ReadMsgSectionDocumentSequence(rest)
			c.sequences[field] = docs
		}
	}
	return ok
}

// list returns the documents in a field.
func (c command) list(field string) (docs []bsoncore.Document) {
	if docs, ok := c.sequences[field]; ok {
		return docs
	}
	array, _ := c.body.Lookup(field).ArrayOK()
	values, _ := array.Values()
	for _, value := range values {
		if doc, ok := value.DocumentOK(); ok {
			docs = append(docs, doc)
		}
	}
	return docs
}

// has reports whether the body has a field.
func (c command) has(field string) bool {
	_, err := c.body.LookupErr(field)
	return err == nil
}

// reply returns a message that answers the command with a document.
func (c command) reply(doc any) ([]byte, error) {
	_, message := wiremessage.AppendHeaderStart(nil, 0, c.id, wiremessage.OpMsg)
	message = wiremessage.AppendMsgFlags(message, 0)
	message = wiremessage.AppendMsgSectionType(message, wiremessage.SingleDocument)
	return withDocument(message, doc)
}

// withDocument appends a document to the beginning of a message.
func withDocument(message []byte, doc any) ([]byte, error) {
	message, err := bson.MarshalAppend(message, doc)
	if err == nil {
		binary.LittleEndian.PutUint32(message, uint32(len(message)))
	}
	return message, err
}

// split splits a reply into its beginning and its document.
func split(reply []byte) (beginning []byte, doc bson.Raw, err error) {
	n := headerBytes + 4 + 8 + 4 + 4 // OP_REPLY: the flags, the cursor, where it starts, the number of documents
	if isOpMsg(reply) {
		n = headerBytes + 4 + 1 // the flags, the kind of the section
	}
	if len(reply) < n {
		return nil, nil, errMalformed
	}
	doc = bson.Raw(reply[n:])
	return reply[:n:n], doc, doc.Validate()
}

// withFields returns a reply with other values of fields of its document.
func withFields(reply []byte, fields ...bson.E) ([]byte, error) {
	beginning, raw, err := split(reply)
	if err != nil {
		return nil, err
	}
	var doc bson.D
	if err := bson.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for _, field := range fields {
		changed[field.Key] = true
	}
	for _, field := range doc {
		if !changed[field.Key] {
			fields = append(fields, field)
		}
	}
	return withDocument(beginning, bson.D(fields))
}
