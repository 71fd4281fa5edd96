package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// unreadPipe is the standard error of a server. It is read only when a test does so.
type unreadPipe struct {
	from *os.File
	text strings.Builder
}

// startUnread starts a server whose standard error is a pipe, and reads the pipe
// until the server listens.
func startUnread(t *testing.T, settings ...string) (*server, *unreadPipe) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = from.Close() })
	s := prepare(t, folder(t), append(settings, "--metrics-addr=127.0.0.1:0")...)
	s.cmd.Stderr = to
	s.launch(t)
	_ = to.Close()
	pipe := &unreadPipe{from: from}
	s.addr, s.metrics = pipe.readAddrs(t)
	s.url = "http://" + s.addr
	return s, pipe
}

// readAddrs reads until the server listens, and returns the addresses of its two
// listeners.
func (p *unreadPipe) readAddrs(t *testing.T) (api, metrics string) {
	t.Helper()
	addr := regexp.MustCompile(`"?addr"?[:=]"?([0-9.:]+)`)
	part := make([]byte, 4096)
	for {
		n, err := p.from.Read(part)
		p.text.Write(part[:n])
		if found := addr.FindAllStringSubmatch(p.text.String(), -1); len(found) == 2 {
			return found[1][1], "http://" + found[0][1]
		}
		if err != nil {
			t.Fatalf("the server does not listen: %v\n%s", err, &p.text)
		}
	}
}

// readAll reads the pipe to its end, and returns all lines.
func (p *unreadPipe) readAll(t *testing.T) []string {
	t.Helper()
	if err := p.from.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(&p.text, p.from); err != nil {
		t.Error(err)
	}
	return wholeLines(t, p.text.String())
}

// wholeLines returns the lines of a log, the last of which must have a line end.
func wholeLines(t *testing.T, log string) []string {
	t.Helper()
	if log == "" {
		return nil
	}
	text, found := strings.CutSuffix(log, "\n")
	if !found {
		t.Errorf("the log ends within a line: %q", log[max(0, len(log)-300):])
	}
	return strings.Split(text, "\n")
}

// flood sends requests that together have more lines than a pipe and the server's
// buffer can hold. Every request must be answered as fast as with a log that is read.
func (s *server) flood(t *testing.T, requests int) {
	t.Helper()
	const clients = 8
	long := request{method: "GET", path: "/" + strings.Repeat("x", 250), header: map[string]string{"X-Request-Id": strings.Repeat("x", 128)}}
	took := make([][]time.Duration, clients)
	var busy sync.WaitGroup
	for client := range clients {
		busy.Go(func() {
			for range requests / clients {
				began := time.Now()
				s.do(t, long).want(t, 404, "")
				took[client] = append(took[client], time.Since(began))
			}
		})
	}
	busy.Wait()
	all := slices.Concat(took...)
	if slowest, half := slices.Max(all), median(all); slowest > 5*time.Second || requests >= 1000 && half > 100*time.Millisecond {
		t.Errorf("the slowest of %d requests took %v, the median is %v", requests, slowest, half)
	}
}

// floodUntilDropped sends requests until the server drops lines, and as many again.
func (s *server) floodUntilDropped(t *testing.T) {
	t.Helper()
	for requests := 0; ; requests += 1000 {
		s.flood(t, 1000)
		if s.droppedLines(t) > 0 {
			s.flood(t, 1000)
			return
		}
		if requests > 20_000 {
			t.Fatalf("no line is dropped after %d requests", requests)
		}
	}
}

// awaitDropped sends requests until the server drops a line.
func (s *server) awaitDropped(t *testing.T) {
	t.Helper()
	for late := time.Now().Add(patience); s.droppedLines(t) == 0; {
		s.flood(t, 8)
		if time.Now().After(late) {
			t.Fatal("no line is counted as dropped")
		}
	}
}

func (s *server) droppedLines(t *testing.T) int {
	t.Helper()
	return int(s.scrape(t)["widgetd_log_dropped_lines_total"])
}

// wantStop ends a server with SIGTERM, which must take less than 10 seconds.
func (s *server) wantStop(t *testing.T) {
	t.Helper()
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the server exited after %v", took)
	}
}

// toldLines returns the sum of the numbers of dropped lines that a log tells. Every
// line must be JSON.
func toldLines(t *testing.T, lines []string) int {
	t.Helper()
	sum := 0
	for _, text := range lines {
		var line struct {
			Msg   string
			Lines int
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Errorf("%v: %.300q", err, text)
		}
		if line.Msg == "log lines were dropped" {
			sum += line.Lines
		}
	}
	return sum
}

func TestLogThatNobodyReadsDelaysNothing(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s, pipe := startUnread(t, "--log-format="+format)
			s.floodUntilDropped(t)
			s.wantStop(t)
			for _, line := range pipe.readAll(t) {
				if _, isJSON := parse(line); isJSON != (format == "json") || !isJSON && !strings.HasPrefix(line, "time=") {
					t.Errorf("the log has %q", line)
				}
			}
		})
	}
}

func TestDroppedLinesAreToldWhenTheLogIsReadAgain(t *testing.T) {
	t.Parallel()
	s, pipe := startUnread(t)
	s.floodUntilDropped(t)
	dropped := s.droppedLines(t)
	read := make(chan []string)
	go func() { read <- pipe.readAll(t) }()
	for late := time.Now().Add(patience); ; { // until the buffer has room again
		s.flood(t, 8)
		now := s.droppedLines(t)
		if now == dropped {
			break
		}
		if dropped = now; time.Now().After(late) {
			t.Fatal("lines are still dropped although the log is read")
		}
	}
	s.wantStop(t)
	if told := toldLines(t, <-read); told != dropped || dropped == 0 {
		t.Errorf("the log tells %d dropped lines, the metric %d", told, dropped)
	}
}

// TestEveryLineOutlivesPausesOfTheReaderOrIsCounted reads the log with pauses of random
// length.
func TestEveryLineOutlivesPausesOfTheReaderOrIsCounted(t *testing.T) {
	t.Parallel()
	figures := newFigures()
	for round := range rounds(t, 1) {
		random := random(t, round)
		s, pipe := startUnread(t)
		figures.watch(s)
		for range 4 {
			s.flood(t, 500+random.IntN(4000))
			figures.faults++
			part := make([]byte, 1+random.IntN(4<<20))
			_ = pipe.from.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			n, _ := io.ReadFull(pipe.from, part)
			pipe.text.Write(part[:n])
		}
		read := make(chan []string)
		go func() { read <- pipe.readAll(t) }()
		s.flood(t, 100)
		dropped := s.droppedLines(t)
		s.wantStop(t)
		lines := <-read
		told := toldLines(t, lines)
		figures.check(t, told == dropped, "the log tells %d dropped lines, the metric %d", told, dropped)
		logged := 0
		for _, line := range lines {
			if record, _ := parse(line); record["msg"] == "request" || record["msg"] == "no route" {
				logged++
				figures.facts++
			}
		}
		want := 2 * int(s.sent.Load())
		figures.check(t, logged+told >= want && logged <= want, "%d lines of %d are in the log, and %d are counted", logged, want, told)
	}
	figures.log(t)
}

func TestServerOutlivesTheReaderOfItsLog(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s, pipe := startUnread(t, "--log-format="+format)
			s.do(t, request{method: "GET", path: "/nope"}).want(t, 404, "")
			_ = pipe.from.Close()
			s.awaitDropped(t)
			s.flood(t, 1000)
			s.wantStop(t)
		})
	}
}

// TestFailedStartEndsWhileNobodyReadsTheLog fills the pipe before the program starts.
func TestFailedStartEndsWhileNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer to.Close()
	filling := make([]byte, 4<<20)
	_ = to.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := to.Write(filling); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the pipe takes 4 MiB: %v", err)
	}
	s := prepare(t, folder(t), "--data", os.DevNull)
	s.cmd.Stderr = to
	s.launch(t)
	s.wantExit(2)
}

func TestServerWithoutStandardErrorServes(t *testing.T) {
	t.Parallel()
	s := prepare(t, folder(t))
	s.addr = freeAddr(t)
	s.url = "http://" + s.addr
	shell := exec.Command("/bin/sh", slices.Concat([]string{"-c", `exec "$0" "$@" 2>&-`, binary}, s.cmd.Args[1:], []string{"--addr", s.addr})...)
	shell.Dir, shell.Env, shell.SysProcAttr = s.cmd.Dir, s.cmd.Env, s.cmd.SysProcAttr
	s.cmd = shell
	s.launch(t)
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if res, err := s.send(healthz); err == nil && res.status == 200 {
			break
		} else if time.Now().After(late) {
			t.Fatalf("the server does not answer: %v", err)
		}
	}
	s.flood(t, 1000)
	s.wantStop(t)
}

// freeAddr returns an address of the loopback network that only this test process
// uses, with a port that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	pid := os.Getpid()
	ln, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16%250, pid>>8%256, 1+pid%254))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestLogOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := mount(t, "size=1m")
	path, filler := filepath.Join(disk, "log"), filepath.Join(disk, "filler")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := prepare(t, folder(t), "--metrics-addr=127.0.0.1:0")
	s.cmd.Stderr = file
	s.launch(t)
	read := func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	await := func(text string) {
		for late := time.Now().Add(patience); !strings.Contains(read(), text); time.Sleep(time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("the log has no %q:\n%s", text, read())
			}
		}
	}
	await(`"msg":"listening"`)
	addr := regexp.MustCompile(`"addr":"([0-9.:]+)"`).FindAllStringSubmatch(read(), -1)
	s.addr, s.url, s.metrics = addr[1][1], "http://"+addr[1][1], "http://"+addr[0][1]
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	s.awaitDropped(t) // until the last page of the file is full
	s.flood(t, 1000)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	await("log lines were dropped")
	s.flood(t, 80)
	dropped := s.droppedLines(t)
	s.wantStop(t)
	lines := wholeLines(t, read())
	if told := toldLines(t, lines); told != dropped || dropped == 0 {
		t.Errorf("the log tells %d dropped lines, the metric %d", told, dropped)
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, `"msg":"stopping"`) && !strings.Contains(last, "request") {
		t.Errorf("the last line is %s", last)
	}
}

// TestTracesThatNobodyReadsDelayNothing writes traces to a pipe that nobody reads.
func TestTracesThatNobodyReadsDelayNothing(t *testing.T) {
	t.Parallel()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	s := prepare(t, folder(t), "OTEL_TRACES_EXPORTER=console")
	s.cmd.Stdout = to
	s.launch(t)
	_ = to.Close()
	s.awaitListening(t)
	s.flood(t, 1000)
	s.wantStop(t)
}

func TestCommandEndsWhenTheReaderOfItsOutputDoes(t *testing.T) {
	t.Parallel()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = from.Close()
	defer to.Close()
	var stderr strings.Builder
	cmd := command(t.Context(), "openapi")
	cmd.Stdout, cmd.Stderr = to, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGPIPE || stderr.Len() > 0 {
		t.Errorf("the command ended with %v and %q, want SIGPIPE", err, &stderr)
	}
}
