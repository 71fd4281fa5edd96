// Package control lets the operator's commands speak to a running server. The server
// listens at a Unix socket, control.sock in the data folder. [Client] implements
// [ports.Accounts], [ports.Transfer] and [ports.Maintenance] by requests to it, and
// [Client.Keys] returns [ports.Keys], so that a command is the same whether it asks a server
// or opens the store itself.
//
// The protocol is HTTP. Each request is a POST to the path of an operation, with a JSON body:
// see operations.go for the accounts and keys.go for the keys. The long operations, which
// copy, check, export and import the store, have no time limit. Their response is a sequence
// of frames, see stream.go, and the body of an import is the file. A long operation ends
// when its client closes the connection, does not read for 10 seconds, or sends nothing of
// the file for a minute. Every request and response has the protocol's version in a header.
// The server refuses a request of another version. The error of the client then names the
// versions of both programs.
//
// Only the server's user and root may connect: the socket has mode 0600, and the server
// asks the system for the user of each connection where the system tells it.
//
// The files:
//
//	control.go      the version of the protocol
//	client.go       the client
//	server.go       the server
//	operations.go   the operations on accounts, and their paths
//	keys.go         the operations on keys
//	transfer.go     export and import
//	maintenance.go  backup and check
//	message.go      the bodies of requests and responses
//	stream.go       the frames of long operations, and the server's end of them
//	receive.go      the client's end of long operations
//	socket_unix.go  the socket: where it is, and whose it may be
//	peer_linux.go   the user at the other end of a connection, for each system
package control

import (
	"cmp"
	"errors"
	"fmt"
)

// socketName is the socket's name in the data folder.
const socketName = "control.sock"

const (
	// protocol is the version of the protocol. It grows with every change that an
	// older client or server would misunderstand. A new operation is no such change.
	protocol = "1"

	// protocolHeader is the header with the version of the protocol.
	protocolHeader = "Widgetd-Control"

	// programHeader is the header with the version of the program, for messages.
	programHeader = "Widgetd-Version"
)

// ErrNotRunning is the error of [Dial] if no server can be reached at the socket. The
// text of the error is the reason.
var ErrNotRunning = errors.New("no server can be reached")

// notRunning is an ErrNotRunning with a reason.
type notRunning struct{ reason error }

func (e *notRunning) Error() string        { return e.reason.Error() }
func (e *notRunning) Unwrap() error        { return e.reason }
func (e *notRunning) Is(target error) bool { return target == ErrNotRunning }

// errVersions returns the error for a client and a server that do not understand each
// other.
func errVersions(server, client string) error {
	const unknown = "of an unknown version"
	return fmt.Errorf("the server is widgetd %s, this is widgetd %s: run the command with the version of the server, or restart the server with this version",
		cmp.Or(server, unknown), cmp.Or(client, unknown))
}
