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

// diskFault makes the system calls of a running server fail or take long. It is an
// strace that is attached to the server.
type diskFault struct {
	strace *exec.Cmd
	output *bufio.Scanner
}

// injectFault starts a fault. The fault is active when injectFault returns.
func (s *server) injectFault(t *testing.T, calls, fault string) *diskFault {
	t.Helper()
	path := os.Getenv("STRACE")
	if path == "" {
		t.Skip("no disk fault was injected: $STRACE does not name the strace program")
	}
	strace := exec.Command(path, "-f", "-o", os.DevNull, "-e", "trace="+calls, "-e", "inject="+calls+":"+fault,
		"-p", strconv.Itoa(s.cmd.Process.Pid))
	stderr, err := strace.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	strace.SysProcAttr = dieWithUs()
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	f := &diskFault{strace, bufio.NewScanner(stderr)}
	t.Cleanup(f.end)
	if !f.output.Scan() || !strings.Contains(f.output.Text(), "attached") {
		_, _ = io.Copy(io.Discard, stderr)
		t.Fatalf("strace: %q, %v", f.output.Text(), strace.Wait())
	}
	return f
}

// end ends the fault.
func (f *diskFault) end() {
	if f.strace.ProcessState != nil {
		return
	}
	_ = f.strace.Process.Kill()
	for f.output.Scan() { // until strace has detached from every thread
	}
	_ = f.strace.Wait()
}

// No acknowledged write is lost, and the server accepts writes again after the
// fault without a restart.
func TestDiskThatFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		calls, fault string
		cause        string
		always       bool // the fault makes every write fail
	}{
		"fsync":               {"fdatasync,fsync", "error=EIO", "input/output error", true},
		"every other fsync":   {"fdatasync", "error=EIO:when=2+2", "input/output error", false}, // the one of the meta page
		"every third fsync":   {"fdatasync", "error=EIO:when=1+3", "input/output error", false},
		"write":               {"pwrite64", "error=EIO", "input/output error", true},
		"every fifth write":   {"pwrite64", "error=EIO:when=1+5", "input/output error", false},
		"full":                {"pwrite64", "error=ENOSPC", "no space left on device", true},
		"mounted read-only":   {"pwrite64,fdatasync,fsync,ftruncate", "error=EROFS", "read-only file system", true},
		"over the disk quota": {"pwrite64", "error=EDQUOT", "disk quota exceeded", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := folder(t)
			settings := []string{"WIDGETD_SECRET_KEY=" + secretKey}
			s := start(t, data, append(settings, asAdmin...)...)
			facts := s.newFacts(t)
			for range 3 {
				facts.write(t, true)
			}
			disk := s.injectFault(t, test.calls, test.fault)
			for range 20 {
				facts.write(t, !test.always)
				facts.wantReadable(t)
			}
			if record, ok := s.log.find("msg", "request failed"); !ok || !strings.Contains(fmt.Sprint(record["error"]), test.cause) {
				t.Errorf("the log has %v, want %q", record, test.cause)
			}
			disk.end()
			if acknowledged := facts.write(t, true); acknowledged < 3 {
				t.Errorf("%d of 3 writes succeed after the fault", acknowledged)
			}
			facts.wantKept(t, s)
			s.kill()
			facts.wantKept(t, start(t, data, settings...))
		})
	}
}

// facts are the writes that a server acknowledged.
type facts struct {
	s          *server
	mint       func() string
	admin      string
	rounds     int // calls of write
	widgets    []string
	loggedOut  []string
	registered []string
}

func (s *server) newFacts(t *testing.T) *facts {
	t.Helper()
	mint := s.minter(t)
	return &facts{s: s, mint: mint, admin: mint()}
}

// write tries to create a widget, to log a token out and to register an account. It
// returns the number of successes. The others must be answered with 503, and all
// of them if mayWork is false.
func (f *facts) write(t *testing.T, mayWork bool) (acknowledged int) {
	t.Helper()
	f.rounds++
	name, token := fmt.Sprintf("widget-%d", f.rounds), f.mint()
	email := name + "@example.com"
	for _, write := range []struct {
		request
		status int
		fact   string
		facts  *[]string
	}{
		{post("/widgets", f.admin, widgetFields().with("name", name)), 201, name, &f.widgets},
		{post("/auth/logout", token, nil), 200, token, &f.loggedOut},
		{post("/auth/register", "", fields{"email": email, "password": userPassword}), 201, email, &f.registered},
	} {
		switch res := f.s.do(t, write.request); {
		case res.status == 503:
		case !mayWork:
			t.Errorf("%s %s during the fault: %d %s", write.method, write.path, res.status, res.body)
		default:
			res.want(t, write.status, "")
			*write.facts = append(*write.facts, write.fact)
			acknowledged++
		}
	}
	return acknowledged
}

// wantReadable checks that reads succeed without waiting for the disk.
func (f *facts) wantReadable(t *testing.T) {
	t.Helper()
	began := time.Now()
	f.s.do(t, get("/widgets/widget-1", f.admin)).want(t, 200, "")
	f.s.do(t, get("/widgets", f.admin)).want(t, 200, "")
	f.s.do(t, get("/auth/user", f.loggedOut[0])).wantTokenRefused(t, tokenLoggedOut)
	f.s.do(t, readyz).want(t, 200, "")
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("reads took %v", took)
	}
}

// wantKept checks that a server has all acknowledged writes.
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

// Neither clients nor the operator wait for the disk.
func TestDiskThatHangs(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), append(asAdmin, "WIDGETD_SECRET_KEY="+secretKey)...)
	facts := s.newFacts(t)
	facts.write(t, true)
	disk := s.injectFault(t, "fdatasync,fsync", "delay_enter=120000000")
	facts.write(t, false) // send checks that the responses take less than 5 seconds
	facts.wantReadable(t)
	began := time.Now()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.lastWords = "widgetd: the store was left open: its disk does not answer"
	if !s.log.awaitText(s.lastWords, s.exited) {
		t.Errorf("the server does not stop waiting for the disk:\n%s", s.log)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the end took %v", took)
	}
	disk.end() // the system does not end a process while its disk hangs
	s.wantExit(1)
}

// mount mounts a new file system for the test, with the given options.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options)
	switch {
	case errors.Is(err, syscall.EPERM) && os.Getenv("MOUNTS") == "":
		t.Skip("no file system was mounted: only root may do that, and $MOUNTS is not set")
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
	facts := s.newFacts(t)
	facts.write(t, true)
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 8<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	for full := false; !full; { // until the free pages within the file are used up
		if facts.rounds > 1000 {
			t.Fatal("the file system does not become full")
		}
		full = facts.write(t, true) == 0
	}
	for range 5 {
		facts.write(t, true)
		facts.wantReadable(t)
	}
	if record, ok := s.log.find("msg", "request failed"); !ok || !strings.Contains(fmt.Sprint(record["error"]), "no space left on device") {
		t.Errorf("the log has %v", record)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if acknowledged := facts.write(t, true); acknowledged < 3 {
		t.Errorf("%d of 3 writes succeed with free space", acknowledged)
	}
	facts.wantKept(t, s)
	s.kill()
	s = start(t, data, "WIDGETD_SECRET_KEY="+secretKey)
	facts.wantKept(t, s)
	s.stop()
}

func TestFullFileSystemGetsNoHalfCopy(t *testing.T) {
	t.Parallel()
	disk := mount(t, "size=16k")
	data := folder(t)
	start(t, data)
	for _, verb := range []string{"backup", "export"} {
		if verb == "export" { // which is small
			if err := os.WriteFile(filepath.Join(disk, "filler"), make([]byte, 64<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("filling the disk: %v", err)
			}
		}
		before, err := os.ReadDir(disk)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(disk, "copy")
		for range 2 {
			run(t, "", verb, file, "--data", data).wantCode(t, 1, "no space left on device")
			if after, err := os.ReadDir(disk); err != nil || len(after) != len(before) {
				t.Errorf("%s leaves %v, %v", verb, after, err)
			}
		}
	}
	run(t, "", "check", "--data", data).wantWhole(t)
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

// withLockLimit makes the server run with a limit on locked memory, in KiB.
func (s *server) withLockLimit(limit string) *server {
	s.cmd.Args = append([]string{"sh", "-c", `ulimit -l "$0" && exec "$@"`, limit}, s.cmd.Args...)
	s.cmd.Path = "/bin/sh"
	return s
}

func TestLockedMemoryNeedsAnUnlimitedLimit(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"--lock-memory", "--lock-memory=on", "WIDGETD_LOCK_MEMORY=true"} {
		data := folder(t)
		s := prepare(t, data, setting).withLockLimit("4096")
		s.launch(t)
		line, refused := s.refusal(t)
		if !refused || !strings.Contains(line, "--lock-memory (WIDGETD_LOCK_MEMORY)") || !strings.Contains(line, "4194304 bytes") ||
			!strings.Contains(line, "ulimit -l unlimited") {
			t.Errorf("%s is refused: %v, with %q", setting, refused, line)
		}
		if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the refused start has made the data folder: %v", err)
		}
	}
}
