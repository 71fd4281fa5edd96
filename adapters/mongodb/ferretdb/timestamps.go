package main

import (
	"encoding/binary"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/bson/bsontype"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"
)

// clock is the logical clock of a replica set. Its timestamps increase strictly. It never
// goes back when the program is started again, because each timestamp is at least the
// time of day.
type clock struct {
	mu   sync.Mutex
	last int64 // in nanoseconds
}

func (c *clock) next() (seconds, increment uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last+1, time.Now().UnixNano())
	return uint32(c.last / 1e9), uint32(c.last%1e9) + 1
}

// fillIn replaces the zero timestamps of a command, as MongoDB does: those at the top
// level of the documents to insert, and of the documents that replace another or are
// inserted in its place. The field _id and the operators of an update stay as they are.
func (c *clock) fillIn(cmd command) {
	switch cmd.name {
	case "insert":
		for _, doc := range cmd.list("documents") {
			c.fillInDocument(doc)
		}
	case "update":
		for _, update := range cmd.list("updates") {
			c.fillInReplacement(update.Lookup("u"))
		}
	case "findAndModify", "findandmodify":
		c.fillInReplacement(cmd.body.Lookup("update"))
	}
}

func (c *clock) fillInReplacement(update bsoncore.Value) {
	doc, ok := update.DocumentOK()
	if !ok {
		return // a pipeline
	}
	if first, err := doc.IndexErr(0); err == nil && !strings.HasPrefix(first.Key(), "$") {
		c.fillInDocument(doc)
	}
}

func (c *clock) fillInDocument(doc bsoncore.Document) {
	fields, _ := doc.Elements()
	for _, field := range fields {
		value := field.Value()
		if value.Type != bsontype.Timestamp || field.Key() == "_id" || binary.LittleEndian.Uint64(value.Data) != 0 {
			continue
		}
		seconds, increment := c.next()
		binary.LittleEndian.PutUint32(value.Data, increment)
		binary.LittleEndian.PutUint32(value.Data[4:], seconds)
	}
}
