package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// side is one of the two that are compared.
type side struct {
	name    string
	of      *process                  // whose processor time it takes; nil is this program
	prepare func(time.Duration) error // what a round needs, made before it is measured; may be nil
	run     func(time.Duration) (measured, error)
}

// inLongRounds returns the side with rounds into which many log-ins fit: one takes a
// tenth of a second on a busy machine.
func (s side) inLongRounds() side {
	const longer = 3
	run := s.run
	s.run = func(duration time.Duration) (measured, error) { return run(longer * duration) }
	return s
}

// comparison is of the program with something that bounds how fast it can be.
type comparison struct {
	what          string
	target        float64 // 0 if none is wanted
	program, base side
}

// sideResult is what was found out about a side: medians of its rounds, and the
// latencies of all.
type sideResult struct {
	Name       string        `json:"name"`
	PerSecond  float64       `json:"requests_per_second"`
	P50        time.Duration `json:"p50_ns"`
	P99        time.Duration `json:"p99_ns"`
	P999       time.Duration `json:"p99_9_ns"`
	CPU        time.Duration `json:"cpu_per_request_ns"`
	Generator  time.Duration `json:"generator_cpu_per_request_ns"`             // 0 if it is the side itself
	PeakMemory int64         `json:"peak_beyond_mapped_files_bytes,omitempty"` // of its process
	Rounds     []sample      `json:"rounds"`
}

// sample is what was found out in a round.
type sample struct {
	Elapsed   time.Duration `json:"elapsed_ns"`
	PerSecond float64       `json:"requests_per_second"`
	CPU       time.Duration `json:"cpu_per_request_ns"`
	Generator time.Duration `json:"generator_cpu_per_request_ns"`
}

// result is that of a comparison. The ratios are of requests per second.
type result struct {
	What     string     `json:"what"`
	Target   float64    `json:"target,omitempty"`
	Ratio    float64    `json:"ratio"`
	Least    float64    `json:"ratio_least"`
	Greatest float64    `json:"ratio_greatest"`
	Ratios   []float64  `json:"ratios"` // of each round
	Program  sideResult `json:"program"`
	Base     sideResult `json:"base"`
}

// compare runs both sides in turns, each first every other time. A round before
// them all, which nobody counts, fills caches and opens what has to be opened.
func (c runCommand) compare(ctx context.Context, of comparison) (result, error) {
	progress("%s: %s, %s", of.what, of.program.name, of.base.name)
	sides := [2]*rounds{newRounds(of.program), newRounds(of.base)}
	for _, s := range sides {
		if err := newRounds(s.side).add(c.Round / 4); err != nil {
			return result{}, fmt.Errorf("%s, %s: %w", of.what, s.name, err)
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
				return result{}, fmt.Errorf("%s, %s: %w", of.what, s.name, err)
			}
		}
		ratios[i] = sides[0].samples[i].PerSecond / sides[1].samples[i].PerSecond
	}
	return result{
		What: of.what, Target: of.target,
		Ratio: median(ratios), Least: slices.Min(ratios), Greatest: slices.Max(ratios), Ratios: ratios,
		Program: sides[0].result(), Base: sides[1].result(),
	}, nil
}

// rounds are those of one side.
type rounds struct {
	side
	samples []sample
	latency *hdrhistogram.Histogram
	memory  int64 // the most, in bytes
}

func newRounds(of side) *rounds { return &rounds{side: of, latency: newHistogram()} }

func (r *rounds) add(duration time.Duration) error {
	if r.prepare != nil {
		if err := r.prepare(duration); err != nil {
			return err
		}
	}
	cpuBefore, generatorBefore, err := r.used()
	if err != nil {
		return err
	}
	var found measured
	memory, err := r.of.peak(func() (err error) {
		found, err = r.run(duration)
		return err
	})
	if err != nil {
		return err
	}
	cpu, generator, err := r.used()
	if err != nil {
		return err
	}
	n := time.Duration(max(found.requests, 1))
	r.samples = append(r.samples, sample{found.elapsed, found.perSecond(), (cpu - cpuBefore) / n, (generator - generatorBefore) / n})
	r.latency.Merge(found.latency)
	r.memory = max(r.memory, memory)
	return nil
}

// used returns the processor time of the side, and that of this program if it is
// another's generator.
func (r *rounds) used() (cpu, generator time.Duration, err error) {
	cpu, err = r.of.cpuTime()
	if err != nil || r.of == nil {
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

// median returns the middle one, or the mean of the middle two.
func median[T float64 | time.Duration](of []T) T {
	sorted := slices.Sorted(slices.Values(of))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
