//go:build !unix

package control

import (
	"context"
	"errors"
	"net"
)

// errNoSockets is the error on systems that have no Unix sockets, or none with
// permissions.
var errNoSockets = errors.New("this system has no control socket: stop the server first")

type socket struct{ listener net.Listener }

func listen(context.Context, string) (*socket, error) { return nil, errNoSockets }

func (*socket) remove() error { return nil }

func dial(context.Context, string) (net.Conn, error) { return nil, errNoSockets }

func checkClient(net.Conn) error { return errNoSockets }
