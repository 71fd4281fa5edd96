// Mutants shows that the tests notice broken promises. It breaks one promise at a time by a
// change of one file, and runs the test that must fail then. A change that no test notices
// is a gap in the tests.
//
// It must be run in the root of the module: go run ./internal/mutants [-every n] [-run regexp].
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

func main() {
	every := flag.Int("every", 1, "run only every `n`-th mutant of the list")
	match := flag.String("run", "", "run only the mutants whose promise matches the `regexp`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *every, *match)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, every int, match string) error {
	pattern, err := regexp.Compile(match)
	if err != nil {
		return err
	}
	if every < 1 {
		return errors.New("-every must be 1 or more")
	}
	var selected []mutant
	for i, m := range mutants() {
		if i%every == 0 && pattern.MatchString(m.promise) {
			selected = append(selected, m)
		}
	}
	if len(selected) == 0 {
		return errors.New("no mutant is selected")
	}
	skipped, err := testUnchanged(ctx, selected)
	if err != nil {
		return err
	}
	noticed, survivors := 0, 0
	for _, m := range selected {
		if skipped[m.folder+" "+m.topTest()] {
			fmt.Printf("NOT RUN      %s\n  %s in %s is skipped on this machine\n", m.promise, m.testName, m.folder)
			continue
		}
		start := time.Now()
		if err := m.test(ctx); err != nil {
			survivors++
			fmt.Printf("NOT NOTICED  %s\n  %s in %s: %v\n", m.promise, m.testName, m.folder, err)
			continue
		}
		noticed++
		fmt.Printf("%6.1fs  noticed  %s\n", time.Since(start).Seconds(), m.promise)
	}
	fmt.Printf("%d of %d broken promises were noticed\n", noticed, len(selected))
	if survivors > 0 {
		return errors.New("not every broken promise was noticed")
	}
	return nil
}

// testUnchanged runs the tests of the mutants without a change. All of them must pass:
// otherwise a failure would not be due to a mutant. It returns the tests that are skipped on
// this machine, each as folder, space and name.
func testUnchanged(ctx context.Context, selected []mutant) (skipped map[string]bool, err error) {
	tests := map[string][]string{}
	for _, m := range selected {
		if !slices.Contains(tests[m.folder], m.topTest()) {
			tests[m.folder] = append(tests[m.folder], m.topTest())
		}
	}
	skipped = map[string]bool{}
	for folder, names := range tests {
		output, err := goTest(ctx, folder, "^("+strings.Join(names, "|")+")$", "")
		if err != nil {
			return nil, fmt.Errorf("the tests of %s fail without a mutant: %w\n%s", folder, err, output)
		}
		for _, name := range names {
			if bytes.Contains(output, []byte("\n--- SKIP: "+name+" ")) {
				skipped[folder+" "+name] = true
			}
		}
	}
	return skipped, nil
}

// topTest returns the name of the test without that of the subtest.
func (m mutant) topTest() string {
	name, _, _ := strings.Cut(m.testName, "/")
	return name
}

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
	output, err := goTest(ctx, m.folder, pattern(m.testName), overlay)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return errors.New("the test passed")
	case !bytes.Contains(output, []byte("--- FAIL: "+m.topTest())):
		return fmt.Errorf("no test failed: %w\n%s", err, output)
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

// goTest runs tests of the package in the folder and returns the output of the go command.
// The overlay may be empty.
func goTest(ctx context.Context, folder, run, overlay string) ([]byte, error) {
	// -vet=off: a change may leave something unused that only vet complains about.
	command := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-vet=off", "-timeout=3m", "-run="+run, "./"+folder) //nolint:gosec // from the list
	command.Env = os.Environ()
	if overlay != "" { // in the environment, for the builds that tests start
		command.Env = append(command.Env, "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay)
	}
	return command.CombinedOutput()
}
