// Command typecheck checks the types of the packages below the current folder, and of their
// tests, for other systems. Its arguments are systems, such as windows/amd64. It exits with 1
// if a package has an error.
//
// It reads the source of all imported packages and compiles none, so it needs a few seconds
// where a build for another system needs minutes. It finds no error of the linker.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: typecheck OS/ARCH...")
		os.Exit(2)
	}
	failed := false
	for _, system := range os.Args[1:] {
		if err := check(".", system); err != nil {
			fmt.Fprintf(os.Stderr, "typecheck: for %s:\n%v\n", system, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// check checks the types of the packages in and below the folder, and of their tests. The error
// has all errors of these packages and of those that they import.
func check(folder, system string) error {
	goos, goarch, _ := strings.Cut(system, "/")
	checked, err := packages.Load(&packages.Config{
		Mode:  packages.LoadAllSyntax,
		Dir:   folder,
		Env:   append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0"),
		Tests: true,
	}, "./...")
	if err != nil {
		return err
	}
	var errs []error
	for p := range packages.Postorder(checked) {
		for _, err := range p.Errors {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
