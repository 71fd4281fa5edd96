package main

import (
	"bytes"
	"context"
	"net"
	"sync"
)

// engine is a FerretDB server. In MongoDB the update of a document is atomic. FerretDB finds
// and writes the document in two steps, and would run other commands between them.
type engine struct {
	address   string
	databases sync.Map // a *sync.Mutex for each name: see lock
}

// lock waits until no other command about the same database is executed. The caller must
// call unlock when it has the reply.
func (e *engine) lock(c command) (unlock func()) {
	name, _ := c.body.Lookup("$db").StringValueOK()
	mu, _ := e.databases.LoadOrStore(name, new(sync.Mutex))
	mu.(*sync.Mutex).Lock()
	return mu.(*sync.Mutex).Unlock
}

// exchange sends a command to FerretDB and returns its reply. The reply is nil if the
// command has none. It also removes some time limits: see removeTimeLimit.
func (e *engine) exchange(conn net.Conn, command []byte) (reply []byte, err error) {
	removeTimeLimit(command)
	if _, err := conn.Write(command); err != nil {
		return nil, err
	}
	if expectsNoReply(command) {
		return nil, nil
	}
	return readMessage(conn)
}

// answer is [proxy.answer] of a single server.
func (e *engine) answer(_ context.Context, conn net.Conn, message []byte) ([]byte, error) {
	c, err := parse(message)
	if err != nil {
		return nil, err
	}
	defer e.lock(c)()
	return e.exchange(conn, message)
}

// proxy is a server that answers commands with the help of an engine.
type proxy struct {
	engine *engine

	// answer returns the reply to a command. After an error the proxy closes the
	// connection of the client. The function has a connection to the engine of its own
	// for each connection of a client.
	answer func(ctx context.Context, conn net.Conn, command []byte) (reply []byte, err error)
}

// serve accepts connections from ln until ctx ends. It closes ln.
func (p proxy) serve(ctx context.Context, ln net.Listener) {
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		connections.Go(func() { p.forward(ctx, client) })
	}
}

// forward forwards the commands of one connection until either side closes it.
func (p proxy) forward(ctx context.Context, client net.Conn) {
	defer client.Close()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.engine.address)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = conn.Close()
	})()
	for {
		command, err := readMessage(client)
		if err != nil {
			return
		}
		reply, err := p.answer(ctx, conn, command)
		if err != nil {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

// maxTimeMS is the field of a time limit, with its BSON type (int64) and the end of the name.
const maxTimeMS = "\x12maxTimeMS\x00"

// removeTimeLimit sets the time limit of a command to zero, which means none. At the time
// limit, FerretDB cancels a query before it closes the query. This sometimes leaves SQLite in
// a state in which later queries are interrupted.
func removeTimeLimit(command []byte) {
	i := bytes.LastIndex(command, []byte(maxTimeMS)) // the driver appends it after the documents
	if value := i + len(maxTimeMS); i >= 0 && value+8 <= len(command) {
		clear(command[value : value+8])
	}
}
