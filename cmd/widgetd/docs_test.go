package main_test

import (
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/internal/doctest"
	"github.com/widgetd/widgetd/internal/mongotest"
)

var updateDocs = flag.Bool("update", false, "write the real output of the commands into README.md and docs")

// documentedURI is the URI of MongoDB in commands. The test starts a stand-in for it.
const documentedURI = "mongodb://127.0.0.1:27017/widgets"

// repository is the folder of the whole repository.
const repository = "../.."

// notRun lists blocks of the documentation by their first lines, with the reason why no
// test runs them.
var notRun = map[string]string{
	"go run ./cmd/widgetd   # serves on http://127.0.0.1:8080, data in ./widgetd-data":                                                 "needs a clone: .ci/run runs the tests, and the tour runs the server",
	`docker build -f cmd/widgetd/deploy/Dockerfile --build-arg VERSION="$(git describe --tags --always --dirty)" -t widgetd .`:         "needs Docker: 'task lint-deploy' checks the Dockerfile",
	"export WIDGETD_MONGODB_URI='mongodb://widgetd:PASSWORD@db1,db2,db3/widgetd?replicaSet=rs0&tls=true&authSource=admin'":             "needs three machines: TestServersOutliveOneOfThem has two servers on a stand-in",
	"export WIDGETD_SECRET_KEY=$(openssl rand -base64 32)":                                                                             "needs Docker: 'task lint-deploy' checks the compose file",
	"nginx -t && systemctl reload nginx     # or: caddy validate --config /etc/caddy/Caddyfile && systemctl reload caddy":              "needs a proxy: the tests of proxies_linux_test.go run both",
	"go build -trimpath -o widgetd ./cmd/widgetd":                                                                                      "needs systemd as the first process: 'task lint-deploy' checks the unit",
	"go run github.com/go-task/task/v3/cmd/task@v3.50.0 mongo":                                                                         "needs a clone: the tests start the same database",
	`journalctl -u widgetd -o cat | jq -R 'fromjson? | select(.msg == "audit" and .action == "widget.delete" and .target == "first")'`: "needs systemd: the same filter runs on the page, with a file",
	"go tool pprof 'http://127.0.0.1:9090/debug/pprof/profile?seconds=30'":                                                             "takes 30 seconds: TestProfilesAreServedButNotTheCommandLine takes a shorter one",
	"widgetd openapi > widgetd.json":                "loads a program from npm: TestGeneratedClientRunsTheTour generates another client",
	"sha256sum --check --ignore-missing SHA256SUMS": "needs the files of a release: .ci/release writes them",
	"git checkout v1.2.3":                           "needs a released version: .ci/reproducible compares two builds",
	"task release -- v1.2.3":                        "builds for six systems twice: .ci/reproducible compares two builds for one",
	"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_SERVICE_NAME=widgets widgetd": "needs a collector: TestRequestsAreTracedAndTheLastSpansSentAtTheEnd has one",
	`sqlite3 site.db "SELECT json_object('email', email, 'password_hash', password_hash, 'admin', json(iif(admin, 'true', 'false')), 'public_id', public_id, 'registered_on', strftime('%Y-%m-%dT%H:%M:%fZ', registered_on)) FROM site_user ORDER BY id" > accounts.jsonl`: "needs the database of a Flask site: flask_test.go of adapters/mongodb/ferretdb makes one and runs the query",
	`psql -At -c "SELECT json_build_object('email', email, 'password_hash', password_hash, 'admin', admin, 'public_id', public_id, 'registered_on', to_char(registered_on, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')) FROM site_user ORDER BY id" site > accounts.jsonl`:        "needs PostgreSQL",
}

func TestDocsCommandsPrintWhatTheDocsSay(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil || runtime.GOOS == "windows" {
		t.Skip("the commands of the documentation were not run: they need bash")
	}
	for _, page := range doctest.Pages(t, repository) {
		path, text := page.Path, page.Text
		isConsole := func(block doctest.Block) bool { return block.Language == "console" }
		if !slices.ContainsFunc(doctest.Blocks(text), isConsole) {
			continue
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			shell := doctest.Start(t, binary)
			if strings.Contains(text, documentedURI) {
				shell.Substitute(documentedURI, mongotest.URI(t))
			}
			differs := false
			updated := doctest.Replay(text, func(command doctest.Command) string {
				got := shell.Run(command.Text)
				if missing := shell.Missing(); missing != "" && os.Getenv("DOCS") == "" {
					t.Skipf("the commands were not run: %s is not installed, and $DOCS is not set", missing)
				}
				if doctest.Mask(got) != doctest.Mask(command.Output) {
					differs = true
					if !*updateDocs {
						t.Errorf("%s:%d: $ %s\nprints\n%s\nnot\n%s", path, command.Line, command.Text, got, command.Output)
					}
				}
				return got
			})
			if differs && *updateDocs {
				if err := os.WriteFile(filepath.Join(repository, path), []byte(updated), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestDocsOtherBlocksAreTested checks the blocks that are not console blocks. A block of sh
// must be in notRun. A block of text is not code. A block of any other language must be part
// of a file of the repository, which other tests compile or use.
func TestDocsOtherBlocksAreTested(t *testing.T) {
	t.Parallel()
	unused := map[string]bool{}
	for line := range notRun {
		unused[line] = true
	}
	sources := readSources(t)
	for _, page := range doctest.Pages(t, repository) {
		path := page.Path
		for _, block := range doctest.Blocks(page.Text) {
			switch language := block.Language; {
			case len(block.Lines) == 0:
				t.Errorf("%s:%d: this block is empty", path, block.Line)
			case notRun[block.Lines[0]] != "":
				delete(unused, block.Lines[0])
			case language == "console":
			case language == "" || language == "text":
				if slices.ContainsFunc(block.Lines, isPrompt.MatchString) {
					t.Errorf("%s:%d: a block with commands must be a console block", path, block.Line)
				}
			case language == "sh":
				t.Errorf("%s:%d: make this block a console block, which is run, or add its first line to notRun with the reason", path, block.Line)
			case !sources.contain(block.Lines):
				t.Errorf("%s:%d: this %s block is not part of any file of the repository", path, block.Line, language)
			}
		}
	}
	for line := range unused {
		t.Errorf("notRun has a line with which no block begins: %s", line)
	}
}

var isPrompt = regexp.MustCompile(`^\$ `)

// texts are the texts of files.
type texts []string

// readSources returns the files of the repository that a block may be a part of.
func readSources(t *testing.T) (sources texts) {
	t.Helper()
	eachSource(t, func(_, text string) { sources = append(sources, unindented(strings.Split(text, "\n"))) })
	return sources
}

// eachSource calls f with the path, from the root of the repository, and the text of each file
// of the repository, except pages, large files and what git and npm keep.
func eachSource(t *testing.T, f func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); name == ".git" || name == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if info, err := entry.Info(); err != nil || filepath.Ext(path) == ".md" || !info.Mode().IsRegular() || info.Size() > 1<<20 {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(repository, path)
		f(filepath.ToSlash(relative), string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// contain reports whether successive lines of one of the texts are equal to the lines,
// except for space at their ends.
func (sources texts) contain(lines []string) bool {
	part := unindented(lines)
	return slices.ContainsFunc(sources, func(text string) bool { return strings.Contains(text, part) })
}

// unindented returns lines without the space around each. A line end stands before each
// line and after the last one.
func unindented(lines []string) string {
	var text strings.Builder
	text.WriteByte('\n')
	for _, line := range lines {
		text.WriteString(strings.TrimSpace(line) + "\n")
	}
	return text.String()
}
