package main

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/bson"
)

// faultKind is a fault of a server, or of the connection to it.
type faultKind string

const (
	noFault      faultKind = ""
	cutBefore    faultKind = "cut-before"    // the connection ends, and the command is not executed
	cutAfter     faultKind = "cut-after"     // the command is executed, and the connection ends
	writeConcern faultKind = "write-concern" // the write is executed, but no majority confirms it
	overload     faultKind = "overload"      // the server refuses the command, with the labels of an overload
	stepDown     faultKind = "step-down"     // the command is executed, but the primary changes before the answer
	outage       faultKind = "outage"        // as step-down, and for up to half a second there is no primary
)

func (k faultKind) isKnown() bool {
	return slices.Contains([]faultKind{cutBefore, cutAfter, writeConcern, overload, stepDown, outage}, k)
}

// repeatable stands for all commands that drivers repeat after an error.
const repeatable = "*"

// fault is a fault that occurs at random.
type fault struct {
	kind        faultKind
	command     string // or repeatable
	probability float64
	times       int // that it may occur; negative for no limit
}

// faults are the faults that a test has asked for.
type faults struct {
	mu      sync.Mutex
	wanted  []fault
	surplus int // is added to the number of documents in the metadata of a collection
}

func (f *faults) add(fault fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted = append(f.wanted, fault)
}

func (f *faults) miscountBy(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.surplus = n
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted, f.surplus = nil, 0
}

// draw returns the fault of a command.
func (f *faults) draw(c command) faultKind {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.wanted {
		fault := &f.wanted[i]
		if fault.times != 0 && fault.concerns(c) && rand.Float64() < fault.probability {
			fault.times--
			return fault.kind
		}
	}
	return noFault
}

func (f *fault) concerns(c command) bool {
	if f.kind == writeConcern && !c.has("writeConcern") {
		return false
	}
	return f.command == c.name || f.command == repeatable && (c.isRetryableWrite() || c.isRetryableRead())
}

func (c command) isRetryableWrite() bool { return c.has("txnNumber") }

func (c command) isRetryableRead() bool {
	switch c.name {
	case "find", "count", "aggregate", "distinct", "listIndexes", "listCollections":
		return true
	}
	return false
}

// errCut ends a connection.
var errCut = errors.New("the connection is cut")

// before returns the reply, or the error, that takes the place of the command.
func (k faultKind) before(c command) (reply []byte, err error) {
	switch k {
	case cutBefore:
		return nil, errCut
	case overload:
		return c.reply(failure(462, "IngressRequestRateLimitExceeded", "too many requests", "SystemOverloadedError", "RetryableError"))
	}
	return nil, nil
}

// after changes the reply to a command.
func (k faultKind) after(reply []byte) ([]byte, error) {
	switch k {
	case cutAfter:
		return nil, errCut
	case writeConcern:
		return withFields(reply, bson.E{Key: "writeConcernError", Value: bson.D{
			{Key: "code", Value: int32(64)}, {Key: "codeName", Value: "WriteConcernTimeout"}, {Key: "errmsg", Value: "waiting for replication timed out"},
		}})
	}
	return reply, nil
}

// miscount changes the reply to a command count without a filter, which MongoDB answers
// with the number in the metadata of the collection.
func (f *faults) miscount(c command, reply []byte) ([]byte, error) {
	f.mu.Lock()
	surplus := f.surplus
	f.mu.Unlock()
	filter, _ := c.body.Lookup("query").DocumentOK()
	conditions, _ := filter.Elements()
	if c.name != "count" || surplus == 0 || len(conditions) > 0 {
		return reply, nil
	}
	_, doc, err := split(reply)
	if err != nil {
		return nil, err
	}
	n, ok := doc.Lookup("n").Int32OK()
	if !ok { // the command failed
		return reply, nil
	}
	return withFields(reply, bson.E{Key: "n", Value: max(n+int32(surplus), 0)})
}
