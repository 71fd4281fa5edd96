// Command widgetd-bench measures the speed of widgetd. It builds and starts the program,
// and compares it with the libraries that the program is built on: Fiber, Argon2id, and
// bbolt or the driver of MongoDB. It sends requests over sockets in alternating rounds
// and prints tables: the processor time of a request, the requests per second, and the
// latencies, with the ratios to the opponents and their targets.
//
// A ratio compares two consecutive rounds, so that other load on the machine affects
// both. The table has the median, the lowest and the highest ratio of all rounds.
//
// Each library has the settings that are fastest for it. Comments in the code say how
// they were found.
//
// The command is a module of its own, so that the program does not depend on the library
// for the chart. It reads processor time and memory from /proc and needs Linux.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// runCommand is the command with its flags.
type runCommand struct {
	Serve       string        `hidden:"" enum:",fiber,fasthttp,usual" default:"" help:"Run a server that the program is compared with, with the configuration from standard input."`
	Round       time.Duration `default:"1s" help:"Duration of a round."`
	Rounds      int           `default:"9" help:"Number of rounds of each side of a comparison."`
	Connections int           `default:"64" help:"Number of simultaneous connections."`
	Widgets     int           `default:"1000000" help:"Number of widgets in the largest store."`
	Tokens      int           `default:"100000" help:"Number of logged-out tokens in each store."`
	Reads       time.Duration `default:"20s" help:"Duration of the reads that measure the peak memory of the largest store."`
	Only        string        `placeholder:"TEXT" help:"Make only the comparisons whose operation contains this text."`
	Quick       bool          `         help:"Few short rounds and a store of 100,000 widgets, as a test of the benchmark."`
	MongoDBURI  string        `name:"mongodb-uri" placeholder:"URI" help:"Measure on this MongoDB with 1,000 widgets. The database must be empty and is dropped at the end."`
	JSON        bool          `help:"Print the results as JSON."`
	Chart       string        `type:"path" placeholder:"FILE" help:"Write a chart of the ratios to this .svg or .png file."`
}

// Validate returns an error for a flag with an invalid value.
func (c runCommand) Validate() error {
	switch {
	case c.Round <= 0:
		return errors.New("--round must be more than 0")
	case c.Rounds < 1:
		return errors.New("--rounds must be 1 or more")
	case c.Connections < 1:
		return errors.New("--connections must be 1 or more")
	case c.Widgets < 1 || maxWidgets < c.Widgets:
		return fmt.Errorf("--widgets must be from 1 to %d", maxWidgets)
	case c.Tokens < 0:
		return errors.New("--tokens must be 0 or more")
	case c.Reads <= 0:
		return errors.New("--reads must be more than 0")
	}
	return nil
}

// Run implements the command.
func (c runCommand) Run(ctx context.Context) error {
	if c.Serve != "" {
		return serveOpponent(c.Serve, os.Stdin)
	}
	results, err := c.measure(ctx)
	if err != nil {
		return err
	}
	if c.Chart != "" {
		if err := drawChart(c.Chart, results.Comparisons); err != nil {
			return err
		}
	}
	if c.JSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(results)
	}
	return results.print(os.Stdout)
}

// quickDefault returns the value of a flag that is not given when --quick is given, or
// nil for the usual default.
func quickDefault(given *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	quick := slices.ContainsFunc(given.Path, func(p *kong.Path) bool { return p.Flag != nil && p.Flag.Name == "quick" })
	value, found := map[string]string{"round": "300ms", "rounds": "3", "widgets": "100000", "reads": "2s"}[flag.Name]
	if !quick || !found {
		return nil, nil
	}
	return value, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	command := kong.Parse(&runCommand{}, kong.Name("widgetd-bench"), kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Resolvers(kong.ResolverFunc(quickDefault)),
		kong.Description("Measures widgetd and compares it with the libraries that it is built on."))
	command.FatalIfErrorf(command.Run())
}

// progress prints a line to standard error.
func progress(format string, values ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+"  "+format+"\n", values...)
}
