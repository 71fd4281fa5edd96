package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMain runs the tests in the root of the module, like the command.
func TestMain(m *testing.M) {
	if err := os.Chdir(filepath.Join("..", "..")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestListFitsTheCode fails when the text that a mutant changes, or the test that must
// notice it, is no longer there.
func TestListFitsTheCode(t *testing.T) {
	t.Parallel()
	promises := map[string]bool{}
	for _, m := range mutants() {
		if _, err := m.changedFile(); err != nil {
			t.Errorf("%s: %v", m.promise, err)
		}
		top, _, _ := strings.Cut(m.testName, "/")
		if !hasTest(t, m.folder, top) {
			t.Errorf("%s: %s has no test %s", m.promise, m.folder, top)
		}
		if key := m.file + m.before + m.after; promises[m.promise] || promises[key] {
			t.Errorf("%s: it is in the list twice", m.promise)
		} else {
			promises[m.promise], promises[key] = true, true
		}
	}
	for _, promise := range shortForm() {
		if !promises[promise] {
			t.Errorf("%s: it is in the short form and not in the list", promise)
		}
	}
}

// hasTest reports whether the package in the folder has a test with the name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	definition := regexp.MustCompile(`(?m)^func ` + name + `\(`)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if definition.Match(content) {
			return true
		}
	}
	return false
}

// TestMutantIsNotNoticedByATestThatPasses uses a test that does not depend on the changed
// file.
func TestMutantIsNotNoticedByATestThatPasses(t *testing.T) {
	t.Parallel()
	m := mutants()[0]
	m.file, m.before, m.after = "domain/actor.go", "package domain\n", "package domain \n"
	m.folder, m.testName = "domain", "TestUUIDRoundTrip"
	if err := m.test(t.Context()); err == nil || err.Error() != "the test passed" {
		t.Errorf("got %v", err)
	}
	m.after = "package nonsense\n"
	if err := m.test(t.Context()); err == nil || !strings.Contains(err.Error(), "the test did not fail") {
		t.Errorf("a change that does not compile: got %v", err)
	}
}
