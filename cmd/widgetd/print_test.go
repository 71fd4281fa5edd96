package main_test

import (
	"testing"

	"github.com/widgetd/widgetd/app"
)

func TestVersionIsPrinted(t *testing.T) {
	t.Parallel()
	for _, argument := range []string{"version", "--version"} {
		got := run(t, "", argument)
		if got.code != 0 || got.stderr != "" {
			t.Errorf("%s: exit code %d, %q", argument, got.code, got.stderr)
		}
		wantMatch(t, got.stdout, `^widgetd \S+ go1\.\S+ \w+/\w+\n$`)
	}
}

func TestOpenAPIDocumentIsPrinted(t *testing.T) {
	t.Parallel()
	if got := run(t, "", "openapi"); got != (outcome{stdout: string(app.OpenAPI())}) {
		t.Errorf("exit code %d, %d bytes, %q", got.code, len(got.stdout), got.stderr)
	}
}
