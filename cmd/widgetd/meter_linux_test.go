package main_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// onTerminal runs the program with a terminal of the given width as standard error, and
// returns the text on it.
func onTerminal(t *testing.T, width uint16, stdin string, settings ...string) string {
	t.Helper()
	person, program := openTerminal(t)
	size := [4]uint16{24, width, 0, 0}
	control(t, person, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	cmd := command(t.Context(), settings...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), program
	_ = cmd.Run()   // some commands fail
	program.Close() // so that read returns
	return read(t, person)
}

func TestProgressIsShownOnATerminalOnly(t *testing.T) {
	t.Parallel()
	const erased = "\r\x1b[K"
	data := serveControl(t, func(w http.ResponseWriter, r *http.Request) {
		end := frame('e', "{}")
		switch r.URL.Path {
		case "/store/import":
			_, _ = io.WriteString(w, frame('p', `{"lines":9,"added":5,"found":3,"refused":1}`)+
				frame('r', `{"line":7,"why":{"kind":"invalid","message":"no\u001b[2J email"}}`)+end)
		case "/store/export":
			_, _ = io.WriteString(w, frame('d', strings.Repeat("x", 12_345))+end)
		default:
			_, _ = io.WriteString(w, frame('p', `{"done":1234567,"total":4000000}`)+end)
		}
	})
	file := filepath.Join(t.TempDir(), "file")
	bar := "[######              ]  30%  1.23 MB of 4.00 MB"
	for name, test := range map[string]struct {
		width uint16
		args  []string
		want  string
	}{
		"backup":            {80, []string{"backup", file}, erased + "backup  " + bar + erased},
		"check":             {80, []string{"check"}, erased + "check  " + bar + erased},
		"a narrow terminal": {20, []string{"check"}, erased + ("check  " + bar)[:19] + erased},
		"export":            {80, []string{"export", file + "2"}, erased + "export  12.3 kB" + erased},
		"import": {80, []string{"import", "-"}, erased + "import  0 B, 5 added, 3 found there already, 1 refused" + erased +
			"widgetd: line 7 is refused: no\uFFFD[2J email\nwidgetd: a line was refused\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := onTerminal(t, test.width, "", append(test.args, "--data", data)...); got != test.want {
				t.Errorf("on the terminal: %q, want %q", got, test.want)
			}
		})
	}
	if got := run(t, "", "check", "--data", data); got.stderr != "" {
		t.Errorf("without a terminal: %q", got.stderr)
	}
}

func TestBackupIsNotWrittenToATerminal(t *testing.T) {
	t.Parallel()
	data := folder(t)
	start(t, data).stop()
	person, program := openTerminal(t)
	cmd := command(t.Context(), "backup", "-", "--data", data)
	cmd.Stdout, cmd.Stderr = program, program
	if err := cmd.Run(); err == nil {
		t.Error("exit code 0")
	}
	program.Close() // so that read returns
	if shown := read(t, person); !strings.HasPrefix(shown, "widgetd: standard output is a terminal") {
		t.Errorf("on the terminal: %q", shown)
	}
}
