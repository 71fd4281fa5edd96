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
	name string
	of   *process // whose processor time it takes; nil is this program
	run  func(time.Duration) (measured, error)
}

// inLongRounds returns the side with rounds into which many log-ins fit: one takes a
// tenth of a second on a busy machine.
func (s side) inLongRounds() side {
	const loginRound = 3 * time.Second
	run := s.run
	s.run = func(duration time.Duration) (measured, error) { return run(max(duration, loginRound)) }
	return s
}

// comparison is of the program with something that bounds how fast it can be.
type comparison struct {
	what          string
	target        float64
	program, base side
}

// sideResult is what was found out about a side: medians of its rounds, and the
// latencies of all.
type sideResult struct {
	Name             string        `json:"name"`
	PerSecond        float64       `json:"requests_per_second"`
	P50              time.Duration `json:"p50_ns"`
	P99              time.Duration `json:"p99_ns"`
	P999             time.Duration `json:"p99_9_ns"`
	CPUPerRequest    time.Duration `json:"cpu_per_request_ns"`
	CPUPerRequestAll time.Duration `json:"cpu_per_request_with_generator_ns"`
}

// result is that of a comparison. The ratios are of requests per second.
type result struct {
	What     string     `json:"what"`
	Target   float64    `json:"target"`
	Ratio    float64    `json:"ratio"`
	Least    float64    `json:"ratio_least"`
	Greatest float64    `json:"ratio_greatest"`
	Program  sideResult `json:"program"`
	Base     sideResult `json:"base"`
}

// compare runs both sides in turns, each first every other time. A round before
// them all, which nobody counts, fills caches and opens what has to be opened.
func (c runCommand) compare(ctx context.Context, of comparison) (result, error) {
	progress("%s: %s, %s", of.what, of.program.name, of.base.name)
	sides := [2]*rounds{newRounds(of.program), newRounds(of.base)}
	for _, s := range sides {
		if _, err := s.run(c.Round / 4); err != nil {
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
		ratios[i] = sides[0].perSecond[i] / sides[1].perSecond[i]
	}
	return result{
		What: of.what, Target: of.target,
		Ratio: median(ratios), Least: slices.Min(ratios), Greatest: slices.Max(ratios),
		Program: sides[0].result(), Base: sides[1].result(),
	}, nil
}

// rounds are those of one side.
type rounds struct {
	side
	perSecond []float64
	cpu, all  []time.Duration // per request
	latency   *hdrhistogram.Histogram
}

func newRounds(of side) *rounds { return &rounds{side: of, latency: newHistogram()} }

func (r *rounds) add(duration time.Duration) error {
	usedBefore, allBefore, err := r.used()
	if err != nil {
		return err
	}
	found, err := r.run(duration)
	if err != nil {
		return err
	}
	used, all, err := r.used()
	if err != nil {
		return err
	}
	n := time.Duration(max(found.requests, 1))
	r.perSecond = append(r.perSecond, found.perSecond())
	r.cpu = append(r.cpu, (used-usedBefore)/n)
	r.all = append(r.all, (all-allBefore)/n)
	if found.latency != nil {
		r.latency.Merge(found.latency)
	}
	return nil
}

// used returns the processor time of the side's process, and that of this program
// with it.
func (r *rounds) used() (side, all time.Duration, err error) {
	side, err = r.of.cpuTime()
	if err != nil || r.of == nil {
		return side, side, err
	}
	own, err := (*process)(nil).cpuTime()
	return side, side + own, err
}

func (r *rounds) result() sideResult {
	at := func(quantile float64) time.Duration {
		return time.Duration(r.latency.ValueAtQuantile(quantile)) * time.Microsecond
	}
	return sideResult{
		Name: r.name, PerSecond: median(r.perSecond), P50: at(50), P99: at(99), P999: at(99.9),
		CPUPerRequest: median(r.cpu), CPUPerRequestAll: median(r.all),
	}
}

func median[T float64 | time.Duration](of []T) T {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
