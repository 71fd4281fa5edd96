// Command typecheck checks the types of packages and of their tests for other systems. Its
// arguments are systems, such as windows/amd64. It checks the packages below the current
// folder and exits with 1 if one has an error.
//
// It reads the source of all imported packages and compiles none, so it needs a few seconds
// where a build for another system needs minutes. It finds no error of the linker.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: typecheck OS/ARCH...")
		os.Exit(2)
	}
	failed := false
	for _, system := range os.Args[1:] {
		checked, err := check(context.Background(), ".", system)
		if err != nil {
			fmt.Fprintf(os.Stderr, "typecheck: for %s:\n%v\n", system, err)
			failed = true
			continue
		}
		fmt.Printf("the types are right for %s: %d packages\n", system, checked)
	}
	if failed {
		os.Exit(1)
	}
}

// listed is a package in the output of go list.
type listed struct {
	ImportPath string // of a package with its tests: "path [path.test]"
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string // from paths in the source to import paths
	Module     *struct {
		Main      bool
		GoVersion string
	}
}

// check checks the types of the packages in and below the folder, and of all that they
// import. It returns the number of packages. The error joins all errors of types.
func check(ctx context.Context, folder, system string) (checked int, err error) {
	goos, goarch, _ := strings.Cut(system, "/")
	sizes := types.SizesFor("gc", goarch)
	if sizes == nil {
		return 0, fmt.Errorf("the system %q is not OS/ARCH, for example windows/amd64", system)
	}
	list := exec.CommandContext(ctx, "go", "list", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,Module", "./...")
	list.Dir = folder
	list.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	output, err := list.Output()
	if err != nil {
		return 0, fmt.Errorf("go list: %w", err)
	}
	packages := map[string]*types.Package{"unsafe": types.Unsafe}
	var found []error
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; { // a package comes after its imports
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return len(packages), errors.Join(found...)
		} else if err != nil {
			return 0, fmt.Errorf("read the output of go list: %w", err)
		}
		if packages[p.ImportPath] == nil {
			var errs []error
			packages[p.ImportPath], errs = p.check(packages, sizes)
			found = append(found, errs...)
		}
	}
}

// check checks one package. It skips the bodies of functions in other modules.
func (p listed) check(packages map[string]*types.Package, sizes types.Sizes) (_ *types.Package, errs []error) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		if !filepath.IsAbs(name) { // the main function of a test is in the build cache
			name = filepath.Join(p.Dir, name)
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		files = append(files, file)
	}
	config := types.Config{
		IgnoreFuncBodies: p.Module == nil || !p.Module.Main,
		Importer:         importer{packages, p.ImportMap},
		Sizes:            sizes,
		Error:            func(err error) { errs = append(errs, err) },
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		config.GoVersion = "go" + p.Module.GoVersion
	}
	path, _, _ := strings.Cut(p.ImportPath, " ")
	checked, _ := config.Check(path, fset, files, nil) // Error gets the errors
	return checked, errs
}

// importer finds the imports of a package among those that were checked.
type importer struct {
	packages  map[string]*types.Package
	importMap map[string]string
}

// Import implements [types.Importer].
func (i importer) Import(path string) (*types.Package, error) {
	if mapped, ok := i.importMap[path]; ok {
		path = mapped
	}
	if imported := i.packages[path]; imported != nil {
		return imported, nil
	}
	return nil, fmt.Errorf("go list does not list %s", path)
}
