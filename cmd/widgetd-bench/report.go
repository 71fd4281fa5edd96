package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// print writes the results as tables in Markdown, which are as readable without it.
func (r results) print(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| what\t| requests/s\t| p50\t| p99\t| p99.9\t| CPU each\t| share\t| of\t| its requests/s\t| wanted\t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, c := range r.Comparisons {
		wanted := ""
		if c.Target > 0 {
			wanted = fmt.Sprintf("≥ %.2f", c.Target)
		}
		fmt.Fprintf(table, "| %s\t| %.0f\t| %s\t| %s\t| %s\t| %s\t| **%.2f** (%.2f–%.2f)\t| %s\t| %.0f\t| %s\t|\n",
			c.What, c.Program.PerSecond, short(c.Program.P50), short(c.Program.P99), short(c.Program.P999), short(c.Program.CPUPerRequest),
			c.Ratio, c.Least, c.Greatest, c.Base.Name, c.Base.PerSecond, wanted)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if r.Startup != nil {
		fmt.Fprintf(to, "\nStart with %d widgets and %d logged-out tokens: %s\n", r.Startup.Widgets, r.Startup.Tokens, short(r.Startup.Took))
	}
	if r.Memory != nil {
		fmt.Fprintf(to, "Peak memory beyond the mapped file, reading %d widgets: %d MiB (with it: %d MiB)\n",
			r.Memory.Widgets, r.Memory.Anonymous>>20, r.Memory.Resident>>20)
	}
	_, err := fmt.Fprintf(to, "%d processors shared with the load generator, %s\n", r.Processors, r.Go)
	return err
}

// short writes a duration with three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond / 10).String()
}
