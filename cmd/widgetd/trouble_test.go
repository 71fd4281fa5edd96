package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// quotedMessage matches a message in the first cell of a table of docs/trouble.md.
var quotedMessage = regexp.MustCompile("`([^`]+)`")

// fromElsewhere are the messages that no source has as a whole, with the reason.
var fromElsewhere = map[string]string{
	"address already in use": "of the system",
	"Failed to fetch":        "of a browser",
	"is in use by another":   "made of parts by adapters/boltdb: TestFolderInUseIsRefusedByNameWithoutWaiting",
}

// TestDocsTroubleHasRealMessages checks that each message of docs/trouble.md is a text of
// the program.
func TestDocsTroubleHasRealMessages(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(repository, "docs", "trouble.md"))
	if err != nil {
		t.Fatal(err)
	}
	sources := programText(t)
	found := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, match := range quotedMessage.FindAllStringSubmatch(cells[1], -1) {
			text := match[1]
			if !strings.Contains(text, " ") || fromElsewhere[text] != "" { // one word is a header or a path
				continue
			}
			found++
			if !strings.Contains(sources, text) {
				t.Errorf("no source of the program has the message %q", text)
			}
		}
	}
	if found < 20 {
		t.Errorf("the page has only %d messages: its tables have another shape", found)
	}
}

// programText returns the Go sources of the program, without its tests.
func programText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	eachSource(t, func(path, text string) {
		folder, _, _ := strings.Cut(path, "/")
		isOfProgram := slices.Contains([]string{"adapters", "app", "domain", "ports"}, folder) || strings.HasPrefix(path, "cmd/widgetd/")
		if isOfProgram && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			all.WriteString(text)
		}
	})
	return all.String()
}
