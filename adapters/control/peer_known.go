//go:build linux || darwin || freebsd

package control

import (
	"errors"
	"net"
)

// peerOf returns the user of the process at the other end of a connection. Known is
// false if the system does not tell it.
func peerOf(conn *net.UnixConn) (uid int, known bool, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { uid, failed = peerUser(int(fd)) })
	if err := errors.Join(err, failed); err != nil {
		return 0, false, err
	}
	return uid, true, nil
}
