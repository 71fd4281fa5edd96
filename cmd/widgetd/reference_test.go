package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

//go:generate go test -run ^TestDocsReferencesAreGenerated$ -args -update

// docs is the folder of the documentation.
const docs = "../../docs"

func TestDocsReferencesAreGenerated(t *testing.T) {
	var flags cli
	root := newParser(&flags, streams{}).Model.Node
	for name, want := range map[string]string{
		"settings.md": settingsPage(root),
		"commands.md": commandsPage(root),
		"widgetd.1":   manualPage(root),
	} {
		path := filepath.Join(docs, name)
		if flag.Lookup("update").Value.String() == "true" { // see docs_test.go
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not that of the command line: run go generate ./cmd/widgetd", path)
		}
	}
}

// generated is the first line of a generated page.
const generated = "<!-- Generated from cmd/widgetd by go generate ./cmd/widgetd. -->\n\n"

// explained names, for settings, the page that says more.
var explained = map[string]string{
	"addr": "proxy.md", "data": "data-folder.md", "mongodb-uri": "several-servers.md", "token-ttl": "keys.md",
	"cors-origins": "production.md", "password-min-length": "production.md", "max-login-failures": "accounts.md", "max-registrations": "production.md",
	"registration": "accounts.md", "trusted-proxies": "proxy.md", "base-url": "proxy.md", "token-audience": "other-services.md",
	"signing-key": "keys.md", "previous-keys": "keys.md", "tls-cert": "proxy.md", "tls-key": "proxy.md", "hsts": "proxy.md",
	"max-connections": "promises.md", "max-connections-per-client": "promises.md", "idle-timeout": "proxy.md",
	"metrics-addr": "observability.md", "audit": "audit.md", "lock-memory": "promises.md", "log-format": "observability.md",
	"log-level": "observability.md", secretKeyVariable: "keys.md", previousSecretKeysVariable: "keys.md",
	introspectionSecretVariable: "other-services.md", adminEmailVariable: "accounts.md", adminPasswordVariable: "accounts.md",
}

// settingsPage returns the reference of the settings.
func settingsPage(root *kong.Node) string {
	var page strings.Builder
	page.WriteString(generated + `# Settings

A setting is a flag or an environment variable. If both are set, the flag counts. An empty variable counts as unset. A bad
value, or a variable that ends in a line end, stops the program with one line that names the setting. A variable that begins
with ` + "`WIDGETD_`" + ` and is no setting is a warning in the log. Before a start, ` + "`widgetd config`" + ` shows all of this. A list
has commas between its values.

| flag | variable | default | meaning | more |
|---|---|---|---|---|
`)
	for _, flag := range settingFlags(root) {
		page.WriteString(row(code("--"+flag.Name), code(flag.Envs[0]), code(flag.Default), flag.Help, link(explained[flag.Name])))
	}
	for _, setting := range variableSettings() {
		page.WriteString(row("", code(setting.variable), "", setting.help, link(explained[setting.variable])))
	}
	page.WriteString(`
Each of these variables names a file to read a value from, such as a secret of Docker or Kubernetes. One line end at the end of
the file does not count.

| variable | in place of |
|---|---|
`)
	for _, variable := range secretVariables() {
		page.WriteString(row(code(variable+fileSuffix), code(variable)))
	}
	return page.String()
}

// commandsPage returns the reference of the commands.
func commandsPage(root *kong.Node) string {
	var page strings.Builder
	page.WriteString(generated + "# Commands\n\n`widgetd COMMAND --help` prints what this page says about a command.\nExit codes: " + exitCodes + "\n\n")
	page.WriteString("| command | effect |\n|---|---|\n")
	for _, command := range withDescendants(root)[1:] {
		page.WriteString(row("["+code(strings.Join(names(command), " "))+"](#"+strings.Join(names(command), "-")+")", command.Help))
	}
	for _, command := range withDescendants(root)[1:] {
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n%s\n", strings.Join(names(command), " "), indented(usage(command)), command.Help)
		if text := command.Detail; text != "" {
			page.WriteString("\n" + indentExamples(text) + "\n")
		}
		if len(command.Positional)+len(ownFlags(command)) > 0 {
			page.WriteString("\n| argument | meaning |\n|---|---|\n")
		}
		for _, argument := range command.Positional {
			page.WriteString(row(code(strings.ToUpper(argument.Name)), argument.Help))
		}
		for _, flag := range ownFlags(command) {
			page.WriteString(row(code("--"+flag.Name), flag.Help))
		}
		if uses := usedSettings(root, command); len(uses) > 0 && command.Leaf() {
			page.WriteString("\n[Settings](settings.md): " + strings.Join(uses, ", ") + ".\n")
		}
	}
	return page.String()
}

// manualPage returns the manual page, widgetd(1).
func manualPage(root *kong.Node) string {
	var page strings.Builder
	page.WriteString(`.\" Generated from cmd/widgetd by go generate ./cmd/widgetd.` + "\n" + `.TH WIDGETD 1 "" widgetd
.SH NAME
widgetd \- serve the Widget API
.SH SYNOPSIS
.B widgetd
.RI [ command ]
.RI [ flags ]
.SH DESCRIPTION
`)
	page.WriteString(roff(root.Help) + ".SH COMMANDS\n")
	for _, command := range withDescendants(root)[1:] {
		page.WriteString(".SS " + escaped(usage(command)) + "\n" + roff(command.Help))
		for _, argument := range command.Positional {
			page.WriteString(definition(strings.ToUpper(argument.Name), argument.Help))
		}
		for _, flag := range ownFlags(command) {
			page.WriteString(definition("--"+flag.Name, flag.Help))
		}
		if text := command.Detail; text != "" {
			page.WriteString(".PP\n" + roff(text))
		}
	}
	page.WriteString(".SH SETTINGS\nEach flag has an environment variable.\n")
	for _, flag := range settingFlags(root) {
		name := "--" + flag.Name + ", " + flag.Envs[0]
		if flag.Default != "" {
			name += " (" + flag.Default + ")"
		}
		page.WriteString(definition(name, flag.Help))
	}
	page.WriteString(".SH EXIT STATUS\n" + roff(exitCodes))
	page.WriteString(".SH FILES\n")
	for _, file := range [][2]string{
		{"widgetd.db", "The store, in the folder of --data."},
		{"secret.key, previous-<kid>.key", "The generated keys: the one that signs tokens, and earlier ones that only verify them."},
		{"tokens.json", "The lifetime of tokens, if it is not 1h. A rotation keeps the earlier key for as long."},
		{"control.sock", "The socket through which commands reach a running server."},
		{"/etc/widgetd/widgetd.env", "The variables of the systemd service."},
	} {
		page.WriteString(definition(file[0], file[1]))
	}
	page.WriteString(".SH SIGNALS\n")
	for _, signal := range [][2]string{
		{"SIGTERM, SIGINT", "Finish the running requests, for 10 seconds at most, close the store, and exit with 0. A second signal ends the program at once."},
		{"SIGHUP", "Read the files of the TLS certificate and of the keys again. If one cannot be used, the server keeps what it has."},
	} {
		page.WriteString(definition(signal[0], signal[1]))
	}
	page.WriteString(".SH SEE ALSO\n.BR curl (1),\n.BR jq (1),\n.BR systemctl (1)\n")
	return page.String()
}

// settingFlags returns the flags of the whole program that have a variable.
func settingFlags(root *kong.Node) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(root.Flags), func(flag *kong.Flag) bool { return len(flag.Envs) == 0 })
}

// ownFlags returns the flags that only this command has.
func ownFlags(command *kong.Node) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(command.Flags), func(flag *kong.Flag) bool { return flag.Name == "help" })
}

// usedSettings returns the flags of the program that a command uses.
func usedSettings(root, command *kong.Node) (uses []string) {
	for _, flag := range settingFlags(root) {
		if isUsed(flag, usedKinds(command)) {
			uses = append(uses, code("--"+flag.Name))
		}
	}
	if len(uses) == len(settingFlags(root)) {
		return []string{"all"}
	}
	return uses
}

// usage returns how a command is called.
func usage(command *kong.Node) string {
	text := "widgetd " + strings.Join(names(command), " ")
	for _, argument := range command.Positional {
		text += " " + strings.ToUpper(argument.Name)
	}
	if !command.Leaf() {
		text += " COMMAND"
	}
	return text + " [flags]"
}

// row returns a row of a table.
func row(cells ...string) string {
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	return strings.ReplaceAll("| "+strings.Join(cells, " | ")+" |\n", "  ", " ")
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// link returns a link to a page with the words of its name.
func link(page string) string {
	if page == "" {
		return ""
	}
	return "[" + strings.ReplaceAll(strings.TrimSuffix(page, ".md"), "-", " ") + "](" + page + ")"
}

func indented(text string) string { return "    " + text }

// indentExamples returns a help text in Markdown: lines that are indented are a block. The
// lines of a paragraph stay.
func indentExamples(text string) string {
	var lines []string
	isBlock := false
	for line := range strings.SplitSeq(text, "\n") {
		wasBlock := isBlock
		isBlock = strings.HasPrefix(line, "  ")
		if isBlock {
			line = indented(strings.TrimSpace(line))
		}
		if isBlock != wasBlock && len(lines) > 0 && lines[len(lines)-1] != "" && line != "" {
			lines = append(lines, "")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// roff returns a help text in the language of manual pages.
func roff(text string) string {
	var page strings.Builder
	isBlock := false
	for line := range strings.SplitSeq(text, "\n") {
		isIndented := strings.HasPrefix(line, "  ")
		switch {
		case isIndented && !isBlock:
			page.WriteString(".PP\n.RS 4\n.nf\n")
		case !isIndented && isBlock:
			page.WriteString(".fi\n.RE\n")
		}
		isBlock = isIndented
		if line = strings.TrimSpace(line); line == "" {
			page.WriteString(".PP\n")
		} else {
			page.WriteString(escaped(line) + "\n")
		}
	}
	if isBlock {
		page.WriteString(".fi\n.RE\n")
	}
	return strings.ReplaceAll(strings.ReplaceAll(page.String(), ".PP\n.PP\n", ".PP\n"), ".RE\n.PP\n.SS", ".RE\n.SS")
}

// definition returns a name and its meaning, indented, in the language of manual pages.
func definition(name, meaning string) string {
	return ".TP\n.B " + escaped(name) + "\n" + escaped(meaning) + "\n"
}

// escaped returns a text without the special characters of manual pages.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "…", "...").Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
