package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"index/suffixarray"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for an event before it fails.
const patience = 20 * time.Second

// binary is the program under test.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "widgetd-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "widgetd")
	build := exec.Command("go", slices.Concat([]string{"build", "-buildvcs=false", "-o", binary}, buildFlags, []string{"."})...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the program:", err)
		return 1
	}
	return m.Run()
}

// isVariable matches the settings that are no flags.
var isVariable = regexp.MustCompile(`^[A-Z_]+=`)

// command returns the program, ready to be run. What of its settings looks like
// a variable is one; the rest are arguments. It inherits no setting, and has a
// folder of its own to be in.
func command(ctx context.Context, settings ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary)
	cmd.Dir = filepath.Dir(binary)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(),
		"GORACE=atexit_sleep_ms=0", // else every end takes a second
	}
	for _, setting := range settings {
		if isVariable.MatchString(setting) {
			cmd.Env = append(cmd.Env, setting)
		} else {
			cmd.Args = append(cmd.Args, setting)
		}
	}
	cmd.SysProcAttr = dieWithUs()
	return cmd
}

// outcome is how a run of the program ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// run runs the program to its end.
func run(t *testing.T, stdin string, settings ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := command(ctx, settings...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		t.Errorf("%q did not run to its end: %v, %s", settings, err, stderr.String())
		return outcome{code: -1}
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// wantRefusal checks that the program refused to do it and said why in one line
// that has every text in it.
func (o outcome) wantRefusal(t *testing.T, texts ...string) {
	t.Helper()
	if o.code == 0 {
		t.Error("exit code 0")
	}
	if o.stdout != "" {
		t.Errorf("standard output: %q", o.stdout)
	}
	if line, found := strings.CutSuffix(o.stderr, "\n"); !found || strings.Contains(line, "\n") {
		t.Errorf("not one line on standard error: %q", o.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(o.stderr, text) {
			t.Errorf("standard error %q does not say %q", o.stderr, text)
		}
	}
}

// server is a running `widgetd serve`.
type server struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string // host:port
	url    string // http://host:port
	client *http.Client
	log    *journal
	exited chan struct{}
	sent   atomic.Int64 // requests

	lastWords string // the line that a test expects it to end with, if any

	mu      sync.Mutex
	secrets map[string]bool // what it was told and has told, and must not log
}

// start starts a server on a data folder and a port of its own, and waits until
// it listens. Settings that are given come after, and so before, those it gives.
func start(t *testing.T, data string, settings ...string) *server {
	t.Helper()
	s := launch(t, data, settings...)
	s.awaitListening(t)
	return s
}

// launch starts a server, like start, and does not wait.
func launch(t *testing.T, data string, settings ...string) *server {
	t.Helper()
	s := prepare(t, data, settings...)
	s.launch(t)
	return s
}

// prepare returns a server that is ready to be launched.
func prepare(t *testing.T, data string, settings ...string) *server {
	s := &server{
		t:   t,
		log: newJournal(),
		cmd: command(context.Background(), append([]string{
			"--addr", "127.0.0.1:0", "--data", data, "WIDGETD_LOG_LEVEL=debug",
		}, settings...)...),
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, CheckRedirect: returnRedirect, Timeout: patience},
		exited:  make(chan struct{}),
		secrets: map[string]bool{},
	}
	for _, variable := range settings {
		if name, value, _ := strings.Cut(variable, "="); name == "WIDGETD_SECRET_KEY" || strings.HasPrefix(name, "WIDGETD_ADMIN_") {
			s.keepSecret(value)
		} else if uri, err := url.Parse(value); err == nil && name == "WIDGETD_MONGODB_URI" {
			password, _ := uri.User.Password()
			s.keepSecret(password)
		}
	}
	s.cmd.Stderr = s.log
	return s
}

func (s *server) launch(t *testing.T) {
	t.Helper()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait() // the exit code is in ProcessState
	}()
	t.Cleanup(s.end)
}

// awaitListening waits until the server listens.
func (s *server) awaitListening(t *testing.T) {
	t.Helper()
	line, ok := s.log.await("msg", "listening", s.exited)
	if !ok {
		t.Fatalf("the server does not listen:\n%s", s.log)
	}
	s.addr = line["addr"].(string)
	scheme, _, _ := strings.Cut(line["url"].(string), "://")
	s.url = scheme + "://" + s.addr
}

func returnRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// end leaves no process behind, and looks at what the server logged: records
// only, and no failure but those that a test saw as a response.
func (s *server) end() {
	select {
	case <-s.exited:
	default:
		s.stop()
	}
	s.client.CloseIdleConnections()
	for _, line := range s.log.lines() {
		if line == s.lastWords {
			continue
		}
		if record, ok := parse(line); !ok || record["level"] == "ERROR" && record["msg"] != "request failed" {
			s.t.Errorf("the log has %s", line)
		}
	}
	logged := suffixarray.New([]byte(s.log.String())) // many secrets to look for, in much text
	for secret := range s.secrets {
		if logged.Lookup([]byte(secret), 1) != nil {
			s.t.Errorf("the log has the secret %q", secret)
		}
	}
}

// stop asks the server to end, as an operator does.
func (s *server) stop() {
	s.t.Helper()
	s.client.CloseIdleConnections()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.wantExit(0)
}

// kill ends the server as a power cut would.
func (s *server) kill() {
	s.t.Helper()
	_ = s.cmd.Process.Kill()
	s.wantExit(-1)
}

// wantExit waits for the server to end. -1 stands for an end by a signal.
func (s *server) wantExit(code int) {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.t.Errorf("the server does not end:\n%s", s.log)
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit code %d, want %d:\n%s", got, code, s.log)
	}
}

// keepSecret has a later look at the log find the text, unless it is so short
// that it is there by accident.
func (s *server) keepSecret(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(text) >= 8 {
		s.secrets[text] = true
	}
}

// send sends a request and returns the response. Every response of every test
// comes through here or [server.receive].
func (s *server) send(r request) (response, error) {
	req, err := r.build(s.url)
	if err != nil {
		return response{}, err
	}
	s.keepSecret(r.token)
	s.keepSecret(r.fields["email"])
	s.keepSecret(r.fields["password"])
	s.sent.Add(1)
	began := time.Now()
	res, err := s.client.Do(req)
	if err != nil {
		return response{}, err
	}
	got, err := s.receive(r, res)
	const soon = 5*time.Second + time.Second // that a busy machine may take before the server sees the request
	if took := time.Since(began); got.status == http.StatusServiceUnavailable && took > soon {
		s.t.Errorf("%s %s is told that the service is unavailable after %v", r.method, r.path, took)
	}
	return got, err
}

// do is send for a request that has to be answered.
func (s *server) do(t *testing.T, r request) response {
	t.Helper()
	res, err := s.send(r)
	if err != nil {
		t.Errorf("%s %s: %v", r.method, r.path, err)
	}
	return res
}

// receive reads a response and checks what the contract says about all of them.
func (s *server) receive(r request, res *http.Response) (response, error) {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return response{}, err
	}
	got := response{res.StatusCode, res.Header, string(body)}
	if token, ok := got.json()["access_token"].(string); ok {
		s.keepSecret(token)
	}
	if err := got.check(r); err != nil {
		s.t.Errorf("%s %s: %v: %d %v %s", r.method, r.path, err, got.status, got.header, got.body)
	}
	return got, nil
}

// journal is the standard error of a server. It is safe for concurrent use.
type journal struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{} // closed by the next write
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// Write implements [io.Writer].
func (j *journal) Write(text []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.changed)
	j.changed = make(chan struct{})
	return j.text.Write(text)
}

// String returns all that was logged.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) lines() []string {
	return slices.DeleteFunc(strings.Split(j.String(), "\n"), func(line string) bool { return line == "" })
}

// take returns the lines and forgets them, for a test that looks at them itself.
func (j *journal) take() []string {
	lines := j.lines()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Reset()
	return lines
}

// find returns the first record with that value of a key.
func (j *journal) find(key, value string) (map[string]any, bool) {
	for _, line := range j.lines() {
		if record, ok := parse(line); ok && record[key] == value {
			return record, true
		}
	}
	return nil, false
}

// await returns the first record with that value of a key, once there is one. It
// gives up when ended is closed.
func (j *journal) await(key, value string, ended <-chan struct{}) (record map[string]any, ok bool) {
	j.awaitThat(ended, func() bool {
		record, ok = j.find(key, value)
		return ok
	})
	return record, ok
}

// awaitText is await for a text, and reports whether it is there.
func (j *journal) awaitText(text string, ended <-chan struct{}) bool {
	return j.awaitThat(ended, func() bool { return strings.Contains(j.String(), text) })
}

func (j *journal) awaitThat(ended <-chan struct{}, isThere func() bool) bool {
	late := time.After(patience)
	for {
		j.mu.Lock()
		changed := j.changed
		j.mu.Unlock()
		if isThere() {
			return true
		}
		select {
		case <-changed:
		case <-ended:
			return isThere()
		case <-late:
			return false
		}
	}
}

func parse(line string) (record map[string]any, ok bool) {
	err := json.Unmarshal([]byte(line), &record)
	return record, err == nil
}

// atOnce calls f n times, all at the same moment, and returns how many results
// there were of each kind.
func atOnce[T comparable](n int, f func(i int) T) map[T]int {
	results, ready := make(chan T, n), make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Add(n)
	for i := range n {
		go func() {
			waiting.Done()
			<-ready
			results <- f(i)
		}()
	}
	waiting.Wait()
	close(ready)
	counts := map[T]int{}
	for range n {
		counts[<-results]++
	}
	return counts
}
