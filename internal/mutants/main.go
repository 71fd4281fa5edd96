// Mutants shows that the tests notice broken promises. It breaks one promise at a time by a
// change of one file, and runs the test that must fail then. A change that no test notices
// is a gap in the tests.
//
// It must be run in the root of the module: go run ./internal/mutants [-short] [-run regexp].
// It changes no file: the go command reads the changed file in place of the real one (see
// -overlay in "go help build"). It ends with status 1 if a test did not fail.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// timeout is the time for the test of a mutant. A test that has not ended then has not
// noticed the mutant.
const timeout = 2 * time.Minute

func main() {
	short := flag.Bool("short", false, "run only the mutants of the short form")
	match := flag.String("run", "", "run only the mutants whose package, test or promise matches the `regexp`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *short, *match)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, short bool, match string) error {
	pattern, err := regexp.Compile(match)
	if err != nil {
		return err
	}
	var selected []mutant
	for _, m := range mutants() {
		if (!short || slices.Contains(shortForm(), m.promise)) && pattern.MatchString(m.folder+" "+m.testName+" "+m.promise) {
			selected = append(selected, m)
		}
	}
	if len(selected) == 0 {
		return errors.New("no mutant is selected")
	}
	if err := testUnchanged(ctx, selected); err != nil {
		return err
	}
	var noticed, skipped int
	for _, m := range selected {
		start := time.Now()
		err := m.test(ctx)
		took := time.Since(start).Seconds()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			noticed++
			fmt.Printf("%6.1fs  noticed      %s\n", took, m.promise)
		case errors.Is(err, errSkipped):
			skipped++
			fmt.Printf("%6.1fs  SKIPPED      %s\n", took, m.promise)
		default:
			fmt.Printf("%6.1fs  NOT NOTICED  %s\n  %s in %s: %v\n", took, m.promise, m.testName, m.folder, err)
		}
	}
	fmt.Printf("%d of %d broken promises were noticed, %d tests were skipped on this machine\n", noticed, len(selected), skipped)
	if noticed+skipped < len(selected) {
		return errors.New("not every broken promise was noticed")
	}
	return nil
}

// testUnchanged runs the tests of the mutants without a change. All of them must pass:
// otherwise a failure would not be due to a mutant.
func testUnchanged(ctx context.Context, selected []mutant) error {
	var folders, patterns []string
	for _, m := range selected {
		folders = append(folders, "./"+m.folder)
		patterns = append(patterns, pattern(m.testName))
	}
	slices.Sort(folders)
	slices.Sort(patterns)
	args := append([]string{"-run=" + strings.Join(slices.Compact(patterns), "|")}, slices.Compact(folders)...)
	output, err := goTest(ctx, "", args...)
	if err != nil {
		return fmt.Errorf("the tests fail without a mutant: %w\n%s", err, output)
	}
	return nil
}

// errSkipped is the error for a mutant whose test is skipped on this machine.
var errSkipped = errors.New("the test was skipped")

// test returns an error unless the test of the mutant fails with the changed file.
func (m mutant) test(ctx context.Context) error {
	changed, err := m.changedFile()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, m.file, changed)
	if err != nil {
		return err
	}
	output, err := goTest(ctx, overlay, "-v", "-timeout="+timeout.String(), "-run="+pattern(m.testName), "./"+m.folder)
	name := strings.ReplaceAll(m.testName, " ", "_")
	switch {
	case err == nil && bytes.Contains(output, []byte("--- SKIP: "+name+" ")):
		return errSkipped
	case err == nil:
		return errors.New("the test passed")
	case bytes.Contains(output, []byte("panic: test timed out")), bytes.Contains(output, []byte("*** Test killed")):
		return fmt.Errorf("the test did not end in %v", timeout)
	case !bytes.Contains(output, []byte("--- FAIL: "+name+" ")):
		return fmt.Errorf("the test did not fail: %w\n%s", err, output)
	}
	return nil
}

// pattern returns the argument of -run for the name of a test or a subtest.
func pattern(test string) string {
	return "^" + strings.ReplaceAll(test, "/", "$/^") + "$"
}

// changedFile returns the content of the file after the change.
func (m mutant) changedFile() ([]byte, error) {
	content, err := os.ReadFile(filepath.FromSlash(m.file))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(content, []byte(m.before)); n != 1 || m.before == m.after {
		return nil, fmt.Errorf("%s has the text that is to be changed %d times, want once:\n%s", m.file, n, m.before)
	}
	return bytes.Replace(content, []byte(m.before), []byte(m.after), 1), nil
}

// writeOverlay writes the changed file and the JSON file for -overlay into dir, and returns
// the path of the latter.
func writeOverlay(dir, file string, changed []byte) (path string, err error) {
	replaced, err := filepath.Abs(filepath.FromSlash(file))
	if err != nil {
		return "", err
	}
	replacement := filepath.Join(dir, "changed.go")
	if err := os.WriteFile(replacement, changed, 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{replaced: replacement}})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, overlay, 0o600)
}

// goTest runs "go test" with the arguments and returns its output. The overlay may be empty.
func goTest(ctx context.Context, overlay string, args ...string) ([]byte, error) {
	// -vet=off: a change may leave something unused that only vet complains about.
	command := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1", "-vet=off"}, args...)...) //nolint:gosec // from the list
	command.Env = os.Environ()
	if overlay != "" { // in the environment, for the builds that tests start
		command.Env = append(command.Env, "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay)
	}
	return command.CombinedOutput()
}
