package domain_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/widgetd/widgetd"

// goList returns what `go list` prints of the packages, a line each.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Fields(string(out))
}

func TestDomainDependsOnTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	got := goList(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module+"/domain")
	if !slices.Equal(got, []string{module + "/domain"}) {
		t.Errorf("packages from elsewhere: %v", got)
	}
}

func TestDomainImportsNoIO(t *testing.T) {
	t.Parallel()
	imports := goList(t, "-f", `{{join .Imports "\n"}}`, module+"/domain")
	if !slices.Contains(imports, "fmt") {
		t.Fatalf("these are not the imports: %v", imports)
	}
	for _, banned := range []string{"net/http", "encoding/json", "database/sql", "os"} {
		if slices.Contains(imports, banned) {
			t.Errorf("domain imports %s", banned)
		}
	}
}

func TestPortsAndUseCasesDependOnNoTechnology(t *testing.T) {
	t.Parallel()
	for _, pkg := range []string{"/ports", "/app/auth", "/app/widgets"} {
		deps := goList(t, "-deps", module+pkg)
		if !slices.Contains(deps, module+"/domain") {
			t.Fatalf("these are not the dependencies of %s: %v", pkg, deps)
		}
		for _, dep := range deps {
			for _, banned := range []string{"fiber", "fasthttp", "bbolt", "mongo", "jwt", "x/crypto", module + "/adapters"} {
				if strings.Contains(dep, banned) && !strings.HasPrefix(dep, "vendor/") {
					t.Errorf("%s depends on %s", pkg, dep)
				}
			}
		}
	}
}
