package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// printHelp prints the help of a command without the flags that it does not use.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	options.WrapUpperBound = 120
	if selected := ctx.Selected(); selected != nil {
		hideUnused(ctx.Model.Node, usedKinds(selected))
	}
	return kong.DefaultHelpPrinter(options, ctx)
}

// usedKinds returns the kinds of flags that a command uses: those in the tag "uses" of
// the command, or of the command that it belongs to.
func usedKinds(command *kong.Node) []string {
	for ; command != nil; command = command.Parent {
		if command.Tag != nil && command.Tag.Has("uses") {
			return strings.Split(command.Tag.Get("uses"), ",")
		}
	}
	return nil
}

// hideUnused hides the flags that a command does not use; kinds are those that it uses.
func hideUnused(root *kong.Node, kinds []string) {
	for _, flag := range root.Flags {
		flag.Hidden = flag.Hidden || !isUsed(flag, kinds)
	}
}

// isUsed reports whether a command that uses the given kinds of flags uses the flag. Every
// command has --help.
func isUsed(flag *kong.Flag, kinds []string) bool {
	return flag.Name == "help" || slices.Contains(kinds, "all") || slices.Contains(kinds, flag.Tag.Get("used"))
}
