package conformance_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

func ExampleAttemptLimiter() {
	var t *testing.T // the parameter of your test

	conformance.AttemptLimiter(t, func(*testing.T) (limiter ports.AttemptLimiter, elapse func(time.Duration)) {
		clock := &elapsing{}
		return memory.NewAttemptLimiter(clock), clock.elapse
	})
}

// elapsing is a clock without a wall clock.
type elapsing struct {
	ports.Clock
	mu      sync.Mutex
	running time.Duration
}

func (c *elapsing) Running() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

func (c *elapsing) elapse(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running += d
}

// begin is the method Begin.
type begin = func(ctx context.Context, limit domain.AttemptLimit, key string) (end func(isEvent bool), err error)

// brokenLimiter returns a test that runs the suite on a limiter whose Begin calls that of a
// good one.
func brokenLimiter(damage func(good begin, clock *elapsing) begin) func(*testing.T) {
	return limiterSuite(func(clock *elapsing) ports.AttemptLimiter {
		return &fakes.AttemptLimiterMock{BeginFunc: damage(memory.NewAttemptLimiter(clock).Begin, clock)}
	})
}

func limiterSuite(open func(clock *elapsing) ports.AttemptLimiter) func(*testing.T) {
	return func(t *testing.T) {
		conformance.AttemptLimiter(t, func(*testing.T) (ports.AttemptLimiter, func(time.Duration)) {
			clock := &elapsing{}
			return open(clock), clock.elapse
		})
	}
}

// limiterWith returns a test of a limiter that changes the limits and the keys.
func limiterWith(change func(limit *domain.AttemptLimit, key *string)) func(*testing.T) {
	return brokenLimiter(func(good begin, _ *elapsing) begin {
		return func(ctx context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
			change(&limit, &key)
			return good(ctx, limit, key)
		}
	})
}

// limiterEnding returns a test of a limiter that changes the ends of attempts.
func limiterEnding(change func(ctx context.Context, isEvent bool) bool) func(*testing.T) {
	return brokenLimiter(func(good begin, _ *elapsing) begin {
		return func(ctx context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
			end, err := good(ctx, limit, key)
			return func(isEvent bool) { end(change(ctx, isEvent)) }, err
		}
	})
}

func isLimitReached(err error) bool {
	_, ok := errors.AsType[*domain.LimitReachedError](err)
	return ok
}

func attemptMutants() []mutant {
	return []mutant{
		{unbroken, nil, limiterWith(func(*domain.AttemptLimit, *string) {})},

		{"OneMore", []string{"LimitsEvents", "CountsEventsOnly", "RaceOfEvents", "WaitsForAttemptsInProgress"}, limiterWith(func(limit *domain.AttemptLimit, _ *string) { limit.Max++ })},
		{"OneLess", []string{"LimitsEvents", "RaceOfEvents"}, limiterWith(func(limit *domain.AttemptLimit, _ *string) { limit.Max-- })},
		{"WindowNeverEnds", []string{"WindowEnds", "WindowBeginsWithTheFirstEvent"}, limiterWith(func(limit *domain.AttemptLimit, _ *string) { limit.Window = 1000 * time.Hour })},
		{"WindowIsShort", []string{"LimitsEvents", "WindowEnds"}, limiterWith(func(limit *domain.AttemptLimit, _ *string) { limit.Window /= 2 })},
		{"WindowBeginsWithAnyAttempt", []string{"WindowBeginsWithTheFirstEvent"}, brokenLimiter(beginWindowWithAnyAttempt)},
		{"WindowBeginsWithTheLastEvent", []string{"WindowBeginsWithTheFirstEvent"}, brokenLimiter(beginWindowWithTheLastEvent)},

		{"MixesKeys", []string{"KeysAndLimitsAreSeparate"}, limiterWith(func(_ *domain.AttemptLimit, key *string) { *key = "" })},
		{"MixesLimits", []string{"KeysAndLimitsAreSeparate"}, limiterWith(func(limit *domain.AttemptLimit, _ *string) { limit.Name = "" })},
		{"JoinsLimitAndKey", []string{"KeysAndLimitsAreSeparate"}, limiterWith(func(limit *domain.AttemptLimit, key *string) { limit.Name, *key = "", limit.Name+*key })},
		{"FoldsCase", []string{"KeysAndLimitsAreSeparate"}, limiterWith(func(_ *domain.AttemptLimit, key *string) { *key = strings.ToLower(*key) })},
		{"TrimsKeys", []string{"KeysAndLimitsAreSeparate"}, limiterWith(func(_ *domain.AttemptLimit, key *string) { *key = strings.TrimSpace(*key) })},
		{"CutsLongKeys", []string{"KeysAndLimitsAreSeparate"}, limiterWith(func(_ *domain.AttemptLimit, key *string) { *key = (*key)[:min(len(*key), 1000)] })},

		{"CountsNothing", []string{"LimitsEvents", "CountsEventsOnly", "WaitsAndIsRefused", "RaceOfEvents"}, limiterEnding(func(context.Context, bool) bool { return false })},
		{"CountsEveryAttempt", []string{"CountsEventsOnly", "RaceOfOthers"}, limiterEnding(func(context.Context, bool) bool { return true })},
		{"LosesEventsAfterTheContext", []string{"EndAfterContext"}, limiterEnding(func(ctx context.Context, isEvent bool) bool { return isEvent && ctx.Err() == nil })},
		{"CountsAttemptsAfterTheContext", []string{"EndAfterContext"}, limiterEnding(func(ctx context.Context, isEvent bool) bool { return isEvent || ctx.Err() != nil })},
		{"TakesEventsFromALaterWindow", []string{"EndInALaterWindow"}, brokenLimiter(takeEventsFromALaterWindow)},

		{"CountsWhenTheAttemptEnds", []string{"WaitsForAttemptsInProgress", "WaitsAndIsRefused"}, brokenLimiter(func(good begin, _ *elapsing) begin { return countAtTheEnd(good, func(string) {}) })},
		{"LosesTheRace", []string{"RaceOfEvents"}, brokenLimiter(func(good begin, _ *elapsing) begin { return countAtTheEnd(good, crowd(6)) })},
		{"RefusesInPlaceOfWaiting", []string{"WaitsForAttemptsInProgress"}, brokenLimiter(impatient(func(context.Context) (func(bool), error) {
			return nil, &domain.LimitReachedError{RetryAfter: time.Hour}
		}))},
		{"LetsThroughAfterWaiting", []string{"WaitsForAttemptsInProgress", "WaitsAndIsRefused"}, brokenLimiter(impatient(func(context.Context) (func(bool), error) {
			return func(bool) {}, nil
		}))},
		{"RefusesWhenTheContextEnds", []string{"ContextEndsMeanwhile", "WaitsForAttemptsInProgress"}, brokenLimiter(impatient(func(ctx context.Context) (func(bool), error) {
			<-ctx.Done()
			return nil, &domain.LimitReachedError{RetryAfter: time.Hour}
		}))},

		{"IgnoresItsContext", []string{"EndedContext"}, brokenLimiter(func(good begin, _ *elapsing) begin {
			return func(ctx context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
				return good(context.WithoutCancel(ctx), limit, key)
			}
		})},
		{"ReturnsTheErrorOfTheContext", []string{"EndedContext", "ContextEndsMeanwhile"}, brokenLimiter(func(good begin, _ *elapsing) begin {
			return func(ctx context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
				end, err := good(ctx, limit, key)
				if err != nil && ctx.Err() != nil {
					err = ctx.Err()
				}
				return end, err
			}
		})},
		{"CountsDespiteAnEndedContext", []string{"EndedContext"}, brokenLimiter(func(good begin, _ *elapsing) begin {
			return func(ctx context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
				if ctx.Err() == nil {
					return good(ctx, limit, key)
				}
				if end, err := good(context.WithoutCancel(ctx), limit, key); err == nil {
					end(true)
				}
				return nil, domain.Unavailable
			}
		})},
	}
}

func sharedAttemptMutants() []mutant {
	return []mutant{
		{"SharedUnbroken", nil, limiterSuite(func(clock *elapsing) ports.AttemptLimiter {
			limiter := memory.NewAttemptLimiter(clock)
			return conformance.SharedAttempts(limiter, limiter)
		})},
		{"CountsOnEachServer", []string{"LimitsEvents", "RaceOfEvents"}, limiterSuite(func(clock *elapsing) ports.AttemptLimiter {
			return conformance.SharedAttempts(memory.NewAttemptLimiter(clock), memory.NewAttemptLimiter(clock))
		})},
	}
}

func beginWindowWithAnyAttempt(good begin, clock *elapsing) begin {
	var first sync.Map // running times by key
	return func(ctx context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
		now := clock.Running()
		begun, _ := first.LoadOrStore(key, now)
		limit.Window -= now - begun.(time.Duration)
		return good(ctx, limit, key)
	}
}

func beginWindowWithTheLastEvent(good begin, clock *elapsing) begin {
	var last sync.Map // running times by key
	return func(ctx context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
		end, err := good(ctx, limit, key)
		if latest, found := last.Load(key); found && isLimitReached(err) {
			err = &domain.LimitReachedError{RetryAfter: latest.(time.Duration) + limit.Window - clock.Running()}
		}
		return func(isEvent bool) {
			if isEvent {
				last.Store(key, clock.Running())
			}
			end(isEvent)
		}, err
	}
}

// takeEventsFromALaterWindow lets one more attempt through after the end of an attempt that
// lasted longer than the window and was no event.
func takeEventsFromALaterWindow(good begin, clock *elapsing) begin {
	var mu sync.Mutex
	taken := 0
	return func(ctx context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
		begun := clock.Running()
		end, err := good(ctx, limit, key)
		mu.Lock()
		defer mu.Unlock()
		if taken > 0 && isLimitReached(err) {
			taken--
			return func(bool) {}, nil
		}
		return func(isEvent bool) {
			mu.Lock()
			if !isEvent && clock.Running()-begun >= limit.Window {
				taken++
			}
			mu.Unlock()
			end(isEvent)
		}, err
	}
}

// countAtTheEnd returns a Begin that compares the number of events with the limit, calls
// passed, and counts an event when its attempt has ended.
func countAtTheEnd(good begin, passed func(key string)) begin {
	return func(ctx context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
		end, err := good(ctx, limit, key)
		if err != nil {
			return nil, err
		}
		end(false)
		passed(key)
		return func(isEvent bool) {
			limit.Max = 1000
			if end, err := good(context.Background(), limit, key); isEvent && err == nil {
				end(true)
			} else if err == nil {
				end(false)
			}
		}, nil
	}
}

// crowd returns a function in which the first n calls with a key wait for each other.
func crowd(n int) func(key string) {
	var mu sync.Mutex
	calls := map[string]int{}
	complete := map[string]*event{}
	return func(key string) {
		mu.Lock()
		if complete[key] == nil {
			complete[key] = newEvent()
		}
		calls[key]++
		if calls[key] == n {
			complete[key].happens()
		}
		all := complete[key]
		mu.Unlock()
		all.wait()
	}
}

// impatient returns a change of Begin that calls instead when the good one waits.
func impatient(instead func(ctx context.Context) (func(bool), error)) func(begin, *elapsing) begin {
	return func(good begin, _ *elapsing) begin {
		return func(ctx context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
			short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			end, err := good(short, limit, key)
			if errors.Is(err, domain.Unavailable) && ctx.Err() == nil {
				return instead(ctx)
			}
			return end, err
		}
	}
}
