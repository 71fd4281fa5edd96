package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server process.
type process struct {
	cmd     *exec.Cmd
	addr    string
	log     string        // the file of its access log; empty if it has none
	started time.Duration // the time from the start until the server listened
	stop    func() error  // makes the process end
	wait    func() error  // waits until the process has ended
}

// buildProgram builds the program into a folder, with the dependencies of its own
// module, and returns its path and its commit.
func buildProgram(ctx context.Context, folder string) (path, commit string, err error) {
	path = filepath.Join(folder, "widgetd")
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/widgetd/widgetd")
	list.Stderr = os.Stderr
	listed, err := list.Output()
	if err != nil {
		return "", "", fmt.Errorf("go list: %w", err)
	}
	module := strings.TrimSpace(string(listed))
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/widgetd/widgetd/cmd/widgetd")
	build.Dir, build.Stderr = module, os.Stderr
	return path, commitOf(ctx, module), build.Run()
}

// commitOf returns the commit that is checked out in a folder, followed by "-dirty" if
// files were changed. It returns "unknown" if Git fails.
func commitOf(ctx context.Context, folder string) string {
	git := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40")
	git.Dir = folder
	commit, err := git.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(commit))
}

// startProgram starts the program with the given settings, on a free port, and waits
// until it listens. All other settings have their defaults. The log goes to a file.
func startProgram(ctx context.Context, path, logFile string, settings ...string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the program has its own descriptor
	cmd := exec.CommandContext(ctx, path, "--addr", "127.0.0.1:0")
	cmd.Env = append(withoutSettings(os.Environ()), settings...)
	cmd.Stderr = log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var exit error
	exited := make(chan struct{})
	go func() {
		exit = cmd.Wait()
		close(exited)
	}()
	p := &process{
		cmd:  cmd,
		log:  logFile,
		stop: func() error { return cmd.Process.Signal(syscall.SIGTERM) },
		wait: func() error { <-exited; return exit },
	}
	if p.addr, err = awaitListening(ctx, log.Name(), exited); err != nil {
		_ = cmd.Process.Kill() // fails if the program has ended
		return nil, errors.Join(err, p.wait())
	}
	p.started = time.Since(began)
	return p, nil
}

// withoutSettings returns an environment without the variables that the program reads:
// its own and those of OpenTelemetry.
func withoutSettings(environment []string) []string {
	return slices.DeleteFunc(environment, func(variable string) bool {
		return strings.HasPrefix(variable, "WIDGETD_") || strings.HasPrefix(variable, "OTEL_")
	})
}

// awaitListening waits until the program listens and returns its address, which it reads
// from the log. It returns an error with the log if the program exits first or does not
// listen within a minute.
func awaitListening(ctx context.Context, log string, exited <-chan struct{}) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if addr := listensAt(log); addr != "" {
			return addr, nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
			continue
		case <-exited:
		case <-ctx.Done():
		}
		text, err := os.ReadFile(log)
		return "", errors.Join(fmt.Errorf("the program does not listen: %s", text), ctx.Err(), err)
	}
}

// listensAt returns the address from the log of a program, or "" if it does not listen
// yet.
func listensAt(log string) string {
	text, _ := os.ReadFile(log)
	for line := range bytes.Lines(text) {
		var record struct{ Msg, Addr string }
		if json.Unmarshal(line, &record) == nil && record.Msg == "listening" {
			return record.Addr
		}
	}
	return ""
}

// startOpponent starts this program as an opponent: see [opponents].
func startOpponent(ctx context.Context, name string, configuration opponent) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "--serve", name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stop: in.Close, wait: cmd.Wait}
	if err := json.NewEncoder(in).Encode(configuration); err != nil {
		return nil, errors.Join(err, p.end())
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	p.addr = strings.TrimSpace(addr)
	return p, nil
}

// emptyLog empties the access log, so that it does not fill the disk and the system does
// not write it to the disk while an fsync is measured.
func (p *process) emptyLog() error {
	if p == nil || p.log == "" {
		return nil
	}
	return os.Truncate(p.log, 0)
}

// end ends the process.
func (p *process) end() error { return errors.Join(p.stop(), p.wait()) }

// pid returns the name of the process in /proc. A nil process is this program.
func (p *process) pid() string {
	if p == nil {
		return "self"
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

// cpuTime returns the processor time that the process has used; see proc_pid_stat(5).
func (p *process) cpuTime() (time.Duration, error) {
	const tick = 10 * time.Millisecond // on every Linux that Go supports
	stat, err := os.ReadFile("/proc/" + p.pid() + "/stat")
	if err != nil {
		return 0, err
	}
	_, afterName, _ := strings.Cut(string(stat), ") ") // followed by field 3
	fields := strings.Fields(afterName)
	user, errUser := strconv.Atoi(fields[14-3])
	system, errSystem := strconv.Atoi(fields[15-3])
	return time.Duration(user+system) * tick, errors.Join(errUser, errSystem)
}

// memory returns a value from proc_pid_status(5), in bytes.
func (p *process) memory(figure string) (int64, error) {
	status, err := os.ReadFile("/proc/" + p.pid() + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, figure+":"); found {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%s/status has no %s", p.pid(), figure)
}

// peak calls do and returns the peak memory of the process meanwhile, in bytes, without
// mapped files. It returns 0 for a nil process.
func (p *process) peak(do func() error) (most int64, err error) {
	if p == nil {
		return 0, do()
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	var failure error
	for {
		now, err := p.memory("RssAnon")
		if failure == nil {
			failure = err
		}
		most = max(most, now)
		select {
		case err := <-done:
			return most, errors.Join(err, failure)
		case <-ticker.C:
		}
	}
}
