package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// print writes the results as Markdown tables with aligned columns.
func (r results) print(to io.Writer) error {
	if err := errors.Join(r.printRatios(to), r.printSides(to)); err != nil {
		return err
	}
	if r.Startup != nil {
		fmt.Fprintf(to, "\nWarm start with %d widgets and %d logged-out tokens, a file of %d MiB: %s\n",
			r.Startup.Widgets, r.Tokens, r.Startup.File>>20, short(r.Startup.Took))
	}
	if r.Memory != nil {
		fmt.Fprintf(to, "Peak memory beyond the mapped file, reading %d widgets: %d MiB (with it: %d MiB)\n",
			r.Memory.Widgets, r.Memory.Anonymous>>20, r.Memory.Resident>>20)
	}
	_, err := fmt.Fprintf(to, "%d rounds of %v (log-ins: three times as long), %d connections, %d processors shared with the load generator, %s, commit %s, %s\n",
		r.Rounds, r.Round, r.Connections, r.Processors, r.Go, r.Commit, r.Date.Format(time.DateOnly))
	return err
}

// printRatios writes the table of the ratios.
func (r results) printRatios(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| operation\t| requests/s\t| ratio\t| to\t| its requests/s\t| target\t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, c := range r.Comparisons {
		target := ""
		if c.Target > 0 {
			target = fmt.Sprintf("≥ %.2f", c.Target)
		}
		fmt.Fprintf(table, "| %s\t| %.0f\t| **%.2f** (%.2f–%.2f)\t| %s\t| %.0f\t| %s\t|\n",
			c.Operation, c.Program.PerSecond, c.Ratio, c.Lowest, c.Highest, c.Opponent.Name, c.Opponent.PerSecond, target)
	}
	return table.Flush()
}

// printSides writes the table of the latencies, processor times and peak memory of both
// sides.
func (r results) printSides(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "\n| operation\t| side\t| p50\t| p99\t| p99.9\t| CPU per request\t| of the generator\t| peak memory\t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, c := range r.Comparisons {
		for _, s := range []sideResult{c.Program, c.Opponent} {
			generator, memory := "", "" // for work in this program
			if s.PeakMemory > 0 {
				generator, memory = short(s.Generator), fmt.Sprintf("%d MiB", s.PeakMemory>>20)
			}
			fmt.Fprintf(table, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n",
				c.Operation, s.Name, short(s.P50), short(s.P99), short(s.P999), short(s.CPU), generator, memory)
		}
	}
	return table.Flush()
}

// short formats a duration with about three digits.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond / 10).String()
}
