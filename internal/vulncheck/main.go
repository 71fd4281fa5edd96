// Command vulncheck judges the report that govulncheck -format json writes, on
// standard input. Its argument is a file of exceptions (see [parseExceptions]).
//
// It exits with 1 if our code calls a function of a module that has a known
// vulnerability, unless the exceptions name the vulnerability. govulncheck itself
// also fails for the standard library. Vulncheck only prints those findings, because the
// standard library is that of the machine.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: govulncheck -format json ./... | vulncheck EXCEPTIONS")
		os.Exit(2)
	}
	ok, err := run(os.Stdin, os.Args[1], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

// run prints what the report has found, and reports whether all of it may stay.
func run(report io.Reader, exceptionsFile string, out io.Writer) (ok bool, err error) {
	text, err := os.ReadFile(exceptionsFile)
	if err != nil {
		return false, err
	}
	exceptions, err := parseExceptions(string(text))
	if err != nil {
		return false, fmt.Errorf("%s: %w", exceptionsFile, err)
	}
	findings, err := parseReport(report)
	if err != nil {
		return false, err
	}
	return judge(findings, exceptions, out), nil
}

// judge prints the findings, and reports whether the exceptions name each that is
// not in the standard library.
func judge(findings []finding, exceptions map[string]string, out io.Writer) bool {
	ok, used := true, map[string]bool{}
	for _, f := range findings {
		reason, excepted := exceptions[f.id]
		used[f.id] = true
		switch {
		case f.isStandardLibrary():
			fmt.Fprintf(out, "standard library of this machine: %s\n", f)
		case excepted:
			fmt.Fprintf(out, "let through: %s: %s\n", f, reason)
		default:
			fmt.Fprintf(out, "FOUND: %s\n", f)
			ok = false
		}
	}
	for id := range exceptions {
		if !used[id] {
			fmt.Fprintf(out, "the exception %s is of no use any more: remove it\n", id)
		}
	}
	return ok
}
