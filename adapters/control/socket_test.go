//go:build unix

package control_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/control"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

func socketIn(dir string) string { return filepath.Join(dir, "control.sock") }

// leaveSocket leaves a socket behind at which nothing listens, as a crash does.
func leaveSocket(t *testing.T, dir string) {
	t.Helper()
	ln, err := net.Listen("unix", socketIn(dir))
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
}

// wantStartRefused checks that no server starts in the folder, and that the file at the
// name of the socket stays.
func wantStartRefused(t *testing.T, dir string, texts ...string) {
	t.Helper()
	before, err := os.Lstat(socketIn(dir))
	if err != nil {
		t.Fatal(err)
	}
	server, err := control.Start(t.Context(), dir, control.Services{}, version, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Error("the server starts")
		_ = server.Stop(t.Context())
		return
	}
	for _, text := range append(texts, socketIn(dir)) {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("Start returned %q, want %q in it", err, text)
		}
	}
	if after, err := os.Lstat(socketIn(dir)); err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was removed or replaced: %v", err)
	}
}

// wantNotRunning checks that Dial finds no server, and its reason.
func wantNotRunning(t *testing.T, dir, reason string) {
	t.Helper()
	client, err := control.Dial(t.Context(), dir, version)
	if err == nil {
		_ = client.Close()
	}
	if !errors.Is(err, control.ErrNotRunning) || !strings.Contains(err.Error(), reason) {
		t.Errorf("Dial returned %v, want %q", err, reason)
	}
}

func TestSocketIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	start(t, dir, &fakes.AccountsMock{})
	info, err := os.Lstat(socketIn(dir))
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("the folder has %v, %v", files, err)
	}
}

func TestWithoutAServerThereIsNoClient(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	wantNotRunning(t, dir, "there is no socket "+socketIn(dir))
	wantNotRunning(t, filepath.Join(dir, "missing"), "there is no socket")
	wantNotRunning(t, os.DevNull, "not a directory")
	leaveSocket(t, dir)
	wantNotRunning(t, dir, "no server listens at "+socketIn(dir))
}

func TestSocketOfACrashedServerIsReplaced(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	leaveSocket(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, ".ctl", "s"), 0o700); err != nil { // a crash during Start
		t.Fatal(err)
	}
	start(t, dir, answering(sample.User(1), nil))
	if err := connect(t, dir).LogOut(t.Context(), domain.Operator(), sample.ID(1)); err != nil {
		t.Error(err)
	}
}

func TestSocketOfALiveServerIsKept(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	start(t, dir, answering(sample.User(1), nil))
	wantStartRefused(t, dir, "another server listens at")
	if err := connect(t, dir).LogOut(t.Context(), domain.Operator(), sample.ID(1)); err != nil {
		t.Error(err)
	}
}

func TestFileThatIsNoSocketIsKept(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]func(string) error{
		"a file":   func(path string) error { return os.WriteFile(path, []byte("notes"), 0o600) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a link":   func(path string) error { return os.Symlink(os.DevNull, path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			if err := create(socketIn(dir)); err != nil {
				t.Fatal(err)
			}
			wantStartRefused(t, dir, "is no socket", "remove it")
			wantNotRunning(t, dir, "is no socket")
		})
	}
}

func TestFolderWithoutRoomForASocketIsReported(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{filepath.Join(folder(t), "missing"), os.DevNull} {
		if _, err := control.Start(t.Context(), dir, control.Services{}, version, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("Start returned %v, want %q in it", err, dir)
		}
	}
}

func TestStopRemovesTheSocketAndWaitsForRequests(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	began, finish := make(chan struct{}), make(chan struct{})
	server := start(t, dir, &fakes.AccountsMock{LogOutFunc: func(context.Context, domain.Actor, domain.UUID) error {
		close(began)
		<-finish
		return nil
	}})
	client := connect(t, dir)
	answered, stopped := make(chan error, 1), make(chan error, 1)
	go func() { answered <- client.LogOut(t.Context(), domain.Operator(), sample.ID(1)) }()
	<-began
	go func() { stopped <- server.Stop(t.Context()) }()
	for { // until the socket is removed
		if _, err := os.Lstat(socketIn(dir)); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	wantNotRunning(t, dir, "there is no socket")
	select {
	case err := <-stopped:
		t.Fatalf("Stop returned before the request ended: %v", err)
	default:
	}
	close(finish)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestStopDoesNotWaitLongerThanItsContext(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	began, ended := make(chan struct{}), make(chan struct{})
	server := start(t, dir, &fakes.AccountsMock{LogOutFunc: func(ctx context.Context, _ domain.Actor, _ domain.UUID) error {
		close(began)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}})
	client := connect(t, dir)
	answered := make(chan error, 1)
	go func() { answered <- client.LogOut(t.Context(), domain.Operator(), sample.ID(1)) }()
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := server.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop returned %v", err)
	}
	if err := <-answered; !errors.Is(err, domain.Unavailable) {
		t.Errorf("LogOut returned %v", err)
	}
	<-ended
}

func TestStopLeavesTheSocketOfAnotherServer(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	server := start(t, dir, &fakes.AccountsMock{})
	if err := os.Remove(socketIn(dir)); err != nil {
		t.Fatal(err)
	}
	start(t, dir, answering(sample.User(1), nil))
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := connect(t, dir).LogOut(t.Context(), domain.Operator(), sample.ID(1)); err != nil {
		t.Error(err)
	}
}
