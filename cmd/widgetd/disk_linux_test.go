package main_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// trouble is a disk's, made for a running server by strace, which has its system
// calls fail or take long.
type trouble struct {
	strace *exec.Cmd
	output *bufio.Scanner
}

// trouble begins once it returns.
func (s *server) trouble(t *testing.T, calls, fault string) *trouble {
	t.Helper()
	path := os.Getenv("STRACE")
	strace := exec.Command(path, "-f", "-o", os.DevNull, "-e", "trace="+calls, "-e", "inject="+calls+":"+fault,
		"-p", strconv.Itoa(s.cmd.Process.Pid))
	if path == "" {
		t.Skip("the disk was not made to fail: $STRACE does not name the program that does it")
	}
	stderr, err := strace.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	strace.SysProcAttr = dieWithUs()
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	tr := &trouble{strace, bufio.NewScanner(stderr)}
	t.Cleanup(tr.end)
	if !tr.output.Scan() || !strings.Contains(tr.output.Text(), "attached") {
		_, _ = io.Copy(io.Discard, stderr)
		t.Fatalf("strace: %q, %v", tr.output.Text(), strace.Wait())
	}
	return tr
}

// end lets the disk be well again.
func (tr *trouble) end() {
	if tr.strace.ProcessState != nil {
		return
	}
	_ = tr.strace.Process.Kill()
	for tr.output.Scan() { // until it has let go of every thread
	}
	_ = tr.strace.Wait()
}

// TestDiskThatFails, in each of the ways a disk may, costs nothing that was
// acknowledged, and the server needs nobody when the disk is well again.
func TestDiskThatFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		calls, fault string
		cause        string
		always       bool // no write can succeed
	}{
		"fsync":                  {"fdatasync,fsync", "error=EIO", "input/output error", true},
		"every other fsync":      {"fdatasync", "error=EIO:when=2+2", "input/output error", false}, // that of the meta page
		"every third fsync":      {"fdatasync", "error=EIO:when=1+3", "input/output error", false},
		"write":                  {"pwrite64", "error=EIO", "input/output error", true},
		"every fifth write":      {"pwrite64", "error=EIO:when=1+5", "input/output error", false},
		"full":                   {"pwrite64", "error=ENOSPC", "no space left on device", true},
		"mounted read-only":      {"pwrite64,fdatasync,fsync,ftruncate", "error=EROFS", "read-only file system", true},
		"over the user's limits": {"pwrite64", "error=EDQUOT", "disk quota exceeded", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := folder(t)
			settings := []string{"WIDGETD_SECRET_KEY=" + secretKey}
			s := start(t, data, append(settings, asAdmin...)...)
			facts := s.gather(t)
			for range 3 {
				facts.write(t, true)
			}
			disk := s.trouble(t, test.calls, test.fault)
			for range 20 {
				facts.write(t, !test.always)
				facts.wantReadable(t)
			}
			if record, ok := s.log.find("msg", "request failed"); !ok || !strings.Contains(fmt.Sprint(record["error"]), test.cause) {
				t.Errorf("the log tells of %v, want %q", record, test.cause)
			}
			disk.end()
			if acknowledged := facts.write(t, true); acknowledged < 3 {
				t.Errorf("%d of 3 writes succeed on a disk that is well again", acknowledged)
			}
			facts.wantKept(t, s)
			s.kill()
			facts.wantKept(t, start(t, data, settings...))
		})
	}
}

// facts are what a server acknowledged.
type facts struct {
	s          *server
	mint       func() string
	admin      string
	asked      int
	widgets    []string
	loggedOut  []string
	registered []string
}

func (s *server) gather(t *testing.T) *facts {
	t.Helper()
	mint := s.minter(t)
	return &facts{s: s, mint: mint, admin: mint()}
}

// write tries to create a widget, to log a token out and to register somebody,
// and returns how many of them were acknowledged. The others were told 503.
func (f *facts) write(t *testing.T, may bool) (acknowledged int) {
	t.Helper()
	f.asked++
	name, token := fmt.Sprintf("widget-%d", f.asked), f.mint()
	email := name + "@example.com"
	for _, write := range []struct {
		request
		status int
		what   string
		facts  *[]string
	}{
		{post("/widgets", f.admin, widgetFields().with("name", name)), 201, name, &f.widgets},
		{post("/auth/logout", token, nil), 200, token, &f.loggedOut},
		{post("/auth/register", "", fields{"email": email, "password": userPassword}), 201, email, &f.registered},
	} {
		switch res := f.s.do(t, write.request); {
		case res.status == 503:
		case !may:
			t.Errorf("%s %s on a disk that fails: %d %s", write.method, write.path, res.status, res.body)
		default:
			res.want(t, write.status, "")
			*write.facts = append(*write.facts, write.what)
			acknowledged++
		}
	}
	return acknowledged
}

// wantReadable checks that reads go on. They wait for no disk, or they would take
// as long as the ports may.
func (f *facts) wantReadable(t *testing.T) {
	t.Helper()
	began := time.Now()
	f.s.do(t, get("/widgets/widget-1", f.admin)).want(t, 200, "")
	f.s.do(t, get("/widgets", f.admin)).want(t, 200, "")
	f.s.do(t, get("/auth/user", f.loggedOut[0])).wantTokenRefused(t, tokenLoggedOut)
	f.s.do(t, request{method: "GET", path: "/readyz"}).want(t, 200, "")
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("reads took %v", took)
	}
}

// wantKept checks that a server has all that was acknowledged.
func (f *facts) wantKept(t *testing.T, s *server) {
	t.Helper()
	names := s.names(t, f.admin)
	for _, name := range f.widgets {
		if !slices.Contains(names, name) {
			t.Errorf("the widget %s is lost", name)
		}
	}
	for _, token := range f.loggedOut {
		s.do(t, get("/auth/user", token)).wantTokenRefused(t, tokenLoggedOut)
	}
	for _, email := range f.registered {
		s.do(t, post("/auth/register", "", fields{"email": email, "password": userPassword})).want(t, 409, "")
	}
}

// TestDiskThatHangs keeps neither a client waiting nor an operator.
func TestDiskThatHangs(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), append(asAdmin, "WIDGETD_SECRET_KEY="+secretKey)...)
	facts := s.gather(t)
	facts.write(t, true)
	disk := s.trouble(t, "fdatasync,fsync", "delay_enter=120000000")
	facts.write(t, false) // send checks that it takes less than 5 seconds
	facts.wantReadable(t)
	began := time.Now()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.lastWords = "widgetd: the store was left open: its disk does not answer"
	if !s.log.awaitText(s.lastWords, s.exited) {
		t.Errorf("the server does not give up:\n%s", s.log)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the end took %v", took)
	}
	disk.end() // the system keeps a process as long as its disk hangs
	s.wantExit(1)
}

// mount makes a file system of its own for the test, with those options.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options)
	switch {
	case errors.Is(err, syscall.EPERM) && os.Getenv("MOUNTS") == "":
		t.Skip("no file system of its own was tried: only root may mount one, and $MOUNTS is not set")
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullFileSystem(t *testing.T) {
	t.Parallel()
	disk := mount(t, "size=4m")
	data := filepath.Join(disk, "data")
	s := start(t, data, append(asAdmin, "WIDGETD_SECRET_KEY="+secretKey)...)
	facts := s.gather(t)
	facts.write(t, true)
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 8<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	for full := false; !full; { // what was set free within the file is used up first
		if facts.asked > 1000 {
			t.Fatal("the disk is never full")
		}
		full = facts.write(t, true) == 0
	}
	for range 5 {
		facts.write(t, true)
		facts.wantReadable(t)
	}
	if record, ok := s.log.find("msg", "request failed"); !ok || !strings.Contains(fmt.Sprint(record["error"]), "no space left on device") {
		t.Errorf("the log tells of %v", record)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if acknowledged := facts.write(t, true); acknowledged < 3 {
		t.Errorf("%d of 3 writes succeed when there is room again", acknowledged)
	}
	facts.wantKept(t, s)
	s.kill()
	s = start(t, data, "WIDGETD_SECRET_KEY="+secretKey)
	facts.wantKept(t, s)
	s.stop()
}

func TestReadOnlyFolderIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	disk := mount(t, "size=1m")
	data := filepath.Join(disk, "data")
	s := start(t, data)
	s.stop()
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	run(t, "", "--addr", "127.0.0.1:0", "--data", data).wantRefusal(t, "--data (WIDGETD_DATA)", data, "read-only file system")
	run(t, "", "--addr", "127.0.0.1:0", "--data", filepath.Join(disk, "new")).wantRefusal(t, "--data (WIDGETD_DATA)", "read-only file system")
}
