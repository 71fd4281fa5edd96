//go:build unix && !linux && !darwin && !freebsd

package control

import "net"

// peerOf reports that the system does not tell the user at the other end of a
// connection. The mode of the socket decides then.
func peerOf(*net.UnixConn) (uid int, known bool, err error) { return 0, false, nil }
