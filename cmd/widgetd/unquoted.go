package main

import (
	"errors"
	"slices"
	"strings"
)

// withoutPassword replaces an error of the parser that quotes an argument of a command for
// passwords: the argument is often the password.
func withoutPassword(err error, args []string) error {
	command, rest := passwordCommand(args)
	if command == "" {
		return err
	}
	text := err.Error()
	if strings.HasPrefix(text, "unexpected argument ") {
		return errors.New(command + " takes one argument, EMAIL; the password is typed at a prompt, or is one line of standard input")
	}
	if !quotesAny(text, rest) {
		return err
	}
	const advice = "is not shown, because it may be a password"
	if flag, _, found := strings.Cut(text, " "); found && strings.HasPrefix(flag, "--") {
		return errors.New(strings.TrimSuffix(flag, ":") + " does not take that value; the value " + advice)
	}
	return errors.New(command + " has no such flag; the flag " + advice)
}

// passwordCommand returns the command that takes a password, and the other arguments. It
// returns "" if the arguments name another command.
func passwordCommand(args []string) (command string, rest []string) {
	rest = slices.Clone(args)
	if i := slices.Index(rest, "add-user"); i >= 0 {
		return "add-user", slices.Delete(rest, i, i+1)
	}
	i := slices.Index(rest, "users")
	if i < 0 {
		return "", nil
	}
	rest = slices.Delete(rest, i, i+1)
	j := slices.IndexFunc(rest[i:], func(arg string) bool { return arg == "add" || arg == "password" })
	if j < 0 {
		return "", nil
	}
	command = "users " + rest[i+j]
	return command, slices.Delete(rest, i+j, i+j+1)
}

// quotesAny reports whether a text contains one of the arguments, or the value of a
// flag that is written as in --flag=value.
func quotesAny(text string, args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		if name, value, found := strings.Cut(arg, "="); found && strings.HasPrefix(name, "-") {
			return strings.Contains(text, name+", ") || strings.HasSuffix(text, name) || value != "" && strings.Contains(text, value)
		}
		return arg != "" && strings.Contains(text, arg)
	})
}
