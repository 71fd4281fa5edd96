package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestGeneratedClientRunsTheTour(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "WIDGETD_ADMIN_EMAIL=admin@example.com", "WIDGETD_ADMIN_PASSWORD=correct horse",
		"WIDGETD_INTROSPECTION_SECRET=a secret of at least 32 bytes for the tour", "--signing-key", keyFile(t, newEd25519(t)))
	document := s.do(t, get("/openapi.json", ""))
	document.want(t, 200, "")

	module := t.TempDir()
	if err := os.CopyFS(module, os.DirFS("testdata/client")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(module, "openapi.json"), []byte(document.body), 0o600); err != nil {
		t.Fatal(err)
	}
	goIn(t, module, s.url, "tool", "oapi-codegen", "-config", "oapi-codegen.yaml", "openapi.json")
	if out := goIn(t, module, s.url, "test", "-v", "-run", "^TestTour$"); !strings.Contains(out, "--- PASS: TestTour") {
		t.Errorf("TestTour did not run:\n%s", out)
	}
}

// goIn runs a go command in a module, with the server's URL in its environment, and
// returns the output.
func goIn(t *testing.T, module, url string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "WIDGETD_URL="+url, "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
