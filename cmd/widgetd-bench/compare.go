package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// side is one of the two sides of a comparison.
type side struct {
	name    string
	server  *process                  // nil: the work is done in this program
	prepare func(time.Duration) error // runs before a round and is not measured; may be nil
	run     func(time.Duration) (measured, error)
}

// inLongRounds returns the side with rounds that are three times as long. A log-in takes
// up to a tenth of a second, so a short round has too few of them.
func (s side) inLongRounds() side {
	const longer = 3
	run := s.run
	s.run = func(duration time.Duration) (measured, error) { return run(longer * duration) }
	return s
}

// comparison compares the program with an opponent, usually a library that the program
// is built on.
type comparison struct {
	operation         string
	target            float64 // the lowest ratio that is acceptable; 0: there is no target
	program, opponent side
}

// sideResult is the result of one side: medians of its rounds, and percentiles of the
// latencies in all rounds.
type sideResult struct {
	Name       string        `json:"name"`
	PerSecond  float64       `json:"requests_per_second"`
	P50        time.Duration `json:"p50_ns"`
	P99        time.Duration `json:"p99_ns"`
	P999       time.Duration `json:"p99_9_ns"`
	CPU        time.Duration `json:"cpu_per_request_ns"`
	Generator  time.Duration `json:"generator_cpu_per_request_ns"`             // 0 if the work was done in this program
	PeakMemory int64         `json:"peak_beyond_mapped_files_bytes,omitempty"` // of the server
	Rounds     []sample      `json:"rounds"`
}

// sample is the result of one round of one side.
type sample struct {
	Elapsed   time.Duration `json:"elapsed_ns"`
	PerSecond float64       `json:"requests_per_second"`
	CPU       time.Duration `json:"cpu_per_request_ns"`
	Generator time.Duration `json:"generator_cpu_per_request_ns"`
}

// result is the result of a comparison. A ratio is the program's requests per second
// divided by the opponent's.
type result struct {
	Operation string     `json:"operation"`
	Target    float64    `json:"target,omitempty"`
	Ratio     float64    `json:"ratio"` // the median
	Lowest    float64    `json:"ratio_lowest"`
	Highest   float64    `json:"ratio_highest"`
	Ratios    []float64  `json:"ratios"` // of each round
	Program   sideResult `json:"program"`
	Opponent  sideResult `json:"opponent"`
}

// compare runs rounds of both sides alternately. The side that runs first changes with
// every round. An additional short round of each side comes first and is not counted: it
// fills caches and opens connections.
func (c runCommand) compare(ctx context.Context, pair comparison) (result, error) {
	progress("%s: %s, %s", pair.operation, pair.program.name, pair.opponent.name)
	sides := [2]*rounds{newRounds(pair.program), newRounds(pair.opponent)}
	for _, s := range sides {
		if err := newRounds(s.side).add(c.Round / 4); err != nil {
			return result{}, fmt.Errorf("%s, %s: %w", pair.operation, s.name, err)
		}
	}
	ratios := make([]float64, c.Rounds)
	for i := range c.Rounds {
		for turn := range sides {
			s := sides[(i+turn)%2]
			if err := ctx.Err(); err != nil {
				return result{}, err
			}
			if err := s.add(c.Round); err != nil {
				return result{}, fmt.Errorf("%s, %s: %w", pair.operation, s.name, err)
			}
		}
		ratios[i] = sides[0].samples[i].PerSecond / sides[1].samples[i].PerSecond
	}
	return result{
		Operation: pair.operation, Target: pair.target,
		Ratio: median(ratios), Lowest: slices.Min(ratios), Highest: slices.Max(ratios), Ratios: ratios,
		Program: sides[0].result(), Opponent: sides[1].result(),
	}, nil
}

// rounds holds the rounds of one side.
type rounds struct {
	side
	samples []sample
	latency *hdrhistogram.Histogram
	memory  int64 // the peak of all rounds, in bytes
}

func newRounds(s side) *rounds { return &rounds{side: s, latency: newHistogram()} }

// add runs one more round.
func (r *rounds) add(duration time.Duration) error {
	if r.prepare != nil {
		if err := r.prepare(duration); err != nil {
			return err
		}
	}
	cpuBefore, generatorBefore, err := r.cpuTimes()
	if err != nil {
		return err
	}
	var found measured
	memory, err := r.server.peak(func() (err error) {
		found, err = r.run(duration)
		return err
	})
	if err != nil {
		return err
	}
	cpu, generator, err := r.cpuTimes()
	if err != nil {
		return err
	}
	n := time.Duration(max(found.requests, 1))
	r.samples = append(r.samples, sample{found.elapsed, found.perSecond(), (cpu - cpuBefore) / n, (generator - generatorBefore) / n})
	r.latency.Merge(found.latency)
	r.memory = max(r.memory, memory)
	return nil
}

// cpuTimes returns the processor time that the side has used, and the time that this
// program has used as the load generator of a server.
func (r *rounds) cpuTimes() (cpu, generator time.Duration, err error) {
	cpu, err = r.server.cpuTime()
	if err != nil || r.server == nil {
		return cpu, 0, err
	}
	generator, err = (*process)(nil).cpuTime()
	return cpu, generator, err
}

func (r *rounds) result() sideResult {
	at := func(quantile float64) time.Duration {
		return time.Duration(r.latency.ValueAtQuantile(quantile)) * time.Microsecond
	}
	return sideResult{
		Name: r.name, P50: at(50), P99: at(99), P999: at(99.9), PeakMemory: r.memory, Rounds: r.samples,
		PerSecond: medianOf(r.samples, func(s sample) float64 { return s.PerSecond }),
		CPU:       medianOf(r.samples, func(s sample) time.Duration { return s.CPU }),
		Generator: medianOf(r.samples, func(s sample) time.Duration { return s.Generator }),
	}
}

func medianOf[T float64 | time.Duration](samples []sample, figure func(sample) T) T {
	figures := make([]T, len(samples))
	for i, s := range samples {
		figures[i] = figure(s)
	}
	return median(figures)
}

// median returns the middle value, or the mean of the two middle values.
func median[T float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
