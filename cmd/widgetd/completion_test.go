package main_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestCompletionInBash runs the script in a shell, as a person's would.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	script := run(t, "", "completion", "bash")
	if script.code != 0 {
		t.Fatalf("exit code %d: %s", script.code, script.stderr)
	}
	for line, want := range map[string]string{
		"widgetd he":                  "healthcheck",
		"widgetd --registr":           "--registration",
		"widgetd completion --he":     "--help",
		"widgetd completion z":        "zsh",
		"widgetd --registration cl":   "closed",
		"widgetd --data us":           "",
		"widgetd --data x add-u":      "add-user",
		"widgetd add-user --password": "--password-min-length",
		"widgetd version --da":        "",
		"widgetd exp":                 "export",
		"widgetd backup --fo":         "--force",
		"widgetd import --acc":        "--accounts",
	} {
		got := runBash(t, script.stdout+`COMP_WORDS=(`+line+`); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _widgetd; echo "${COMPREPLY[*]}"`)
		if got != want {
			t.Errorf("%q is completed to %q, want %q", line, got, want)
		}
	}
	for _, shell := range []string{"zsh", "fish"} {
		if got := run(t, "", "completion", shell); got.code != 0 || !strings.Contains(got.stdout, "add-user") || !strings.Contains(got.stdout, "backup") {
			t.Errorf("%s: exit code %d, %s", shell, got.code, got.stderr)
		}
	}
}

// runBash runs a script with bash and returns its output.
func runBash(t *testing.T, script string) string {
	t.Helper()
	output, err := exec.Command("bash", "-c", script).CombinedOutput()
	if err != nil {
		t.Errorf("bash: %v: %s", err, output)
	}
	return strings.TrimSpace(string(output))
}
