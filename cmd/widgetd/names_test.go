package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/internal/doctest"
)

// foreignFlags are flags of other programs that the documentation names outside a command:
// widgetd-bench and Docker.
var foreignFlags = []string{"--chart", "--connections", "--only", "--quick", "--read-only", "--ulimit"}

// TestDocsNameOnlyWhatExists checks the commands, flags, variables and endpoints that the
// documentation names.
func TestDocsNameOnlyWhatExists(t *testing.T) {
	t.Parallel()
	var flags cli
	root := newParser(&flags, streams{}).Model.Node
	isEndpoint := endpoints(t)
	for _, page := range doctest.Pages(t, "../..") {
		for i, line := range strings.Split(page.Text, "\n") {
			for _, name := range ourVariable.FindAllString(line, -1) {
				if !slices.Contains(knownVariables(), name) {
					t.Errorf("%s:%d: there is no variable %s", page.Path, i+1, name)
				}
			}
		}
		for _, code := range page.Code() {
			for _, problem := range unknownWords(root, code.Text) {
				t.Errorf("%s:%d: %s: `%s`", page.Path, code.Line, problem, code.Text)
			}
			if code.Language == "go" { // compiled, and may have routes of other programs
				continue
			}
			for _, name := range methodAndPath.FindAllStringSubmatch(code.Text, -1) {
				if !isEndpoint(name[1], name[2]) {
					t.Errorf("%s:%d: there is no endpoint %s", page.Path, code.Line, name[0])
				}
			}
			for _, name := range pathOfAPI.FindAllStringSubmatch(code.Text, -1) {
				if !isEndpoint("", name[1]) {
					t.Errorf("%s:%d: there is no endpoint %s", page.Path, code.Line, name[0])
				}
			}
		}
	}
}

var (
	ourVariable   = regexp.MustCompile(`\bWIDGETD_[A-Z_]*[A-Z]\b`)
	ourCommand    = regexp.MustCompile(`(?:^|[;|&('] *|[A-Z_]+=\S* +|sudo |\./cmd/)widgetd ([^|;&)'#<>]*)`)
	flagName      = regexp.MustCompile(`^\[?--([a-z][a-z-]*)`)
	commandName   = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	methodAndPath = regexp.MustCompile(`\b(GET|POST|PUT|PATCH|DELETE) (/[\w/{}$.-]*)`)
	pathOfAPI     = regexp.MustCompile(`(?:/api/v1|\$API)(/[\w/{}$.-]*)`)
)

// unknownWords returns the problems of the commands and flags in a code.
func unknownWords(root *kong.Node, code string) (problems []string) {
	if match := flagName.FindStringSubmatch(code); match != nil && !hasFlag(root, match[1]) && !slices.Contains(foreignFlags, "--"+match[1]) {
		problems = append(problems, "no command has the flag --"+match[1])
	}
	for _, match := range ourCommand.FindAllStringSubmatch(code, -1) {
		command, isValue := root, false
		for _, word := range strings.Fields(match[1]) {
			if isValue {
				isValue = false
				continue
			}
			if name := flagName.FindStringSubmatch(word); name != nil {
				flag := findFlag(root, command, name[1])
				if flag == nil {
					problems = append(problems, "the command does not have the flag --"+name[1])
				}
				isValue = flag != nil && !flag.IsBool() && !strings.Contains(word, "=")
				continue
			}
			if !commandName.MatchString(word) || len(visible(command)) == 0 {
				continue
			}
			i := slices.IndexFunc(command.Children, func(child *kong.Node) bool { return child.Name == word })
			if i < 0 {
				problems = append(problems, "there is no command "+word)
				break
			}
			command = command.Children[i]
		}
	}
	return problems
}

// hasFlag reports whether any command has a flag.
func hasFlag(root *kong.Node, name string) bool {
	return slices.ContainsFunc(withDescendants(root), func(command *kong.Node) bool { return findFlag(root, command, name) != nil })
}

// findFlag returns a flag of a command or of the program, or nil.
func findFlag(root, command *kong.Node, name string) *kong.Flag {
	for _, flag := range slices.Concat(command.Flags, root.Flags) {
		if flag.Name == name {
			return flag
		}
	}
	return nil
}

// endpoints returns a function that reports whether the OpenAPI document has an endpoint. The
// method may be empty. The path may lack /api/v1 at its beginning.
func endpoints(t *testing.T) func(method, path string) bool {
	t.Helper()
	var document struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal(app.OpenAPI(), &document); err != nil {
		t.Fatal(err)
	}
	parameter := regexp.MustCompile(`\\\{[a-z_]+\\\}`)
	return func(method, path string) bool {
		for template, operations := range document.Paths {
			pattern := "^(/api/v1)?" + parameter.ReplaceAllString(regexp.QuoteMeta(strings.TrimPrefix(template, "/api/v1")), `[^/]+`) + "/?$"
			if matched, _ := regexp.MatchString(pattern, path); matched && (method == "" || operations[strings.ToLower(method)] != nil) {
				return true
			}
		}
		return false
	}
}
