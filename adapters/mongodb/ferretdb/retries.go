package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"go.mongodb.org/mongo-driver/bson"
)

// retries executes each retryable write once. A driver gives such a command the id of a
// session (lsid) and a number (txnNumber), which grows with each command of the session,
// and sends the same again if it got no answer. The second time, the answer is the one of
// the first.
type retries struct {
	engine *engine
	begun  *os.File // the sessions and numbers of all writes, in the order of their beginning

	mu     sync.Mutex
	latest map[string]write // by session
}

// write is the latest retryable write of a session.
type write struct {
	number int64
	answer bson.Raw // nil for a write from before the start of this program
}

// openRetries opens the file of the writes that were begun. The answer to a write from
// before the start is not known, because FerretDB and the file are not written together.
func openRetries(e *engine, path string) (*retries, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	begun, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	r := &retries{engine: e, latest: map[string]write{}, begun: file}
	for ; len(begun) >= sessionBytes+8; begun = begun[sessionBytes+8:] {
		r.latest[string(begun[:sessionBytes])] = write{number: int64(binary.LittleEndian.Uint64(begun[sessionBytes:]))}
	}
	return r, nil
}

// sessionBytes is the length of the UUID of a session.
const sessionBytes = 16

// execute executes a command, or returns the answer of an earlier execution. It must not be
// called by several goroutines at the same time with commands of one session.
func (r *retries) execute(conn net.Conn, c command) (reply []byte, err error) {
	number, isRetryable := c.body.Lookup("txnNumber").Int64OK()
	_, session, isSession := c.body.Lookup("lsid", "id").BinaryOK()
	if !isRetryable || !isSession || len(session) != sessionBytes {
		return r.engine.exchange(conn, c.message)
	}
	switch latest, found := r.of(session); {
	case found && number < latest.number:
		return c.reply(failure(225, "TransactionTooOld", fmt.Sprintf("the session has begun the write %d", latest.number)))
	case found && number == latest.number && latest.answer == nil:
		return c.reply(failure(11601, "Interrupted", "the server was killed during the write"))
	case found && number == latest.number:
		return c.reply(latest.answer)
	}
	if _, err := r.begun.Write(binary.LittleEndian.AppendUint64([]byte(string(session)), uint64(number))); err != nil {
		return nil, err
	}
	reply, err = r.engine.exchange(conn, c.message)
	if err != nil {
		return nil, err
	}
	_, answer, err := split(reply)
	if succeeded, _ := answer.Lookup("ok").DoubleOK(); err == nil && succeeded == 1 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.latest[string(session)] = write{number, answer}
	}
	return reply, err
}

// of returns the latest retryable write of a session.
func (r *retries) of(session []byte) (latest write, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	latest, found = r.latest[string(session)]
	return latest, found
}

// failure returns the answer to a command that failed.
func failure(code int32, name, message string, labels ...string) bson.D {
	doc := bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: message}, {Key: "code", Value: code}, {Key: "codeName", Value: name}}
	if len(labels) > 0 {
		doc = append(doc, bson.E{Key: "errorLabels", Value: labels})
	}
	return doc
}
