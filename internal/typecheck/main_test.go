package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckFindsAnErrorOnOneSystem(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":       "module example.com/m\n\ngo 1.26.0\n",
		"m.go":         "package m\n\nfunc F() int { return f() }\n",
		"m_linux.go":   "package m\n\nfunc f() int { return 1 }\n",
		"m_windows.go": "package m\n\nfunc f() int { return \"1\" }\n",
		"m_test.go":    "package m_test\n\nimport \"example.com/m\"\n\nvar _ = m.F()\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for system, want := range map[string]string{
		"linux/amd64":   "",
		"windows/amd64": "m_windows.go:3:23: cannot use \"1\"",
		"darwin/arm64":  "m.go:3:23: undefined: f",
	} {
		err := check(folder, system)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("for %s the error is %v, not %q", system, err, want)
		}
	}
}
