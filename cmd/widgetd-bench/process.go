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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that was started.
type process struct {
	cmd     *exec.Cmd
	addr    string
	started time.Duration // until it listened
	stop    func() error  // asks it to end
}

// buildProgram builds the program into a folder, as a part of its own module, not
// of this one, and returns its path.
func buildProgram(ctx context.Context, folder string) (string, error) {
	path := filepath.Join(folder, "widgetd")
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/widgetd/widgetd").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/widgetd/widgetd/cmd/widgetd")
	build.Dir, build.Stderr = strings.TrimSpace(string(module)), os.Stderr
	return path, build.Run()
}

// startProgram starts the program with its default settings, but for those given
// and where it listens. Its log goes to a file.
func startProgram(ctx context.Context, path, logFile string, settings ...string) (*process, error) {
	log, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the program has its own
	cmd := exec.CommandContext(ctx, path, "--addr", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), settings...)
	cmd.Stderr = log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stop: func() error { return cmd.Process.Signal(syscall.SIGTERM) }}
	for p.addr == "" {
		if time.Since(began) > time.Minute {
			_ = cmd.Process.Kill()
			return nil, fmt.Errorf("the program does not listen, see %s", log.Name())
		}
		time.Sleep(5 * time.Millisecond)
		p.addr = listensAt(log.Name())
	}
	p.started = time.Since(began)
	return p, nil
}

// listensAt returns the address in the log of a program that listens.
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

// startBare starts this program as a bare server of the answers.
func startBare(ctx context.Context, routes answers) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "bare")
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
	if err := json.NewEncoder(in).Encode(routes); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	return &process{cmd: cmd, addr: strings.TrimSpace(addr), stop: in.Close}, err
}

func (p *process) end() error { return errors.Join(p.stop(), p.cmd.Wait()) }

// pid returns the process's number, this program's own for a nil process.
func (p *process) pid() string {
	if p == nil {
		return "self"
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

// cpuTime returns the processor time a process has used, by proc_pid_stat(5).
func (p *process) cpuTime() (time.Duration, error) {
	const tick = 10 * time.Millisecond // of every Linux that Go runs on
	stat, err := os.ReadFile("/proc/" + p.pid() + "/stat")
	if err != nil {
		return 0, err
	}
	_, afterName, _ := strings.Cut(string(stat), ") ") // field 3 is the first after it
	fields := strings.Fields(afterName)
	user, errUser := strconv.Atoi(fields[14-3])
	system, errSystem := strconv.Atoi(fields[15-3])
	return time.Duration(user+system) * tick, errors.Join(errUser, errSystem)
}

// memory returns a figure of proc_pid_status(5), in bytes.
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
