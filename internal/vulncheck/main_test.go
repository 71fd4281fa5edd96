package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// report is a report of govulncheck 1.9 about this program with brotli 1.2.1 and
// compress 1.20.1, which have a called vulnerability each. Most traces are left out.
func report(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "report.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// check runs the command with the given exceptions.
func check(t *testing.T, report []byte, exceptions string) (ok bool, out string, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "exceptions.txt")
	if err := os.WriteFile(file, []byte(exceptions), 0o600); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	ok, err = run(bytes.NewReader(report), file, &text)
	return ok, text.String(), err
}

func TestCalledVulnerabilitiesOfModulesFail(t *testing.T) {
	t.Parallel()
	const (
		brotli   = "GO-2026-6888 2026-11-28 we decompress nothing\n"
		compress = "GO-2026-6865 2026-11-28 we decompress nothing\n"
	)
	for name, test := range map[string]struct {
		exceptions string
		ok         bool
		lines      []string
	}{
		"no exception":     {"", false, []string{"FOUND: GO-2026-6888 Excessive memory", "FOUND: GO-2026-6865 Panic", "github.com/klauspost/compress v1.20.1, fixed in v1.20.2"}},
		"one exception":    {"# why\n\n" + brotli, false, []string{"let through: GO-2026-6888", "2026-11-28 we decompress nothing\n", "FOUND: GO-2026-6865"}},
		"both exceptions":  {brotli + compress, true, []string{"let through: GO-2026-6888", "let through: GO-2026-6865"}},
		"one of no use":    {brotli + compress + "GO-2020-0001 2026-11-28 old\n", true, []string{"GO-2020-0001 is of no use"}},
		"standard library": {brotli + compress, true, []string{"standard library of this machine: GO-2026-6617 HTTP/2 server crash"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ok, out, err := check(t, report(t), test.exceptions)
			if err != nil || ok != test.ok {
				t.Errorf("got %v, %v; want %v", ok, err, test.ok)
			}
			for _, line := range test.lines {
				if !strings.Contains(out, line) {
					t.Errorf("the output has no %q:\n%s", line, out)
				}
			}
			if strings.Contains(out, "golang.org/x/crypto") || strings.Contains(out, "golang.org/x/net") {
				t.Errorf("a vulnerability that is not called is in the output:\n%s", out)
			}
			if strings.Count(out, "GO-2026-6888") != 1 {
				t.Errorf("a vulnerability is not told once:\n%s", out)
			}
		})
	}
}

func TestReportsThatAreNoneFail(t *testing.T) {
	t.Parallel()
	whole := report(t)
	for name, text := range map[string][]byte{
		"empty":        nil,
		"cut off":      whole[:len(whole)-20],
		"text":         []byte("govulncheck: no such database\n"),
		"without head": whole[bytes.IndexByte(whole, '\n')+1:],
	} {
		if ok, out, err := check(t, text, ""); ok || err == nil {
			t.Errorf("%s: %v, %v:\n%s", name, ok, err, out)
		}
	}
	if _, err := run(bytes.NewReader(whole), filepath.Join(t.TempDir(), "missing"), &bytes.Buffer{}); err == nil {
		t.Error("a file of exceptions that is missing is no error")
	}
}

func TestExceptionsWithoutADateOrAReasonFail(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"GO-2026-6888", "GO-2026-6888 2026-11-28", "GO-2026-6888 2026-11-28 ", "GO-2026-6888 a reason", "GO-2026-6888 28.11.2026 a reason",
		"GO-2026-6888 2026-02-30 a reason", "CVE-2026-1 2026-11-28 a reason", "# fine\nnonsense",
	} {
		if _, _, err := check(t, report(t), text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestExceptionsOfThisRepositoryCanBeRead(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", ".ci", "vulnerabilities.txt"))
	if err == nil {
		_, err = parseExceptions(string(text))
	}
	if err != nil {
		t.Error(err)
	}
}
