package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// turns passes commands on to a FerretDB server, one at a time, whichever
// connection they come by. FerretDB looks for the documents of an update and
// writes them in two steps, and other commands may come between; in MongoDB the
// update of a document is atomic.
type turns struct {
	server string // FerretDB's address
	mu     sync.Mutex
}

// serve passes on what comes by ln until ctx ends. It closes ln.
func (t *turns) serve(ctx context.Context, ln net.Listener) {
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	var conversations sync.WaitGroup
	defer conversations.Wait()
	for {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		conversations.Go(func() { t.converse(ctx, client) })
	}
}

// converse passes on the commands of one connection until either side ends it.
func (t *turns) converse(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.server)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})()
	for {
		command, err := readMessage(client)
		if err != nil {
			return
		}
		reply, err := t.exchange(server, command)
		if err != nil {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

func (t *turns) exchange(server net.Conn, command []byte) (reply []byte, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := server.Write(command); err != nil {
		return nil, err
	}
	if expectsNoReply(command) {
		return nil, nil
	}
	return readMessage(server)
}

// The layout of a message: a header of four little-endian numbers of four
// bytes, the first the length of it all and the last the kind. A message of the
// kind opMsg goes on with its flags.
const (
	headerBytes = 16
	maxBytes    = 48_000_000
	opMsg       = 2013
	moreToCome  = 1 << 1
)

func readMessage(from io.Reader) ([]byte, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header[:])
	if length < headerBytes || length > maxBytes {
		return nil, fmt.Errorf("a message of %d bytes", length)
	}
	message := make([]byte, length)
	copy(message, header[:])
	_, err := io.ReadFull(from, message[headerBytes:])
	return message, err
}

func expectsNoReply(command []byte) bool {
	return len(command) >= headerBytes+4 &&
		binary.LittleEndian.Uint32(command[12:]) == opMsg &&
		binary.LittleEndian.Uint32(command[headerBytes:])&moreToCome != 0
}
