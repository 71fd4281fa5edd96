package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
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
	// Most tests wait for a time limit of the program, so that more of them run at the same
	// time than there are processors. The flag -parallel overrides this.
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// isVariable matches the settings that are environment variables.
var isVariable = regexp.MustCompile(`^[A-Z_]+=`)

// command returns a command that runs the program. Settings of the form NAME=value
// become environment variables, all others are arguments. The command inherits no
// setting. Its working folder is that of the program.
func command(ctx context.Context, settings ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary)
	cmd.Dir = filepath.Dir(binary)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(),
		"GORACE=atexit_sleep_ms=0", // the default adds a second to every exit
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

// outcome is the result of a run of the program.
type outcome struct {
	code           int
	stdout, stderr string
}

// run runs the program until it exits.
func run(t *testing.T, stdin string, settings ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := command(ctx, settings...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		t.Errorf("%q did not exit: %v, %s", settings, err, stderr.String())
		return outcome{code: -1}
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// wantRefusal checks that the program failed with one line on standard error, besides the
// audit record, that contains every text.
func (o outcome) wantRefusal(t *testing.T, texts ...string) {
	t.Helper()
	if o.code == 0 {
		t.Error("exit code 0")
	}
	if o.stdout != "" {
		t.Errorf("standard output: %q", o.stdout)
	}
	if line, found := strings.CutSuffix(o.withoutAudit(), "\n"); !found || strings.Contains(line, "\n") {
		t.Errorf("want one line on standard error, got %q", o.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(o.stderr, text) {
			t.Errorf("standard error %q does not contain %q", o.stderr, text)
		}
	}
}

// newFolderLine begins the line of a command that has created a store.
const newFolderLine = "widgetd: created a new, empty store in the folder "

// wantDone checks that a command of the operator printed the text and nothing else, except
// lines of the audit record and the name of a new folder on standard error.
func (o outcome) wantDone(t *testing.T, stdout string) {
	t.Helper()
	rest := o.withoutAudit()
	if line, _, _ := strings.Cut(rest, "\n"); strings.HasPrefix(line, newFolderLine) {
		rest = strings.TrimPrefix(rest, line+"\n")
	}
	if o.code != 0 || o.stdout != stdout || rest != "" {
		t.Errorf("exit code %d, %q, %q, want %q", o.code, o.stdout, o.stderr, stdout)
	}
}

// withoutAudit returns standard error without the lines of the audit record.
func (o outcome) withoutAudit() string {
	var rest strings.Builder
	for line := range strings.Lines(o.stderr) {
		if record, ok := parse(line); !ok || record["msg"] != "audit" {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

// wantCode checks that a command failed with the exit code and one line on standard error.
func (o outcome) wantCode(t *testing.T, code int, texts ...string) {
	t.Helper()
	o.wantRefusal(t, texts...)
	if o.code != code {
		t.Errorf("exit code %d, want %d: %s", o.code, code, o.stderr)
	}
}

// server is a running `widgetd serve`.
type server struct {
	t       *testing.T
	cmd     *exec.Cmd
	addr    string // host:port
	url     string // http://host:port
	metrics string // URL of the listener for metrics; empty: the log has it
	client  *http.Client
	log     *journal
	exited  chan struct{}
	sent    atomic.Int64 // requests

	lastWords string   // the last line of the log, if a test expects one that is not a record
	expected  []string // messages of errors in the log that a test expects

	mu      sync.Mutex
	secrets map[string]bool // from requests and responses; must not be logged
}

// start starts a server on a data folder and a free port, and waits until it
// listens. The given settings override those that start sets.
func start(t *testing.T, data string, settings ...string) *server {
	t.Helper()
	s := launch(t, data, settings...)
	s.awaitListening(t)
	return s
}

// launch starts a server as start does, without waiting.
func launch(t *testing.T, data string, settings ...string) *server {
	t.Helper()
	s := prepare(t, data, settings...)
	s.launch(t)
	return s
}

// prepare returns a server that is not running yet.
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

// end stops the server if it runs and checks its log. The log must consist of
// records, contain no secret, and have no error except failed requests.
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
		record, ok := parse(line)
		message, _ := record["msg"].(string)
		isRefusal := message == "request failed" || message == "requests were refused: the memory for slow and large requests is used up"
		if !ok || record["level"] == "ERROR" && !isRefusal && !slices.Contains(s.expected, message) {
			s.t.Errorf("the log has %s", line)
		}
	}
	logged := suffixarray.New([]byte(s.log.String())) // fast for many secrets in a long log
	for secret := range s.secrets {
		if logged.Lookup([]byte(secret), 1) != nil {
			s.t.Errorf("the log has the secret %q", secret)
		}
	}
}

// stop ends the server with SIGTERM, as an operator does.
func (s *server) stop() {
	s.t.Helper()
	s.client.CloseIdleConnections()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.wantExit(0)
}

// kill ends the server with SIGKILL. It does not flush or close anything.
func (s *server) kill() {
	s.t.Helper()
	_ = s.cmd.Process.Kill()
	s.wantExit(-1)
}

// wantExit waits until the server exits. Code -1 means that a signal ended it.
func (s *server) wantExit(code int) {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.t.Errorf("the server does not exit:\n%s", s.log)
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit code %d, want %d:\n%s", got, code, s.log)
	}
}

// keepSecret remembers a text that the log must not contain. A text of fewer than 8
// bytes is ignored: it could be in the log by accident.
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
	const soon = 5*time.Second + time.Second // for a busy machine, before the server sees the request
	if took := time.Since(began); got.status == http.StatusServiceUnavailable && took > soon {
		s.t.Errorf("%s %s is answered with 503 only after %v", r.method, r.path, took)
	}
	return got, err
}

// do is send for a request that must be answered.
func (s *server) do(t *testing.T, r request) response {
	t.Helper()
	res, err := s.send(r)
	if err != nil {
		t.Errorf("%s %s: %v", r.method, r.path, err)
	}
	return res
}

// receive reads a response and checks the rules that hold for every response.
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

// journal holds the standard error of a server. It is safe for concurrent use.
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

// String returns the whole log.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) lines() []string {
	return slices.DeleteFunc(strings.Split(j.String(), "\n"), func(line string) bool { return line == "" })
}

// take returns the lines and removes them, so that end does not check them.
func (j *journal) take() []string {
	lines := j.lines()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Reset()
	return lines
}

// find returns the first record in which the key has the value.
func (j *journal) find(key, value string) (map[string]any, bool) {
	return j.findRecord(func(record map[string]any) bool { return record[key] == value })
}

// findRecord returns the first record for which isWanted returns true.
func (j *journal) findRecord(isWanted func(record map[string]any) bool) (map[string]any, bool) {
	for _, line := range j.lines() {
		if record, ok := parse(line); ok && isWanted(record) {
			return record, true
		}
	}
	return nil, false
}

// await waits for a record in which the key has the value, and returns it. It gives
// up when ended is closed.
func (j *journal) await(key, value string, ended <-chan struct{}) (record map[string]any, ok bool) {
	return j.awaitRecord(ended, func(record map[string]any) bool { return record[key] == value })
}

// awaitRecord is await for a record for which isWanted returns true.
func (j *journal) awaitRecord(ended <-chan struct{}, isWanted func(record map[string]any) bool) (record map[string]any, ok bool) {
	j.awaitChange(ended, func() bool {
		record, ok = j.findRecord(isWanted)
		return ok
	})
	return record, ok
}

// awaitText waits until the log contains a text, and reports whether it does.
func (j *journal) awaitText(text string, ended <-chan struct{}) bool {
	return j.awaitChange(ended, func() bool { return strings.Contains(j.String(), text) })
}

// awaitChange waits until isDone returns true, and reports whether it does.
func (j *journal) awaitChange(ended <-chan struct{}, isDone func() bool) bool {
	late := time.After(patience)
	for {
		j.mu.Lock()
		changed := j.changed
		j.mu.Unlock()
		if isDone() {
			return true
		}
		select {
		case <-changed:
		case <-ended:
			return isDone()
		case <-late:
			return false
		}
	}
}

func parse(line string) (record map[string]any, ok bool) {
	err := json.Unmarshal([]byte(line), &record)
	return record, err == nil
}

// atOnce calls f n times, all at the same moment, and counts the results.
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

// write writes a file with the given content and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantMatch(t *testing.T, text, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(text) {
		t.Errorf("%q does not match %s", text, pattern)
	}
}
