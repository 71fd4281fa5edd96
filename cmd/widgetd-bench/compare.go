package main

import (
	"context"
	"errors"
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
	close   func() error // runs after the last round; may be nil
}

func (s side) end() error {
	if s.close == nil {
		return nil
	}
	return s.close()
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
	target            target
	program, opponent side
}

// target is the ratio that the program should reach in a comparison. The zero target is
// no target.
type target struct {
	Of    figure  `json:"of"`
	Limit float64 `json:"limit"`          // what is acceptable
	Goal  float64 `json:"goal,omitempty"` // what is wanted; 0: the limit
}

// figure is the figure of the two sides that a target compares.
type figure string

const (
	byRequests figure = "requests/s" // the ratio should be at least the target
	byCPU      figure = "CPU"        // of a request; at most
	byTime     figure = "p50"        // the median latency of a lone client; at most
)

func atLeast(limit, goal float64) target { return target{byRequests, limit, goal} }

// isReached reports whether a ratio is the wanted one or a better one.
func (t target) isReached(ratio, wanted float64) bool {
	if t.Of == byRequests {
		return ratio >= wanted
	}
	return ratio <= wanted
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
	P50       time.Duration `json:"p50_ns"`
	PerSecond float64       `json:"requests_per_second"`
	CPU       time.Duration `json:"cpu_per_request_ns"`
	Generator time.Duration `json:"generator_cpu_per_request_ns"`
}

// result is the result of a comparison. A ratio is a figure of the program divided by that
// of the opponent.
type result struct {
	Operation string     `json:"operation"`
	Target    target     `json:"target,omitzero"`
	CPU       ratio      `json:"cpu_ratio"`
	Time      ratio      `json:"time_ratio"` // of the median latencies
	Ratio     ratio      `json:"ratio"`      // of the requests per second
	Program   sideResult `json:"program"`
	Opponent  sideResult `json:"opponent"`
}

// ratio has the ratios of all rounds.
type ratio struct {
	Median  float64   `json:"median"`
	Lowest  float64   `json:"lowest"`
	Highest float64   `json:"highest"`
	Rounds  []float64 `json:"rounds"`
}

func newRatio(rounds []float64) ratio {
	return ratio{median(rounds), slices.Min(rounds), slices.Max(rounds), rounds}
}

// measured returns the ratio that the target is for.
func (r result) measured() ratio {
	switch r.Target.Of {
	case byCPU:
		return r.CPU
	case byTime:
		return r.Time
	default:
		return r.Ratio
	}
}

// compare runs rounds of both sides alternately. The side that runs first changes with
// every round. An additional short round of each side comes first and is not counted: it
// fills caches and opens connections.
func (c runCommand) compare(ctx context.Context, pair comparison) (found result, err error) {
	progress("%s: %s, %s", pair.operation, pair.program.name, pair.opponent.name)
	sides := [2]*rounds{newRounds(pair.program), newRounds(pair.opponent)}
	defer func() { err = errors.Join(err, pair.program.end(), pair.opponent.end()) }()
	for _, s := range sides {
		if err := newRounds(s.side).add(c.Round / 4); err != nil {
			return result{}, fmt.Errorf("%s, %s: %w", pair.operation, s.name, err)
		}
	}
	requests, cpu, latency := make([]float64, c.Rounds), make([]float64, c.Rounds), make([]float64, c.Rounds)
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
		program, opponent := sides[0].samples[i], sides[1].samples[i]
		requests[i] = program.PerSecond / opponent.PerSecond
		cpu[i] = float64(program.CPU) / float64(max(opponent.CPU, 1))
		latency[i] = float64(program.P50) / float64(max(opponent.P50, 1))
	}
	return result{
		Operation: pair.operation, Target: pair.target,
		CPU: newRatio(cpu), Time: newRatio(latency), Ratio: newRatio(requests),
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
	if err := r.server.emptyLog(); err != nil {
		return err
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
	r.samples = append(r.samples, sample{
		found.elapsed, quantile(found.latency, 50), found.perSecond(), (cpu - cpuBefore) / n, (generator - generatorBefore) / n,
	})
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
	return sideResult{
		Name: r.name, PeakMemory: r.memory, Rounds: r.samples,
		P50: quantile(r.latency, 50), P99: quantile(r.latency, 99), P999: quantile(r.latency, 99.9),
		PerSecond: medianOf(r.samples, func(s sample) float64 { return s.PerSecond }),
		CPU:       medianOf(r.samples, func(s sample) time.Duration { return s.CPU }),
		Generator: medianOf(r.samples, func(s sample) time.Duration { return s.Generator }),
	}
}

func quantile(latencies *hdrhistogram.Histogram, percent float64) time.Duration {
	return time.Duration(latencies.ValueAtQuantile(percent)) * time.Microsecond
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
