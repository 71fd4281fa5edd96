package main

import (
	"strings"
	"testing"
	"time"
)

func TestPrint(t *testing.T) {
	t.Parallel()
	found := results{
		Commit: "c0ffee", Rounds: 9, Round: time.Second, Connections: 64, Tokens: 5, Processors: 2, Go: "go1",
		Comparisons: []result{
			{Operation: "get", Target: atLeast(0.75, 0.9), Ratio: ratio{Median: 0.8, Lowest: 0.7, Highest: 0.9}, CPU: ratio{Median: 2, Lowest: 1, Highest: 3},
				Program:  sideResult{Name: "widgetd", PerSecond: 80, CPU: 10 * time.Microsecond, P50: 1500 * time.Microsecond, Generator: 2 * time.Microsecond, PeakMemory: 20 << 20},
				Opponent: sideResult{Name: "Fiber", PerSecond: 100, CPU: 5 * time.Microsecond, PeakMemory: 10 << 20}},
			{Operation: "read", Target: target{byCPU, 1.8, 1.6}, CPU: ratio{Median: 1.9}},
			{Operation: "create", Target: target{byTime, 1.2, 0}, Time: ratio{Median: 2, Lowest: 1, Highest: 3}},
			{Operation: "log in", Program: sideResult{Name: "widgetd", PeakMemory: 1}, Opponent: sideResult{Name: "argon2id", CPU: 15 * time.Millisecond}},
		},
		Startup: &startup{Widgets: 7, File: 3 << 20, Took: 90 * time.Millisecond},
		Memory:  &memory{Widgets: 7, Resident: 5 << 20, Anonymous: 4 << 20},
	}
	var text strings.Builder
	if err := found.print(&text); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(text.String()), " ")
	for _, want := range []string{
		"| get | Fiber | 10µs | 5µs | **2.00** (1.00–3.00) | 80 | 100 | **0.80** (0.70–0.90) | requests/s ≥ 0.75, goal 0.90 | yes, not the goal |",
		"| CPU ≤ 1.80, goal 1.60 | **missed** |",
		"| p50 ≤ 1.20 | **missed**: **2.00** (1.00–3.00) |",
		"| log in | argon2id | 0s | 15ms | **0.00** (0.00–0.00) | 0 | 0 | **0.00** (0.00–0.00) | | |",
		"| get | widgetd | 1.5ms | 0s | 0s | 2µs | 20 MiB |",
		"| log in | argon2id | 0s | 0s | 0s | | |",
		"Warm start with 7 widgets and 5 logged-out tokens, a file of 3 MiB: 90ms",
		"reading 7 widgets: 4 MiB (with it: 5 MiB)",
		"9 rounds of 1s (log-ins: three times as long), 64 connections, 2 processors shared with the load generator, go1, commit c0ffee",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
}
