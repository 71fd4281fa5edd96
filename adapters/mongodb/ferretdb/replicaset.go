package main

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// replicaSet stands in for the members of a replica set. All members have the data of one
// engine. Only the primary executes commands, the other members refuse them.
type replicaSet struct {
	addresses []string // of the members
	engine    *engine
	retries   *retries
	clock     clock
	process   primitive.ObjectID // of this program
	faults    faults

	mu       sync.Mutex
	primary  int                // the index of its address, or none
	previous int                // the latest primary
	election primitive.ObjectID // of the primary, greater than that of any earlier one
	changes  int64              // the number of changes of the fields above
	changed  chan struct{}      // closed at the next change
}

const none = -1

func newReplicaSet(addresses []string, e *engine, r *retries) *replicaSet {
	s := &replicaSet{addresses: addresses, engine: e, retries: r, process: primitive.NewObjectID(), changed: make(chan struct{})}
	s.setPrimary(0)
	return s
}

// elect takes the role of the primary away. After a time the next member has it.
func (s *replicaSet) elect(after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setPrimary(none)
	changes := s.changes
	time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.changes == changes { // else there was another election
			s.setPrimary((s.previous + 1) % len(s.addresses))
		}
	})
}

// setPrimary changes the primary. The caller holds the lock.
func (s *replicaSet) setPrimary(member int) {
	s.primary = member
	if member != none {
		s.previous = member
		binary.BigEndian.PutUint64(s.election[:], uint64(time.Now().UnixNano()))
	}
	s.changes++
	close(s.changed)
	s.changed = make(chan struct{})
}

// member returns the function that answers the commands to one member.
func (s *replicaSet) member(member int) func(context.Context, net.Conn, []byte) ([]byte, error) {
	return func(ctx context.Context, conn net.Conn, message []byte) ([]byte, error) {
		c, err := parse(message)
		switch {
		case err != nil:
			return nil, err
		case isHello(c):
			return s.hello(ctx, member, conn, c)
		case answeredByAll(c):
			return s.engine.exchange(conn, message)
		}
		return s.answer(member, conn, c)
	}
}

func isHello(c command) bool {
	return slices.Contains([]string{"hello", "isMaster", "ismaster"}, c.name)
}

// answeredByAll reports whether every member answers a command, because it is not about
// data.
func answeredByAll(c command) bool {
	return slices.Contains([]string{"ping", "buildInfo", "saslStart", "saslContinue", "endSessions", "killCursors"}, c.name)
}

// answer answers a command that only the primary executes. As in MongoDB, it fills in
// timestamps before the documents become visible, so not always in the same order. If the
// primary changes during the execution, the answer is an error.
func (s *replicaSet) answer(member int, conn net.Conn, c command) ([]byte, error) {
	s.clock.fillIn(c)
	defer s.engine.lock(c)()
	primary, changes := s.state()
	if primary != member {
		return c.reply(s.stateError(c, 10107, "NotWritablePrimary", "not primary"))
	}
	fault := s.faults.draw(c)
	if reply, err := fault.before(c); reply != nil || err != nil {
		return reply, err
	}
	reply, err := s.retries.execute(conn, c)
	if err != nil || reply == nil {
		return reply, err
	}
	switch fault {
	case stepDown:
		s.elect(0)
	case outage:
		s.elect(rand.N(time.Second / 2))
	}
	if _, now := s.state(); now != changes {
		return c.reply(s.stateError(c, 11602, "InterruptedDueToReplStateChange", "the primary has changed"))
	}
	if reply, err = s.faults.miscount(c, reply); err != nil {
		return nil, err
	}
	return fault.after(reply)
}

func (s *replicaSet) state() (primary int, changes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.primary, s.changes
}

// stateError returns the answer to a command that fails because of an election.
func (s *replicaSet) stateError(c command, code int32, name, message string) bson.D {
	var labels []string
	if c.isRetryableWrite() {
		labels = []string{"RetryableWriteError"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(failure(code, name, message, labels...), s.topologyVersion())
}

// topologyVersion returns the field by which a driver finds out which of two answers is
// newer. The caller holds the lock.
func (s *replicaSet) topologyVersion() bson.E {
	return bson.E{Key: "topologyVersion", Value: bson.D{{Key: "processId", Value: s.process}, {Key: "counter", Value: s.changes}}}
}

// exhaustAllowed is the flag of a command that the server may answer with several replies.
// The stand-in sends one.
const exhaustAllowed = 1 << 16

// hello answers with the state of the set.
func (s *replicaSet) hello(ctx context.Context, member int, conn net.Conn, c command) ([]byte, error) {
	if err := s.await(ctx, c); err != nil {
		return nil, err
	}
	if isOpMsg(c.message) {
		flags := c.message[headerBytes:]
		binary.LittleEndian.PutUint32(flags, binary.LittleEndian.Uint32(flags)&^exhaustAllowed)
	}
	reply, err := s.engine.exchange(conn, c.message)
	if err != nil {
		return nil, err
	}
	return withFields(reply, s.describe(member)...)
}

// await waits until the state of the set is another than the client knows, if the client
// asks for it.
func (s *replicaSet) await(ctx context.Context, c command) error {
	limit, hasLimit := c.body.Lookup("maxAwaitTimeMS").AsInt64OK()
	known, hasVersion := c.body.Lookup("topologyVersion", "counter").AsInt64OK()
	if !hasLimit || !hasVersion {
		return nil
	}
	s.mu.Lock()
	changes, changed := s.changes, s.changed
	s.mu.Unlock()
	if known != changes {
		return nil
	}
	timer := time.NewTimer(time.Duration(limit) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// describe returns the fields of the answer to hello.
func (s *replicaSet) describe(member int) bson.D {
	s.mu.Lock()
	defer s.mu.Unlock()
	isPrimary := s.primary == member
	fields := bson.D{
		{Key: "setName", Value: "rs"}, {Key: "setVersion", Value: int32(1)},
		{Key: "hosts", Value: s.addresses}, {Key: "me", Value: s.addresses[member]},
		{Key: "isWritablePrimary", Value: isPrimary}, {Key: "ismaster", Value: isPrimary}, {Key: "secondary", Value: !isPrimary},
		s.topologyVersion(),
	}
	if s.primary != none {
		fields = append(fields, bson.E{Key: "primary", Value: s.addresses[s.primary]})
	}
	if isPrimary {
		fields = append(fields, bson.E{Key: "electionId", Value: s.election})
	}
	return fields
}
