// Command widgetd serves the Widget API. Run it with --help to see its commands
// and settings.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/widgetd/widgetd/app"
)

// description returns the text of --help. It describes the settings that have no flag.
func description() string {
	var text strings.Builder
	text.WriteString(`The Widget API, secured by JSON Web Tokens.

A setting is a flag or an environment variable. If both are set, the flag counts. An empty variable counts as unset.

These settings have only an environment variable:
`)
	for _, setting := range variableSettings() {
		text.WriteString("\n" + setting.variable + ": " + setting.help + "\n")
	}
	text.WriteString("\nThese variables name files to read a value from; one line end at the end of the file does not count: ")
	for i, variable := range secretVariables() {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(variable + fileSuffix)
	}
	return text.String() + ".\n\nExit codes: " + exitCodes
}

// cli is the command line. The tag "uses" of a command names the kinds of flags that it
// uses: see [settings].
type cli struct {
	settings
	VersionFlag kong.VersionFlag `name:"version" used:"all" help:"Print the version and exit."`

	Serve       serveCommand       `cmd:"" default:"1" uses:"all" help:"Run the server (the default)."`
	Users       usersCommand       `cmd:"" uses:"store,log" help:"List, add, change and delete accounts."`
	AddUser     addUserCommand     `cmd:"" uses:"store,password,log" help:"Another name of 'users add'."`
	Backup      backupCommand      `cmd:"" uses:"store,log" help:"Copy the embedded store, also while a server uses it."`
	Check       checkCommand       `cmd:"" uses:"store,log" help:"Read the whole embedded store, and exit with 0 if nothing is damaged."`
	Export      exportCommand      `cmd:"" uses:"store,log" help:"Write the content of the store to a file."`
	Import      importCommand      `cmd:"" uses:"store,log" help:"Add the content of such a file to the store."`
	Keys        keysCommand        `cmd:"" uses:"store,log" help:"List and rotate the keys that sign tokens."`
	OpenAPI     openAPICommand     `cmd:"" name:"openapi" help:"Print the OpenAPI document of the HTTP API, as JSON."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
	Config      configCommand      `cmd:"" uses:"all" help:"Print every setting, and where its value comes from."`
	Completion  completionCommand  `cmd:"" help:"Print a script that completes commands and flags in a shell."`
	Healthcheck healthcheckCommand `cmd:"" uses:"address" help:"Exit with 0 when a server on --addr is ready."`
}

// streams are the program's standard streams.
type streams struct {
	in  *os.File
	out io.Writer
	err *os.File
}

func main() {
	unsetEmpty()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run runs the command that the arguments name, and returns the exit code.
func run(ctx context.Context, args []string, std streams) int {
	var flags cli
	parser := newParser(&flags, std, kong.BindTo(ctx, (*context.Context)(nil)))
	files, err := readFiles()
	if lineEnd := checkLineEnds(); lineEnd != nil {
		err = lineEnd // first, because it may be the reason for an error of readFiles or of the parser
	}
	if err != nil {
		return fail(std, err)
	}
	var bad []badValue
	if selects(parser, args, "config") { // it shows bad values; other commands fail at the first one
		bad = takeBadValues(parser.Model)
	}
	command, err := parser.Parse(args)
	if err == nil {
		err = command.Run(sources{files: files, bad: bad})
	}
	if err != nil {
		return fail(std, withUsage(err, args))
	}
	return 0
}

// newParser returns the parser of the command line.
func newParser(flags *cli, std streams, options ...kong.Option) *kong.Kong {
	parser, err := kong.New(flags, append(options,
		kong.Name("widgetd"),
		kong.Description(description()),
		kong.Writers(std.out, std.err),
		kong.Help(printHelp),
		defaults(),
		kong.Vars{"version": versionText()},
		kong.Bind(std, &flags.settings),
	)...)
	if err != nil {
		panic(err) // a tag of cli or of settings is wrong
	}
	return parser
}

// selects reports whether the arguments name the command. The word alone may also be the
// value of a flag, as in --data config.
func selects(parser *kong.Kong, args []string, command string) bool {
	trace, err := kong.Trace(parser, args)
	return err == nil && trace.Selected() != nil && trace.Selected().Name == command
}

// fail prints an error and returns the exit code.
func fail(std streams, err error) int {
	printLastLine(std.err, "widgetd: "+oneLine(errorText(err)))
	return exitCode(err)
}

// errorText returns the text of an error, with flags and variables in place of the
// fields of [app.Config].
func errorText(err error) string {
	text := err.Error()
	if config, ok := errors.AsType[*app.ConfigError](err); ok {
		text = strings.Replace(text, config.Error(), config.Describe(settingName), 1)
	}
	return text
}

// oneLine joins the lines of a text. A text has several lines if it is that of several
// errors, or if it quotes a value with a line break.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

// printLastLine prints a line before the program exits. It waits a second at most: a
// pipe that no process reads would block the exit.
func printLastLine(to io.Writer, line string) {
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		fmt.Fprintln(to, line)
	}()
	select {
	case <-printed:
	case <-time.After(time.Second):
	}
}
