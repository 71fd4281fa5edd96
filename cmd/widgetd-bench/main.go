// Command widgetd-bench measures how fast widgetd is: it builds and starts the
// real program, and beside it what the program is made of, drives both over real
// sockets in alternating rounds, and prints a table.
//
// A ratio compares two rounds that came one after the other, so that what else the
// machine does meanwhile meets both. The table has the median of all rounds, and
// the least and the greatest of the ratios.
//
// It is a module of its own, for the chart's library is none of the program's
// business. It reads processor time and memory from /proc, so it needs Linux.
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

// runCommand measures.
type runCommand struct {
	Bare        bool          `hidden:"" help:"Serve what standard input says with Fiber alone."`
	Round       time.Duration `default:"1s" help:"How long a round is."`
	Rounds      int           `default:"9" help:"How many rounds each side of a comparison has."`
	Connections int           `default:"64" help:"How many connections ask at once."`
	Widgets     int           `default:"1000000" help:"How many widgets the largest store has."`
	Tokens      int           `default:"100000" help:"How many logged-out tokens are remembered."`
	Reads       time.Duration `default:"60s" help:"How long the largest store is read for its peak memory."`
	Quick       bool          `         help:"Short rounds and a store of 100,000 widgets, to see that all works."`
	MongoDBURI  string        `name:"mongodb-uri" placeholder:"URI" help:"Measure on this MongoDB, whose database must be empty and is dropped afterwards. There, all stores have 1,000 widgets."`
	JSON        bool          `help:"Print the results as JSON."`
	Chart       string        `type:"path" placeholder:"FILE" help:"Draw the ratios (.svg or .png)."`
}

// Validate returns an error for what cannot be measured.
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
	if c.Bare {
		return serveAnswers(os.Stdin)
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

// quickly is what --quick makes of the flags that are not given.
func quickly(given *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
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
		kong.Resolvers(kong.ResolverFunc(quickly)),
		kong.Description("Measures widgetd beside what it is made of."))
	command.FatalIfErrorf(command.Run())
}

// progress tells whoever waits what is being done.
func progress(format string, values ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+"  "+format+"\n", values...)
}
