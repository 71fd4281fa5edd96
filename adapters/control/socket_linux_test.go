package control_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/widgetd/widgetd/adapters/control"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// nobody is the id of a user without rights.
const nobody = 65534

func TestPathMayBeLongerThanThatOfASocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("folder/", 40))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	wantNotRunning(t, dir, "there is no socket")
	server := start(t, dir, answering(sample.User(1), nil))
	wantStartRefused(t, dir, "another server listens at")
	if err := connect(t, dir).LogOut(t.Context(), domain.Operator(), sample.ID(1)); err != nil {
		t.Error(err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	wantNotRunning(t, dir, "there is no socket")
}

func TestSocketOfAnotherUserIsNeitherUsedNorRemoved(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("only root can give a file to another user")
		return
	}
	dir := folder(t)
	leaveSocket(t, dir)
	if err := os.Chown(socketIn(dir), nobody, -1); err != nil {
		t.Fatal(err)
	}
	wantStartRefused(t, dir, "belongs to the user 65534, and the server runs as the user 0", "remove it")
	wantNotRunning(t, dir, "belongs to the user 65534")
}

func TestRootMayUseTheSocketOfTheOwnerOfTheFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("only root can give a file to another user")
		return
	}
	dir := folder(t)
	start(t, dir, answering(sample.User(1), nil))
	for _, path := range []string{dir, socketIn(dir)} {
		if err := os.Chown(path, nobody, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := connect(t, dir).LogOut(t.Context(), domain.Operator(), sample.ID(1)); err != nil {
		t.Error(err)
	}
}

func TestRequestOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("only root can become another user")
		return
	}
	dir := folder(t)
	start(t, dir, answering(sample.User(1), nil))
	// The other user can open the socket. That takes a mistake of the operator.
	for path, mode := range map[string]os.FileMode{dir: 0o711, socketIn(dir): 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	refused := make(chan error)
	go asNobody(t, func() {
		client, err := control.Dial(t.Context(), dir, version)
		if err == nil {
			_ = client.Close()
		}
		refused <- err
	})
	if err := <-refused; err == nil || !strings.Contains(err.Error(), "runs as the user 0 and takes no commands of the user 65534") {
		t.Errorf("Dial returned %v", err)
	}
}

// asNobody runs f on a thread of its own that belongs to another user.
func asNobody(t *testing.T, f func()) {
	runtime.LockOSThread() // and never unlock it: the thread ends with the goroutine
	if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
		t.Error(errno)
	}
	f()
}
