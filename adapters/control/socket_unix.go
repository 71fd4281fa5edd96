//go:build unix

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// newFolder and newName are the folder and the name of a new socket before it is renamed;
// see listen. The folder is in the data folder. Together they are shorter than socketName,
// so that the path is not too long if that of the socket is not.
const (
	newFolder = ".ctl"
	newName   = "s"
)

// dialTimeout bounds an attempt to connect to the socket.
const dialTimeout = helloTimeout

// socket is a server's end of the control socket.
type socket struct {
	path     string
	file     os.FileInfo
	listener *net.UnixListener
}

// listen creates the socket in the folder dir. It replaces a socket at which no server
// listens.
//
// The socket is created in a folder with mode 0700, gets mode 0600 there, and is renamed.
// So no other user can connect at any moment, also if the data folder is open to others.
func listen(ctx context.Context, dir string) (*socket, error) {
	path := filepath.Join(dir, socketName)
	if err := checkPlace(ctx, dir); err != nil {
		return nil, err
	}
	fresh := filepath.Join(dir, newFolder)
	if err := os.RemoveAll(fresh); err != nil { // a crash may have left it behind
		return nil, err
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	listener, err := listenAt(ctx, fresh, newName)
	if err != nil {
		return nil, err
	}
	created := filepath.Join(fresh, newName)
	if err := errors.Join(os.Chmod(created, 0o600), os.Rename(created, path)); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	file, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &socket{path, file, listener}, nil
}

func listenAt(ctx context.Context, dir, name string) (listener *net.UnixListener, err error) {
	err = withShortPath(dir, name, func(path string) error {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
		if err != nil {
			return fmt.Errorf("the folder %s cannot hold a socket: %w", dir, err)
		}
		listener = ln.(*net.UnixListener)
		listener.SetUnlinkOnClose(false) // the socket is renamed; see remove
		return nil
	})
	return listener, err
}

// remove removes the socket, unless another file has its name by now.
func (s *socket) remove() error {
	if file, _ := os.Lstat(s.path); !os.SameFile(file, s.file) { // nil if there is no file
		return nil
	}
	return os.Remove(s.path)
}

// checkPlace returns nil if the socket's name in the folder dir is free, or is that of a
// socket of this user at which no server listens.
func checkPlace(ctx context.Context, dir string) error {
	path := filepath.Join(dir, socketName)
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case file.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is no socket: remove it and start the server again", path)
	case ownerOf(file) != os.Geteuid():
		return fmt.Errorf("%s belongs to the user %d, and the server runs as the user %d: remove it and start the server again",
			path, ownerOf(file), os.Geteuid())
	}
	conn, err := connect(ctx, dir)
	switch {
	case err == nil:
		return errors.Join(fmt.Errorf("another server listens at %s", path), conn.Close())
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fmt.Errorf("%s: cannot tell whether a server listens there: %w", path, err)
}

// dial connects to the server whose socket is in the folder dir.
func dial(ctx context.Context, dir string) (net.Conn, error) {
	path := filepath.Join(dir, socketName)
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no socket %s", path)
	case err != nil:
		return nil, err
	case file.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is no socket", path)
	case !isTrusted(dir, ownerOf(file)):
		return nil, fmt.Errorf("%s belongs to the user %d: run the command as that user, or remove the file if that user is not to run the server",
			path, ownerOf(file))
	}
	conn, err := connect(ctx, dir)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no server listens at %s", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s belongs to the user %d: run the command as that user or as root", path, ownerOf(file))
	case err != nil:
		return nil, err
	}
	uid, known, err := peerOf(conn)
	if err == nil && known && !isTrusted(dir, uid) {
		err = fmt.Errorf("the server at %s runs as the user %d, which does not own the folder", path, uid)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func connect(ctx context.Context, dir string) (conn *net.UnixConn, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	err = withShortPath(dir, socketName, func(path string) error {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err != nil {
			return err
		}
		conn = c.(*net.UnixConn)
		return nil
	})
	return conn, err
}

// isTrusted reports whether a command may send passwords to a server of the given user:
// the command's own user, root, and for root also the owner of the folder dir.
func isTrusted(dir string, uid int) bool {
	if uid == os.Geteuid() || uid == 0 {
		return true
	}
	folder, err := os.Stat(dir)
	return os.Geteuid() == 0 && err == nil && ownerOf(folder) == uid
}

// checkClient returns nil if the server may answer the user at the other end of a
// connection: the server's own user, and root.
func checkClient(conn net.Conn) error {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("a connection of type %T", conn)
	}
	uid, known, err := peerOf(unixConn)
	switch {
	case err != nil:
		return fmt.Errorf("cannot tell which user sends the request: %w", err)
	case known && uid != os.Geteuid() && uid != 0:
		return fmt.Errorf("the server runs as the user %d and takes no commands of the user %d: run the command as that user or as root",
			os.Geteuid(), uid)
	}
	return nil
}

// maxPathBytes is the length of the longest path of a socket. The system's structure has
// one more byte, for a NUL.
const maxPathBytes = len(syscall.RawSockaddrUnix{}.Path) - 1

// withShortPath calls use with a path of the file name in the folder dir that is not too
// long for a socket. On Linux there is always one if /proc is mounted.
func withShortPath(dir, name string, use func(path string) error) error {
	path := filepath.Join(dir, name)
	if len(path) <= maxPathBytes {
		return use(path)
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	proc := "/proc/self/fd/" + strconv.Itoa(int(folder.Fd()))
	if info, err := os.Stat(proc); err == nil && info.IsDir() {
		return use(filepath.Join(proc, name))
	}
	if relative, ok := relativePath(path); ok && len(relative) <= maxPathBytes {
		return use(relative)
	}
	return fmt.Errorf("the path of %s is longer than the %d bytes that the system allows for a socket: "+
		"choose a data folder with a shorter path, or start in a folder near it", path, maxPathBytes)
}

// relativePath returns the path from the working folder.
func relativePath(path string) (string, bool) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", false
	}
	working, err := os.Getwd()
	if err != nil {
		return "", false
	}
	relative, err := filepath.Rel(working, absolute)
	return relative, err == nil
}

func ownerOf(file os.FileInfo) int {
	return int(file.Sys().(*syscall.Stat_t).Uid)
}
