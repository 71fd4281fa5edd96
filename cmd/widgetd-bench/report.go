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

// printRatios writes the table of the ratios. The processor time comes first, because it
// varies less than the requests per second when other programs run.
func (r results) printRatios(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "| operation\t| to\t| CPU per request\t| its\t| ratio\t| requests/s\t| its\t| ratio\t| target\t| reached\t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, c := range r.Comparisons {
		fmt.Fprintf(table, "| %s\t| %s\t| %s\t| %s\t| %s\t| %.0f\t| %.0f\t| %s\t| %s\t| %s\t|\n",
			c.Operation, c.Opponent.Name, short(c.Program.CPU), short(c.Opponent.CPU), c.CPU,
			c.Program.PerSecond, c.Opponent.PerSecond, c.Ratio, c.Target, c.reached())
	}
	return table.Flush()
}

// String returns the median, and the lowest and the highest ratio.
func (r ratio) String() string {
	return fmt.Sprintf("**%.2f** (%.2f–%.2f)", r.Median, r.Lowest, r.Highest)
}

func (t target) String() string {
	if t == (target{}) {
		return ""
	}
	sign := "≤"
	if t.Of == byRequests {
		sign = "≥"
	}
	text := fmt.Sprintf("%s %s %.2f", t.Of, sign, t.Limit)
	if t.Goal > 0 {
		text += fmt.Sprintf(", goal %.2f", t.Goal)
	}
	return text
}

// reached says whether the result reaches its target. It adds the ratio of the latencies,
// which has no column of its own.
func (r result) reached() string {
	var text string
	reached := func(wanted float64) bool { return r.Target.isReached(r.measured().Median, wanted) }
	switch {
	case r.Target == target{}:
		return ""
	case !reached(r.Target.Limit):
		text = "**missed**"
	case r.Target.Goal > 0 && !reached(r.Target.Goal):
		text = "yes, not the goal"
	default:
		text = "yes"
	}
	if r.Target.Of == byTime {
		text += fmt.Sprintf(": %s", r.Time)
	}
	return text
}

// printSides writes the table of the latencies, processor times and peak memory of both
// sides.
func (r results) printSides(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "\n| operation\t| side\t| p50\t| p99\t| p99.9\t| CPU of the generator\t| peak memory\t|")
	fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, c := range r.Comparisons {
		for _, s := range []sideResult{c.Program, c.Opponent} {
			generator, memory := "", "" // for work in this program
			if s.PeakMemory > 0 {
				generator, memory = short(s.Generator), fmt.Sprintf("%d MiB", s.PeakMemory>>20)
			}
			fmt.Fprintf(table, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n",
				c.Operation, s.Name, short(s.P50), short(s.P99), short(s.P999), generator, memory)
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
