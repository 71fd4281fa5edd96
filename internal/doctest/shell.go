package doctest

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long a command may take.
const patience = 30 * time.Second

// documentedFolder is the working folder in the output of the commands.
const documentedFolder = "/srv/widgets"

//go:embed shell.bash
var prelude string

//go:embed widgetd.bash
var wrapper string

// Shell runs the commands of one Markdown file with bash, in a new folder. A server that a
// command starts listens on a free port: curl reaches it at the address in the command.
type Shell struct {
	t       testing.TB
	dir     string // of the scripts, the wrapper and the output
	work    string // the working folder of the commands
	stdin   io.Writer
	done    <-chan string // a line when a command has ended
	log     <-chan string // the lines of the servers' logs
	scripts int
	curl    map[string]string // address in the file → real address
	texts   map[string]string // text in the file → what the commands get in its place
}

// Start starts a shell that ends with the test. The program is widgetd.
func Start(t testing.TB, program string) *Shell {
	t.Helper()
	s := &Shell{t: t, dir: t.TempDir(), work: t.TempDir(), curl: map[string]string{}, texts: map[string]string{}}
	s.write("widgetd", wrapper, 0o700)
	s.write("shell.bash", prelude, 0o600)
	var ends [2]*os.File // file descriptors 3 and 4 of bash
	s.done, ends[0] = s.pipe()
	s.log, ends[1] = s.pipe()
	bash := exec.CommandContext(context.Background(), "bash", "--noprofile", "--norc")
	bash.Dir = s.work
	bash.Env = []string{
		"PATH=" + s.dir + ":" + os.Getenv("PATH"), "HOME=" + s.work, "TMPDIR=" + os.TempDir(), "CURL_HOME=" + s.dir,
		"LC_ALL=C.UTF-8", "TZ=UTC", "DOCTEST=" + s.dir, "DOCTEST_PROGRAM=" + program,
		"GORACE=atexit_sleep_ms=0", // the default adds a second to every exit
	}
	bash.ExtraFiles, bash.Stderr = ends[:], os.Stderr
	stdin, err := bash.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bash.Start(); err != nil {
		t.Fatal(err)
	}
	for _, end := range ends {
		_ = end.Close() // bash has its own
	}
	t.Cleanup(func() {
		_ = stdin.Close() // bash stops the servers and exits
		if err := bash.Wait(); err != nil && bash.ProcessState.ExitCode() < 0 {
			t.Errorf("bash: %v", err)
		}
	})
	s.stdin = stdin
	s.send("source %s", s.path("shell.bash"))
	return s
}

// pipe returns the writing end of a pipe, and the lines that are written there.
func (s *Shell) pipe() (lines <-chan string, end *os.File) {
	read, write, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	received := make(chan string, 10_000)
	go func() {
		defer read.Close()
		defer close(received)
		for scanner := bufio.NewScanner(read); scanner.Scan(); {
			received <- scanner.Text()
		}
	}()
	return received, write
}

// Substitute makes the commands use the actual text where the file has the documented one,
// such as the URI of a database that the test has started.
func (s *Shell) Substitute(documented, actual string) { s.texts[documented] = actual }

// runsServer matches a command that runs a server: widgetd without a command or with "serve".
var runsServer = regexp.MustCompile(`^([A-Za-z_]+=\S* +)*widgetd( +serve)?( +--?[a-z-]+.*| +[0-9]*>.*)?$`)

// exitsAtOnce matches the commands that runsServer matches too although they run no server.
var exitsAtOnce = regexp.MustCompile(`^\S+ +--(help|version)\b`)

// Run runs a command and returns what it prints on its standard output and standard error.
// If the command starts a server, Run returns as soon as the server listens.
func (s *Shell) Run(command string) (output string) {
	s.t.Helper()
	command = strings.ReplaceAll(command, "go run ./cmd/widgetd", "widgetd")
	for documented, actual := range s.texts {
		command = strings.ReplaceAll(command, documented, actual)
	}
	if runsServer.MatchString(command) && !exitsAtOnce.MatchString(command) {
		return s.serve(command)
	}
	script := s.script(command)
	s.send("doctest_run %s", script)
	s.await(s.done, "the end of the command", func(string) bool { return true })
	if strings.HasPrefix(command, "pkill -HUP") {
		s.await(s.log, "the server to read its files again", func(line string) bool {
			return strings.Contains(line, " again") || strings.Contains(line, "as they are") || strings.Contains(line, "as it is")
		})
	}
	if output = s.output(script); runsWidgetd.MatchString(command) {
		output = withoutLog(output)
	}
	return output
}

// runsWidgetd matches a command that runs widgetd.
var runsWidgetd = regexp.MustCompile(`\bwidgetd `)

// withoutLog returns the output of widgetd without the lines of its log. At a terminal these
// lines look different.
func withoutLog(output string) string {
	var rest strings.Builder
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(line, `{"time":`) {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

// listener matches a flag or a variable with an address at which a server listens.
var listener = regexp.MustCompile(`(--addr|--metrics-addr|WIDGETD_ADDR|WIDGETD_METRICS_ADDR)([= ])(\S*:\d+)`)

// serve starts a server and waits until it listens. It returns the output if the server
// ends before.
func (s *Shell) serve(command string) (output string) {
	s.t.Helper()
	documented := map[string]string{"listening": "127.0.0.1:8080"}
	for _, match := range listener.FindAllStringSubmatch(command, -1) {
		message := "listening"
		if strings.Contains(strings.ToLower(match[1]), "metrics") {
			message = "serving metrics"
		}
		documented[message] = match[3]
	}
	script := s.script(listener.ReplaceAllString(command, "${1}${2}127.0.0.1:0"))
	s.send("doctest_serve %s", script)
	listening := false
	s.await(s.log, "the server to listen", func(line string) bool {
		var record struct{ Msg, Addr string }
		_ = json.Unmarshal([]byte(line), &record) // no JSON: no record
		if address, isKnown := documented[record.Msg]; isKnown {
			s.curl[address] = record.Addr
		}
		listening = record.Msg == "listening"
		return listening || line == script+" has ended"
	})
	if !listening {
		return withoutLog(s.output(script))
	}
	s.configureCurl()
	s.send("export DOCTEST_ADDR=%s", s.curl[documented["listening"]])
	return ""
}

// configureCurl makes curl connect to the real addresses.
func (s *Shell) configureCurl() {
	var config strings.Builder
	for address, actual := range s.curl {
		_, port, _ := strings.Cut(address, ":")
		for _, host := range []string{"127.0.0.1", "localhost"} {
			fmt.Fprintf(&config, "connect-to = \"%s:%s:%s\"\n", host, port, actual)
		}
	}
	s.write(".curlrc", config.String(), 0o600)
}

// Missing returns the names of programs that a command needs and that are not installed.
func (s *Shell) Missing() string {
	names, _ := os.ReadFile(s.path("missing")) // no file: none is missing
	return strings.TrimSpace(string(names))
}

// send sends a line to bash.
func (s *Shell) send(format string, args ...any) {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.stdin, format+"\n", args...); err != nil {
		s.t.Fatal(err)
	}
}

// await waits for a line.
func (s *Shell) await(lines <-chan string, what string, isIt func(line string) bool) {
	s.t.Helper()
	late := time.After(patience)
	for {
		select {
		case line, isOpen := <-lines:
			if !isOpen {
				s.t.Fatalf("the shell has ended instead of %s", what)
			}
			if isIt(line) {
				return
			}
		case <-late:
			s.t.Fatalf("waited for %s for %v", what, patience)
		}
	}
}

// script writes a command to a file and returns the path of the file.
func (s *Shell) script(command string) string {
	s.t.Helper()
	s.scripts++
	return s.write(strconv.Itoa(s.scripts), command+"\n", 0o600)
}

// output returns what the command in a script has printed.
func (s *Shell) output(script string) string {
	s.t.Helper()
	printed, err := os.ReadFile(script + ".out")
	if err != nil {
		s.t.Fatal(err)
	}
	text := strings.ReplaceAll(strings.ReplaceAll(string(printed), "\r", ""), s.work, documentedFolder)
	for _, substitutes := range []map[string]string{s.texts, s.curl} {
		for documented, actual := range substitutes {
			text = strings.ReplaceAll(text, actual, documented)
		}
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

// write writes a file of the shell and returns its path.
func (s *Shell) write(name, content string, mode os.FileMode) string {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(content), mode); err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

func (s *Shell) path(name string) string { return filepath.Join(s.dir, name) }
