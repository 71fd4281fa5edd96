package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCommand prints a completion script, made from the definition of the command
// line.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help implements [kong.HelpProvider].
func (completionCommand) Help() string {
	return `Examples:

    source <(widgetd completion bash)    # in ~/.bashrc
    source <(widgetd completion zsh)     # in ~/.zshrc, after compinit
    widgetd completion fish > ~/.config/fish/completions/widgetd.fish`
}

// Run implements the command.
func (c completionCommand) Run(command *kong.Context, std streams) error {
	root := command.Model.Node
	script := bashScript(root)
	switch c.Shell {
	case "zsh":
		script = "autoload -U +X bashcompinit && bashcompinit\n" + script
	case "fish":
		script = fishScript(root)
	}
	_, err := fmt.Fprint(std.out, script)
	return err
}

// bashScript returns a script that completes commands and flags. Where none fits, the shell
// completes names of files. zsh runs the script too: there a variable must not be named
// path, and an offset in a slice needs a $.
func bashScript(root *kong.Node) string {
	var cases strings.Builder
	for _, command := range withDescendants(root) {
		fmt.Fprintf(&cases, "    %q) words=%q ;;\n", strings.Join(names(command), " "), strings.Join(followers(root, command), " "))
	}
	return `_widgetd() {
  local command="" word words=""
  for word in "${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    case " ` + strings.Join(commandNames(root), " ") + ` " in
      *" $word "*) command="${command:+$command }$word" ;;
    esac
  done
  case "$command" in
` + cases.String() + `  esac
  case "${COMP_WORDS[COMP_CWORD-1]}" in
` + valueCases(root) + `  esac
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _widgetd widgetd
`
}

// valueCases returns the words that may follow a flag that takes a value: those of the
// flag, or files.
func valueCases(root *kong.Node) string {
	var cases strings.Builder
	for _, flag := range root.Flags {
		if !flag.IsBool() {
			fmt.Fprintf(&cases, "    --%s) words=%q ;;\n", flag.Name, strings.Join(valuesOf(flag.Value), " "))
		}
	}
	return cases.String()
}

// fishScript returns the commands and flags with their descriptions.
func fishScript(root *kong.Node) string {
	return "complete -c widgetd -f\n" + fishCommands(root) + fishFlags(root)
}

// fishCommands returns the part of the script for the commands, their arguments and the
// flags that only they have.
func fishCommands(root *kong.Node) string {
	var script strings.Builder
	for _, command := range withDescendants(root) {
		condition := "__fish_use_subcommand"
		if command != root {
			condition = "__fish_seen_subcommand_from " + command.Name
		}
		for _, child := range visible(command) {
			fmt.Fprintf(&script, "complete -c widgetd -n %s -a %s -d %s\n", quote(condition), child.Name, quote(child.Help))
		}
		for _, argument := range command.Positional {
			if words := valuesOf(argument); len(words) > 0 {
				fmt.Fprintf(&script, "complete -c widgetd -n %s -a %s\n", quote(condition), quote(strings.Join(words, " ")))
			} else if argument.Name == "file" {
				fmt.Fprintf(&script, "complete -c widgetd -n %s -F\n", quote(condition))
			}
		}
		if command == root {
			continue
		}
		for _, flag := range command.Flags {
			fmt.Fprintf(&script, "complete -c widgetd -n %s -l %s -d %s\n", quote(condition), flag.Name, quote(flag.Help))
		}
	}
	return script.String()
}

// fishFlags returns the part of the script for the flags of the program.
func fishFlags(root *kong.Node) string {
	var script strings.Builder
	for _, flag := range root.Flags {
		argument := " -r -F"
		if words := valuesOf(flag.Value); len(words) > 0 {
			argument = " -x -a " + quote(strings.Join(words, " "))
		}
		if flag.IsBool() {
			argument = ""
		}
		condition := ""
		if without := commandsWithout(root, flag); len(without) > 0 {
			condition = " -n " + quote("not __fish_seen_subcommand_from "+strings.Join(without, " "))
		}
		fmt.Fprintf(&script, "complete -c widgetd%s -l %s%s -d %s\n", condition, flag.Name, argument, quote(flag.Help))
	}
	return script.String()
}

// valuesOf returns the words that a flag or an argument may have as its value, or nil if
// these are not listed.
func valuesOf(value *kong.Value) []string {
	if value.Enum == "" {
		return nil
	}
	return value.EnumSlice()
}

// commandsWithout returns the names of the commands that do not use a flag of the
// program.
func commandsWithout(root *kong.Node, flag *kong.Flag) (without []string) {
	for _, command := range withDescendants(root)[1:] {
		if len(visible(command)) == 0 && !isUsed(flag, usedKinds(command)) {
			without = append(without, command.Name)
		}
	}
	return without
}

// quote returns a text in single quotes, for fish.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// withDescendants returns a command and all commands below it.
func withDescendants(command *kong.Node) []*kong.Node {
	all := []*kong.Node{command}
	for _, child := range visible(command) {
		all = append(all, withDescendants(child)...)
	}
	return all
}

// visible returns the commands of a command that its help shows.
func visible(command *kong.Node) (children []*kong.Node) {
	for _, child := range command.Children {
		if !child.Hidden {
			children = append(children, child)
		}
	}
	return children
}

// names returns the words with which a command is called, without the program: "users" and
// "add".
func names(command *kong.Node) (path []string) {
	for ; command.Parent != nil; command = command.Parent {
		path = append([]string{command.Name}, path...)
	}
	return path
}

// commandNames returns the names of all commands.
func commandNames(root *kong.Node) (all []string) {
	for _, command := range withDescendants(root)[1:] {
		all = append(all, command.Name)
	}
	return all
}

// followers returns the words that may follow a command.
func followers(root, command *kong.Node) (words []string) {
	for _, child := range visible(command) {
		words = append(words, child.Name)
	}
	for _, argument := range command.Positional {
		words = append(words, valuesOf(argument)...)
	}
	kinds := usedKinds(command)
	for _, flag := range command.Flags {
		if command != root {
			words = append(words, "--"+flag.Name)
		}
	}
	for _, flag := range root.Flags {
		if command == root || isUsed(flag, kinds) {
			words = append(words, "--"+flag.Name)
		}
	}
	return words
}
