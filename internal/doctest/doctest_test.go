package doctest_test

import (
	"strings"
	"testing"

	"github.com/widgetd/widgetd/internal/doctest"
)

const page = `# Title

~~~console
$ echo one
one
$ cat <<END
> two
> END
old
lines
$ TOKEN=x
~~~

~~~sh
$ rm -rf /
~~~

- in a list:

  ~~~console
$ echo three
~~~
  ~~~
`

func TestReplayRunsEveryCommandOfTheConsoleBlocksAndReplacesItsOutput(t *testing.T) {
	t.Parallel()
	fenced := strings.ReplaceAll(page, "~~~", "```")
	var commands []string
	got := doctest.Replay(fenced, func(command doctest.Command) string {
		commands = append(commands, command.Text)
		switch command.Text {
		case "cat <<END\ntwo\nEND":
			return "two\n"
		case "TOKEN=x":
			return ""
		}
		return command.Output
	})
	if want := strings.Replace(fenced, "old\nlines", "two", 1); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if want := []string{"echo one", "cat <<END\ntwo\nEND", "TOKEN=x", "echo three"}; strings.Join(commands, "|") != strings.Join(want, "|") {
		t.Errorf("ran %q, want %q", commands, want)
	}
}

func TestMaskHidesOnlyWhatDiffersInEachRun(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{
		{`"expires_in":3600,"token_expires_in":"00:59:59"`, `"expires_in":3600,"token_expires_in":"00:59:58"`},
		{`created 2026-11-29T00:30:48Z`, `created 2027-01-02T23:59:59Z`},
		{`11/29/26 12:30:48 AM UTC`, `12/01/26 01:30:48 PM UTC`},
		{`Sun, 29 Nov 2026 00:30:48 -0000`, `Mon, 3 May 2027 10:30:48 -0000`},
		{`26695 days 23 hours 29 minutes 9 seconds`, `1 day 1 second`},
		{`took 1.5s`, `took 312ms`},
		{`ETag: "1795912248970171"`, `ETag: "1795912248970999"`},
		{`kid kPrK_qmxVWaYVA9wwBF6Iu signs`, `kid ar63ZklsGuFlQ0eyeM5ahw signs`},
		{`0c715e61-086b-4a0d-a436-1a8994b618f8`, `cb60152e-ab5b-482d-83af-931ac72cef22`},
		{`{"token":"eyJhbGciOi.eyJhZG1p.aC7K-Hq"}`, `{"token":"eyJhbGci.eyJ.x"}`},
		{`a   b`, `a  b`},
	} {
		if doctest.Mask(same[0]) != doctest.Mask(same[1]) {
			t.Errorf("%q and %q differ: %q, %q", same[0], same[1], doctest.Mask(same[0]), doctest.Mask(same[1]))
		}
	}
	for _, different := range [][2]string{
		{"HTTP/1.1 200 OK", "HTTP/1.1 201 OK"},
		{"Total-Count: 3", "Total-Count: 4"},
		{`{"message":"successfully logged out"}`, `{"message":"successfully logged on"}`},
		{"a b", "ab"},
	} {
		if doctest.Mask(different[0]) == doctest.Mask(different[1]) {
			t.Errorf("%q and %q are equal: %q", different[0], different[1], doctest.Mask(different[0]))
		}
	}
}

func TestShellKeepsVariablesFilesAndTheExitStatus(t *testing.T) {
	t.Parallel()
	shell := doctest.Start(t, "/nowhere")
	for _, step := range []struct{ command, want string }{
		{"WORD=hello; echo $WORD >file; false", ""},
		{"echo $? $WORD; cat file", "1 hello\nhello\n"},
		{"cat <<'END'\nof two lines\nEND", "of two lines\n"},
		{"printf 'no line end'", "no line end\n"},
		{"echo to standard error >&2", "to standard error\n"},
		{"pwd", "/srv/widgets\n"},
		{"cat", ""}, // the standard input is empty
	} {
		if got := shell.Run(step.command); got != step.want {
			t.Errorf("$ %s\nprints %q, want %q", step.command, got, step.want)
		}
	}
	if missing := shell.Missing(); missing != "" {
		t.Errorf("%s is missing", missing)
	}
	shell.Run("no-such-program")
	if missing := shell.Missing(); missing != "no-such-program" {
		t.Errorf("%q is missing, want no-such-program", missing)
	}
}
