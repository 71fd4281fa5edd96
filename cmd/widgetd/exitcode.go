package main

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// The exit codes of the program, besides 0.
const (
	exitFailure  = 1
	exitUsage    = 2 // an unknown command or flag, or a bad value of a flag or an argument
	exitExisting = 3 // an account or a file does not exist, or exists already
)

// exitCodes describes the exit codes for the operator.
const exitCodes = "0 for success, 1 for a failure, 2 for wrong usage, 3 if an account or a file does not exist or exists already."

// usageError is an error for wrong usage.
type usageError struct {
	err  error
	help string // the command whose --help says more; may be empty
}

// Error returns the message with a pointer to the help.
func (e *usageError) Error() string {
	if e.help == "" {
		return e.err.Error()
	}
	return e.err.Error() + " (see '" + e.help + " --help')"
}

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.err }

// exitCode returns the exit code for an error.
func exitCode(err error) int {
	kind := domain.KindOf(err)
	_, isUsage := errors.AsType[*usageError](err)
	switch {
	case isUsage:
		return exitUsage
	case kind == domain.NotFound, kind == domain.AlreadyExists:
		return exitExisting
	}
	return exitFailure
}

// withUsage returns err as a usageError if it is about the arguments: a command, a flag, or
// the value of a flag. It returns other errors, also for the value of a variable, as they
// are.
func withUsage(err error, args []string) error {
	if parse, ok := errors.AsType[*kong.ParseError](err); ok {
		return asUsage(err, parse, args)
	}
	config, ok := errors.AsType[*app.ConfigError](err)
	if !ok || !isBadValue(config) {
		return err
	}
	for _, field := range config.Fields {
		if flag, _, _ := strings.Cut(settingName(field), " "); isGiven(flag, args) {
			return &usageError{err: err, help: "widgetd"}
		}
	}
	return err
}

// asUsage returns the usageError for an error of the parser, unless the error is about
// the value of a variable.
func asUsage(err error, parse *kong.ParseError, args []string) error {
	about, _, _ := strings.Cut(parse.Error(), " ") // "--addr:" in an error about that flag
	about, _, _ = strings.Cut(strings.TrimSuffix(about, ":"), "=")
	for _, flag := range parse.Context.Flags() {
		if about == "--"+flag.Name && len(flag.Envs) > 0 && !isGiven(about, args) {
			return withVariable(err, flag)
		}
	}
	help := "widgetd"
	if command := parse.Context.Selected(); command != nil {
		help = command.FullPath()
	}
	return &usageError{err: withoutPassword(withToggle(err, parse.Context, args), args), help: help}
}

// withVariable returns an error about the value of a variable with the name of the
// variable. The parser names only the flag if the value is none of its words.
func withVariable(err error, flag *kong.Flag) error {
	variable := flag.Envs[0]
	if strings.Contains(err.Error(), variable) {
		return err
	}
	return errors.New(strings.Replace(err.Error(), "--"+flag.Name, variableName(variable), 1))
}

// isGiven reports whether the arguments have a flag.
func isGiven(flag string, args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return arg == flag || strings.HasPrefix(arg, flag+"=")
	})
}

// isBadValue reports whether the value itself is wrong. It returns false if the value could
// be used in another state of the machine or of the store.
func isBadValue(err *app.ConfigError) bool {
	switch {
	case errors.Is(err, app.ErrNoStore), errors.Is(err, syscall.EADDRINUSE), errors.Is(err, fs.ErrPermission), domain.KindOf(err) != "":
		return false
	case slices.Contains(err.Fields, "DataDir"):
		return errors.Is(err, syscall.ENOTDIR) || strings.HasPrefix(err.Err.Error(), "must ")
	case slices.Contains(err.Fields, "LockMemory"):
		return false
	}
	return true
}
