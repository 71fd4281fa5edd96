//go:build amd64 || arm64

package powercut

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Record runs this program again, with more variables in its environment, until it exits,
// and returns what it does to the files in folder and below. Standard output of the process
// goes to the trace only.
//
// The error is [ErrNotPermitted] if the system permits no tracing. Record also returns an
// error if the process does not exit with 0, if ctx ends, and if the process changes the
// files by a call that a [Trace] does not know, for example through memory.
func Record(ctx context.Context, folder string, env ...string) (*Trace, error) {
	type result struct {
		trace *Trace
		err   error
	}
	results := make(chan result)
	go func() {
		// All calls of ptrace must come from the thread that started the process. The
		// thread is not unlocked, so it ends with the goroutine.
		runtime.LockOSThread()
		trace, err := record(ctx, folder, env)
		results <- result{trace, err}
	}()
	r := <-results
	return r.trace, r.err
}

func record(ctx context.Context, folder string, env []string) (*Trace, error) {
	pid, err := startTraced(env)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })()
	r := &recorder{folder: folder, failed: map[int]bool{}, files: map[int]string{}, running: map[int]int{}}
	status, err := r.follow(pid)
	if err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		return nil, err
	}
	if err := errors.Join(r.problems...); err != nil {
		return nil, err
	}
	if status.ExitStatus() != 0 {
		return nil, errors.Join(fmt.Errorf("the process did not exit with 0: exit code %d, signal %d", status.ExitStatus(), status.Signal()), ctx.Err())
	}
	return r.withoutFailed(), nil
}

// startTraced starts the process. It stops before its first instruction.
func startTraced(env []string) (pid int, err error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = null.Close() }()
	process, err := os.StartProcess(program, []string{program}, &os.ProcAttr{
		Env:   append(os.Environ(), env...),
		Files: []*os.File{null, null, os.Stderr},
		Sys:   &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, notPermitted(err)
	}
	pid = process.Pid
	if err := process.Release(); err != nil { // follow waits for the process
		return 0, err
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || !status.Stopped() {
		return 0, fmt.Errorf("the process did not stop at its start: %v, %w", status, err)
	}
	err = syscall.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL)
	if err == nil {
		err = syscall.PtraceSyscall(pid, 0)
	}
	return pid, notPermitted(err)
}

// notPermitted adds [ErrNotPermitted] to the errors of a system that permits no tracing,
// or has no PTRACE_GET_SYSCALL_INFO: Linux has it from version 5.3 on.
func notPermitted(err error) error {
	for _, refusal := range []error{syscall.EPERM, syscall.EACCES, syscall.ENOSYS, syscall.EIO, syscall.EINVAL} {
		if errors.Is(err, refusal) {
			return fmt.Errorf("%w: %w", ErrNotPermitted, err)
		}
	}
	return err
}

// recorder makes a trace out of the stops of a process.
type recorder struct {
	folder   string
	trace    Trace
	failed   map[int]bool   // the calls that returned an error, by index
	files    map[int]string // paths of the open files in the folder by descriptor
	running  map[int]int    // the call that a thread has begun
	problems []error
}

// follow lets the process run from stop to stop until it ends.
func (r *recorder) follow(pid int) (syscall.WaitStatus, error) {
	known := map[int]bool{pid: true}
	for {
		var status syscall.WaitStatus
		// __WNOTHREAD: the test may have other children, which are not ours to wait for.
		tid, err := syscall.Wait4(-1, &status, syscall.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return status, err
		case status.Exited() || status.Signaled():
			if tid == pid {
				return status, nil
			}
			continue
		}
		signal := 0
		switch stop := status.StopSignal(); {
		case stop == syscall.SIGTRAP|0x80:
			if err := r.syscallStop(tid); err != nil {
				return status, err
			}
		case stop == syscall.SIGTRAP && status.TrapCause() > 0: // a new thread
		case stop == syscall.SIGSTOP && !known[tid]: // the first stop of a thread
		default:
			signal = int(stop)
		}
		known[tid] = true
		if err := syscall.PtraceSyscall(tid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return status, err
		}
	}
}

// syscallInfo is struct ptrace_syscall_info of Linux. At the end of a call, the first
// two words are the result and whether it is an error.
type syscallInfo struct {
	op    byte
	_     [7]byte
	_     [2]uint64 // registers
	words [8]uint64
}

// The values of syscallInfo.op.
const (
	atEntry = unix.PTRACE_SYSCALL_INFO_ENTRY
	atExit  = unix.PTRACE_SYSCALL_INFO_EXIT
)

func (r *recorder) syscallStop(tid int) error {
	info, err := getSyscallInfo(tid)
	if errors.Is(err, syscall.ESRCH) { // the thread was killed meanwhile
		return nil
	}
	if err != nil {
		return notPermitted(err)
	}
	switch info.op {
	case atEntry:
		delete(r.running, tid)
		call, found := r.begin(tid, info.words[0], info.words[1:])
		if !found {
			return nil
		}
		call.Pending = true
		r.running[tid] = len(r.trace.Calls)
		r.trace.Moments = append(r.trace.Moments, Moment{Call: len(r.trace.Calls)})
		r.trace.Calls = append(r.trace.Calls, call)
	case atExit:
		if index, found := r.running[tid]; found {
			r.end(index, int64(info.words[0])) //nolint:gosec // the result is signed
			delete(r.running, tid)
		}
	}
	return nil
}

// begin returns the call that a thread begins, if it is one to record.
func (r *recorder) begin(tid int, number uint64, args []uint64) (call Call, found bool) {
	fd := int(args[0]) //nolint:gosec // a descriptor is an int
	switch number {
	case unix.SYS_OPENAT:
		return r.open(tid, args)
	case unix.SYS_MKDIRAT:
		return r.named(tid, Call{Op: Mkdir, Mode: fs.FileMode(args[2]).Perm()}, args[:2], nil) //nolint:gosec // of 9 bits
	case unix.SYS_UNLINKAT:
		return r.named(tid, Call{Op: Remove}, args[:2], nil)
	case unix.SYS_LINKAT:
		return r.named(tid, Call{Op: Link}, args[:2], args[2:4])
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		if number == unix.SYS_RENAMEAT2 && args[4] != 0 {
			r.unknown(number)
		}
		return r.named(tid, Call{Op: Rename}, args[:2], args[2:4])
	}
	if number == unix.SYS_WRITE && fd == syscall.Stdout {
		return Call{Op: Report, Data: r.memory(tid, args[1], args[2])}, true
	}
	if number == unix.SYS_COPY_FILE_RANGE && r.isOpen(args[2]) ||
		number == unix.SYS_MMAP && r.isOpen(args[4]) && args[2]&unix.PROT_WRITE != 0 && args[3]&unix.MAP_SHARED != 0 {
		r.unknown(number)
	}
	if !r.isOpen(args[0]) {
		return Call{}, false
	}
	call = Call{FD: fd, Path: r.files[fd]}
	switch number {
	case unix.SYS_CLOSE:
		delete(r.files, fd) // now, because another thread may get the number before close returns
		call.Op = Close
	case unix.SYS_WRITE:
		call.Op, call.Offset, call.Data = Write, r.position(tid, fd), r.memory(tid, args[1], args[2])
	case unix.SYS_PWRITE64:
		call.Op, call.Offset, call.Data = Write, int64(args[3]), r.memory(tid, args[1], args[2]) //nolint:gosec // a position
	case unix.SYS_FTRUNCATE:
		call.Op, call.Size = Truncate, int64(args[1]) //nolint:gosec // a size
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		call.Op = Sync
	case unix.SYS_WRITEV, unix.SYS_PWRITEV, unix.SYS_PWRITEV2, unix.SYS_SENDFILE, unix.SYS_FALLOCATE,
		unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_IOCTL:
		r.unknown(number)
	case unix.SYS_FCNTL:
		if args[1] == unix.F_DUPFD || args[1] == unix.F_DUPFD_CLOEXEC {
			r.unknown(number)
		}
	}
	return call, call.Op != ""
}

// isOpen reports whether a descriptor is that of a file in the folder.
func (r *recorder) isOpen(fd uint64) bool {
	_, open := r.files[int(fd)] //nolint:gosec // a descriptor is an int
	return open
}

// end sets what is known of a call when it returns.
func (r *recorder) end(index int, result int64) {
	call := &r.trace.Calls[index]
	call.Pending = false
	if result < 0 {
		r.failed[index] = true
		return
	}
	switch call.Op {
	case Open:
		call.FD = int(result)
		r.files[call.FD] = call.Path
	case Write, Report:
		call.Data = call.Data[:result]
	}
	r.trace.Moments = append(r.trace.Moments, Moment{Call: index, End: true})
}

// withoutFailed returns the trace without the calls that failed.
func (r *recorder) withoutFailed() *Trace {
	trace := &Trace{}
	indexes := map[int]int{}
	for _, m := range r.trace.Moments {
		if r.failed[m.Call] {
			continue
		}
		index, found := indexes[m.Call]
		if !found {
			index = len(trace.Calls)
			indexes[m.Call] = index
			trace.Calls = append(trace.Calls, r.trace.Calls[m.Call])
		}
		trace.Moments = append(trace.Moments, Moment{Call: index, End: m.End})
	}
	return trace
}

func (r *recorder) open(tid int, args []uint64) (Call, bool) {
	flags := args[2]
	call := Call{
		Op:     Open,
		Create: flags&unix.O_CREAT != 0,
		Empty:  flags&unix.O_TRUNC != 0,
		Mode:   fs.FileMode(args[3]).Perm(), //nolint:gosec // of 9 bits
	}
	call, found := r.named(tid, call, args[:2], nil)
	if found && flags&(unix.O_APPEND|unix.O_DSYNC) != 0 {
		r.problems = append(r.problems, fmt.Errorf("%s was opened with the flags %#x: they are not recorded", call.Path, flags))
	}
	return call, found
}

// named sets the paths of a call. It returns false if they are not in the folder. Each
// path is a descriptor of a folder, which does not count for an absolute path, and the
// address of a text.
func (r *recorder) named(tid int, call Call, path, to []uint64) (Call, bool) {
	var inside bool
	if call.Path, inside = r.relative(r.text(tid, path[1])); !inside {
		return call, false
	}
	if to != nil {
		if call.To, inside = r.relative(r.text(tid, to[1])); !inside {
			r.problems = append(r.problems, fmt.Errorf("%s of %s out of the folder: it is not recorded", call.Op, call.Path))
		}
	}
	return call, true
}

// relative returns the path of a file relative to the folder. It returns false for a file
// that is not below the folder.
func (r *recorder) relative(path string) (string, bool) {
	if path == r.folder {
		return ".", true
	}
	return strings.CutPrefix(filepath.Clean(path), r.folder+"/")
}

func (r *recorder) unknown(number uint64) {
	r.problems = append(r.problems, fmt.Errorf("the process uses the system call %d on a file of the folder: it is not recorded", number))
}

// text returns the text that ends with a zero byte.
func (r *recorder) text(tid int, address uint64) string {
	var text []byte
	for page := uint64(os.Getpagesize()); ; { //nolint:gosec // positive
		part := r.memory(tid, address, page-address%page) // the next page may not exist
		if end := bytes.IndexByte(part, 0); end >= 0 || len(part) == 0 {
			return string(append(text, part[:max(end, 0)]...))
		}
		text, address = append(text, part...), address+uint64(len(part))
	}
}

// memory returns a part of the memory of the process.
func (r *recorder) memory(tid int, address, size uint64) []byte {
	data := make([]byte, size)
	if size == 0 {
		return data
	}
	n, err := readMemory(tid, address, data)
	if err != nil || n != len(data) {
		r.problems = append(r.problems, fmt.Errorf("read %d bytes of the memory of the process: %d, %w", size, n, err))
	}
	return data
}

// position returns the position of a descriptor, where write writes.
func (r *recorder) position(tid, fd int) int64 {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", tid, fd))
	var position int64
	if err == nil {
		_, rest, _ := strings.Cut(string(info), "pos:")
		text, _, _ := strings.Cut(rest, "\n")
		position, err = strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	}
	if err != nil {
		r.problems = append(r.problems, err)
	}
	return position
}
