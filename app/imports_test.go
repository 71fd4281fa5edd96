package app_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/widgetd/widgetd"

// mayImport reports whether a package in a folder of this module may import another
// package. The rules name whole trees, so they cover a new package without an edit. A
// package outside the known trees may import nothing.
func mayImport(folder, imported string) bool {
	local, isLocal := strings.CutPrefix(imported, module+"/")
	if !isLocal {
		local = ""
	}
	standard := !isLocal && !strings.Contains(firstElements(imported, 1), ".")
	thirdParty := !isLocal && !standard
	core := standard || local == "ports" || isWithin(local, "domain")
	switch {
	case folder == "adapters", folder == "cmd": // no packages, only folders of packages
		return false
	case isWithin(folder, "domain"):
		isIO := isWithin(imported, "net/http", "encoding/json", "database/sql", "os")
		return standard && !isIO || isWithin(local, "domain")
	case folder == "ports":
		return standard || isWithin(local, "domain")
	case isWithin(folder, "ports"): // fakes and suites of tests
		return core || isWithin(local, "ports/conformance")
	case folder == "app":
		return !isWithin(local, "cmd", "internal")
	case folder == "app/internal/calls": // a helper for the tests of use cases
		return core || local == "ports/fakes"
	case isWithin(folder, "app"): // a use case
		return core || imported == "github.com/google/uuid" || isWithin(local, "app/internal")
	case isWithin(folder, "adapters/internal"):
		return core || isWithin(local, "adapters/internal") || thirdParty && strings.HasSuffix(folder, "test")
	case isWithin(folder, "adapters"):
		return core || thirdParty || isWithin(local, "adapters/internal", firstElements(folder, 2))
	case isWithin(folder, "internal"): // helpers for the tests of several folders
		return core || thirdParty || isWithin(local, "internal", "ports")
	case isWithin(folder, "cmd"):
		return standard || thirdParty || local == "app" || isWithin(local, "domain", firstElements(folder, 2))
	}
	return false
}

// isWithin reports whether path is one of the folders or below one.
func isWithin(path string, folders ...string) bool {
	for _, folder := range folders {
		if path == folder || strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}

// firstElements returns the first n elements of a path.
func firstElements(path string, n int) string {
	elements := strings.SplitN(path, "/", n+1)
	return strings.Join(elements[:min(n, len(elements))], "/")
}

func TestPackagesImportOnlyWhatTheirFolderMay(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"/...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v", list, err)
	}
	seen := map[string]bool{}
	for packages := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := packages.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		folder := strings.TrimPrefix(pkg.ImportPath, module+"/")
		seen[folder] = true
		// Every known folder may import errors, so an unknown one fails here even
		// if it imports nothing.
		for _, imported := range append(pkg.Imports, "errors") {
			if !mayImport(folder, imported) {
				t.Errorf("%s must not import %s", folder, imported)
			}
		}
	}
	for _, folder := range []string{"domain", "ports", "ports/fakes", "ports/conformance", "app", "app/auth", "app/widgets", "adapters/boltdb", "cmd/widgetd"} {
		if !seen[folder] {
			t.Errorf("go list does not show %s, so its imports were not checked", folder)
		}
	}
}

func TestImportRules(t *testing.T) {
	t.Parallel()
	const (
		fiber = "github.com/gofiber/fiber/v2"
		mongo = "go.mongodb.org/mongo-driver/v2/mongo"
		uuid  = "github.com/google/uuid"
	)
	local := func(folder string) string { return module + "/" + folder }
	for _, test := range []struct {
		folder, imported string
		want             bool
	}{
		{"domain", "strings", true},
		{"domain", "net/netip", true},
		{"domain", "os", false},
		{"domain", "os/exec", false},
		{"domain", "net/http", false},
		{"domain", "encoding/json", false},
		{"domain", "database/sql", false},
		{"domain", uuid, false},
		{"domain", local("ports"), false},
		{"domain/currency", "os", false},
		{"domain/currency", local("domain"), true},

		{"ports", "context", true},
		{"ports", local("domain"), true},
		{"ports", uuid, false},
		{"ports", local("ports/fakes"), false},
		{"ports", local("app/auth"), false},
		{"ports/fakes", local("ports"), true},
		{"ports/conformance", local("ports/conformance/sample"), true},
		{"ports/conformance", local("adapters/memory"), false},
		{"ports/conformance", fiber, false},

		{"app/auth", local("ports"), true},
		{"app/auth", uuid, true},
		{"app/gadgets", fiber, false},
		{"app/gadgets", local("adapters/memory"), false},
		{"app/gadgets", local("adapters/internal/durable"), false},
		{"app/gadgets", local("app"), false},
		{"app/gadgets", local("app/auth"), false},
		{"app/gadgets", local("ports/fakes"), false},

		{"app", local("adapters/boltdb"), true},
		{"app", local("app/auth"), true},
		{"app", local("cmd/widgetd"), false},
		{"app", local("internal/mongotest"), false},

		{"adapters/postgres", "database/sql", true},
		{"adapters/postgres", "github.com/jackc/pgx/v5", true},
		{"adapters/postgres", local("ports"), true},
		{"adapters/postgres", local("adapters/postgres/internal/pool"), true},
		{"adapters/postgres", local("adapters/internal/durable"), true},
		{"adapters/postgres", local("adapters/boltdb"), false},
		{"adapters/postgres", local("adapters/postgresql"), false},
		{"adapters/postgres", local("ports/fakes"), false},
		{"adapters/postgres", local("app"), false},
		{"adapters/postgres", local("cmd/widgetd"), false},
		{"adapters/postgres/internal/pool", local("adapters/boltdb"), false},
		{"adapters/postgres/internal/pool", local("adapters/postgres"), true},
		{"adapters/internal/durable", "os", true},
		{"adapters/internal/durable", local("domain"), true},
		{"adapters/internal/durable", local("adapters/boltdb"), false},
		{"adapters/internal/durable", mongo, false},
		{"adapters/internal/wiretest", mongo, true},
		{"adapters/mongodb", local("internal/mongotest"), false},

		{"internal/mongotest", mongo, true},
		{"internal/mongotest", local("ports/conformance"), true},
		{"internal/mongotest", local("adapters/mongodb"), false},
		{"internal/mongotest", local("app"), false},

		{"cmd/widgetd", local("app"), true},
		{"cmd/widgetd", local("domain"), true},
		{"cmd/widgetd", "github.com/alecthomas/kong", true},
		{"cmd/widgetd", local("cmd/widgetd/internal/prompt"), true},
		{"cmd/widgetd", local("app/auth"), false},
		{"cmd/widgetd", local("ports"), false},
		{"cmd/another", local("adapters/boltdb"), false},
		{"cmd/another", local("cmd/widgetd/internal/prompt"), false},

		{"adapters", local("adapters/boltdb"), false},
		{"cmd", local("app"), false},
		{"pkg/util", "strings", false}, // an unknown top-level folder
		{"domains", "strings", false},
	} {
		if got := mayImport(test.folder, test.imported); got != test.want {
			t.Errorf("may %s import %s? got %v, want %v", test.folder, test.imported, got, test.want)
		}
	}
}
