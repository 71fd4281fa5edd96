package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// frame is a frame of the protocol of the control socket: see package control.
func frame(kind byte, content string) string {
	length := len(content)
	return string([]byte{kind, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}) + content
}

// serveControl answers every request at the control socket of a new data folder, except the
// first of each command, with a handler. It returns the folder.
func serveControl(t *testing.T, handler http.HandlerFunc) (data string) {
	t.Helper()
	data = t.TempDir()
	ln, err := net.Listen("unix", filepath.Join(data, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Widgetd-Control", "1")
		if r.URL.Path == "/hello" {
			_, _ = io.WriteString(w, "{}")
			return
		}
		handler(w, r)
	})}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { server.Close() })
	return data
}

// wantNoFiles checks that a folder is empty.
func wantNoFiles(t *testing.T, dir string) {
	t.Helper()
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("the folder has %v, %v", files, err)
	}
}

func TestCopyThatTheServerCutsOffLeavesNoFile(t *testing.T) {
	t.Parallel()
	data := serveControl(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, frame('d', "a part"))
	})
	for _, verb := range []string{"backup", "export"} {
		dir := t.TempDir()
		run(t, "", verb, filepath.Join(dir, "file"), "--data", data).wantCode(t, 1, "the server ended the operation before it was complete")
		wantNoFiles(t, dir)
		if got := run(t, "", verb, "-", "--data", data); got.code != 1 || got.stdout != "a part" || !strings.Contains(got.stderr, "before it was complete") {
			t.Errorf("%s to standard output: %+v", verb, got)
		}
	}
	run(t, "", "check", "--data", data).wantCode(t, 1, "the server sent a frame of the unknown kind 'd'")
}

func TestInterruptLeavesNoFile(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	data := serveControl(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, frame('d', strings.Repeat("a part", 10_000)))
		_ = http.NewResponseController(w).Flush()
		begun <- struct{}{}
		<-r.Context().Done()
	})
	for _, verb := range []string{"backup", "export"} {
		dir := t.TempDir()
		file := filepath.Join(dir, "file")
		cmd := command(t.Context(), verb, file, "--data", data)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-begun
		for files := 0; files == 0; { // until the command has begun to write
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			files = len(entries)
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // the exit code is in ProcessState
		if code := cmd.ProcessState.ExitCode(); code != 1 || stderr.String() != "widgetd: interrupted: "+file+" was not written\n" {
			t.Errorf("%s: exit code %d, %q", verb, code, stderr.String())
		}
		wantNoFiles(t, dir)
	}
}

// TestFileThatAppearsMeanwhileIsNotReplaced creates the file after the command has looked
// for it.
func TestFileThatAppearsMeanwhileIsNotReplaced(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	data := serveControl(t, func(w http.ResponseWriter, _ *http.Request) {
		if err := os.WriteFile(file, []byte("not ours"), 0o600); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, frame('d', "ours")+frame('e', "{}"))
	})
	for _, verb := range []string{"backup", "export"} {
		run(t, "", verb, file, "--data", data).wantCode(t, 3, file+" exists already")
		wantFile(t, file, []byte("not ours"))
		run(t, "", verb, file, "--force", "--data", data).wantDone(t, map[string]string{"backup": "backed up", "export": "exported"}[verb]+" 4 bytes to "+file+"\n")
		wantFile(t, file, []byte("ours"))
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}

// TestErrorsOfTheServerEndTheCommand is about errors that the commands do not make themselves.
func TestErrorsOfTheServerEndTheCommand(t *testing.T) {
	t.Parallel()
	data := serveControl(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, frame('p', "{}")+frame('e', `{"failure":{"message":"data file: page 7 is damaged"}}`))
	})
	for _, args := range [][]string{{"check"}, {"backup", filepath.Join(t.TempDir(), "file")}} {
		run(t, "", append(args, "--data", data)...).wantCode(t, 1, "widgetd: data file: page 7 is damaged\n")
	}
	refused := run(t, "", "import", "-", "--data", data)
	if refused.code != 1 || !strings.HasSuffix(refused.stderr, "page 7 is damaged\n") || refused.stdout != counts("standard input", 0, 0, 0) {
		t.Errorf("import: %+v", refused)
	}
}

// TestServerOfAnEarlierVersionIsNamed is for a server without the long operations.
func TestServerOfAnEarlierVersionIsNamed(t *testing.T) {
	t.Parallel()
	data := serveControl(t, http.NotFound)
	for _, args := range [][]string{{"check"}, {"backup", "-"}, {"export", "-"}} {
		run(t, "", append(args, "--data", data)...).wantCode(t, 1, "run the command with the version of the server")
	}
}

func TestServerStartsWithoutASocket(t *testing.T) {
	t.Parallel()
	const warning = "commands cannot reach this server: it has no control socket"
	for name, test := range map[string]struct {
		occupy func(t *testing.T, path string)
		reason string
	}{
		"another file": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("notes"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is no socket"},
		"another server's socket": {func(t *testing.T, path string) {
			ln, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ln.Close() })
		}, "another server listens at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := folder(t)
			if err := os.Mkdir(data, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(data, "control.sock")
			test.occupy(t, path)
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, data)
			line, found := s.log.find("msg", warning)
			if cause, _ := line["error"].(string); !found || line["level"] != "WARN" || !strings.Contains(cause, test.reason) || !strings.Contains(cause, path) {
				t.Errorf("the log has %v", line)
			}
			s.register(t, userEmail, userPassword)
			s.stop()
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("the file was replaced: %v", err)
			}
		})
	}
}

func TestCommandReachesAServerInAFolderWithALongPath(t *testing.T) {
	t.Parallel()
	data := filepath.Join(folder(t), strings.Repeat("long/", 50), "data")
	s := start(t, data)
	o := operator{t, []string{"--data", data}}
	got := o.users("a password\n", "add", userEmail)
	if _, found := s.log.find("msg", "commands cannot reach this server: it has no control socket"); found {
		// The system has no short path for the folder: the server and the command say so.
		got.wantCode(t, 1, "longer than")
		return
	}
	got.wantDone(t, "added user "+userEmail+"\n")
}

func TestCommandRefusesAServerOfAnotherVersion(t *testing.T) {
	t.Parallel()
	data := folder(t)
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(data, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Widgetd-Control", "99")
		w.Header().Set("Widgetd-Version", "v99.0.0")
		fmt.Fprint(w, "{}")
	})}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { server.Close() })
	operator{t, []string{"--data", data}}.users("", "list").wantCode(t, 1, "the server is widgetd v99.0.0, this is widgetd ")
}
