package conformance

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// AttemptLimiter tests an implementation of [ports.AttemptLimiter]. Each call of open
// returns a new limiter without events, and a function that lets time pass for its windows.
// The suite needs less than a minute of real time for each limiter.
func AttemptLimiter(t *testing.T, open func(t *testing.T) (limiter ports.AttemptLimiter, elapse func(time.Duration))) {
	run(t, func(t *testing.T) attempts {
		limiter, elapse := open(t)
		return attempts{t, limiter, elapse}
	}, []promise[attempts]{
		{"LimitsEvents", attempts.limitsEvents},
		{"CountsEventsOnly", attempts.countsEventsOnly},
		{"WindowEnds", attempts.windowEnds},
		{"WindowBeginsWithTheFirstEvent", attempts.windowBeginsWithTheFirstEvent},
		{"KeysAndLimitsAreSeparate", attempts.keysAndLimitsAreSeparate},
		{"WaitsForAttemptsInProgress", attempts.waitsForAttemptsInProgress},
		{"WaitsAndIsRefused", attempts.waitsAndIsRefused},
		{"RaceOfEvents", attempts.raceOfEvents},
		{"RaceOfOthers", attempts.raceOfOthers},
		{"EndInALaterWindow", attempts.endInALaterWindow},
		{"EndedContext", attempts.endedContext},
		{"ContextEndsMeanwhile", attempts.contextEndsMeanwhile},
		{"EndAfterContext", attempts.endAfterContext},
	})
}

// SharedAttempts returns a limiter that spreads its calls over several handles of one
// store, each handle opened as by another server. Use it with [AttemptLimiter].
func SharedAttempts(handles ...ports.AttemptLimiter) ports.AttemptLimiter {
	return &sharedAttempts{shared[ports.AttemptLimiter]{handles: handles}}
}

type sharedAttempts struct{ shared[ports.AttemptLimiter] }

func (s *sharedAttempts) Begin(ctx context.Context, limit domain.AttemptLimit, key string) (end func(isEvent bool), err error) {
	return s.next().Begin(ctx, limit, key)
}

// attempts is a test of one limiter.
type attempts struct {
	*testing.T
	ports.AttemptLimiter
	elapse func(time.Duration)
}

const (
	window = time.Hour

	// moment is more than the real time of a subtest, and less than any other time in it.
	moment = time.Minute
)

func limitOf(maximum int) domain.AttemptLimit {
	return domain.AttemptLimit{Name: "failures", Max: maximum, Window: window}
}

// begin begins an attempt that must be let through.
func (t attempts) begin(limit domain.AttemptLimit, key, what string) (end func(isEvent bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), moment/3)
	defer cancel()
	end, err := t.Begin(ctx, limit, key)
	if err != nil {
		t.Fatalf("Begin of %s failed: %v", what, err)
	}
	return end
}

// event makes an attempt that is an event.
func (t attempts) event(limit domain.AttemptLimit, key, what string) {
	t.Helper()
	t.begin(limit, key, what)(true)
}

// wantRefused wants the next attempt to be refused, for about the given time.
func (t attempts) wantRefused(limit domain.AttemptLimit, key, what string, about time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), moment/3)
	defer cancel()
	end, err := t.Begin(ctx, limit, key)
	if err == nil {
		end(false)
		t.Errorf("Begin of %s succeeded, want a LimitReachedError", what)
		return
	}
	reached, ok := errors.AsType[*domain.LimitReachedError](err)
	if !ok {
		t.Errorf("Begin of %s failed with %q (%T), want a LimitReachedError", what, err, err)
		return
	}
	if wait := reached.RetryAfter; wait <= 0 || wait > about || wait < about-moment {
		t.Errorf("Begin of %s is refused for %v, want %v or up to %v less", what, wait, about, moment)
	}
}

func isLimitReached(err error) bool {
	_, ok := errors.AsType[*domain.LimitReachedError](err)
	return ok
}

func (t attempts) limitsEvents() {
	for _, limit := range []domain.AttemptLimit{limitOf(1), limitOf(3)} {
		key := strings.Repeat("k", limit.Max)
		for range limit.Max {
			t.event(limit, key, "an attempt within the limit")
		}
		for range 2 {
			t.wantRefused(limit, key, "an attempt after the last event", window)
		}
	}
}

func (t attempts) countsEventsOnly() {
	limit := limitOf(2)
	other := func() { t.begin(limit, "key", "an attempt after those that are no events")(false) }
	for range 2 * limit.Max {
		other()
	}
	t.event(limit, "key", "the first event")
	for range 2 * limit.Max {
		other()
	}
	t.event(limit, "key", "the second event")
	t.wantRefused(limit, "key", "an attempt after the last event", window)
}

func (t attempts) windowEnds() {
	limit := limitOf(2)
	for range 3 {
		for range limit.Max {
			t.event(limit, "key", "an attempt in a new window")
		}
		t.elapse(window - 2*moment)
		t.wantRefused(limit, "key", "an attempt before the end of the window", 2*moment)
		t.elapse(2 * moment)
	}
	t.event(limit, "key", "an attempt after the window")
	t.elapse(window)
	for range limit.Max { // the event of the window before does not count
		t.event(limit, "key", "an attempt in a window after one with a single event")
	}
	t.wantRefused(limit, "key", "an attempt after the last event", window)
}

func (t attempts) windowBeginsWithTheFirstEvent() {
	limit := limitOf(2)
	t.begin(limit, "key", "an attempt that is no event")(false)
	t.elapse(window / 2)
	t.event(limit, "key", "the first event")
	t.elapse(window / 4)
	t.event(limit, "key", "the second event")
	t.wantRefused(limit, "key", "an attempt after the last event", window*3/4)
	t.elapse(window * 3 / 4)
	t.event(limit, "key", "an attempt after the window")
}

func (t attempts) keysAndLimitsAreSeparate() {
	limit := limitOf(1)
	longer := limit
	longer.Name += "a"
	long := strings.Repeat("k", 10_000)
	counters := []struct {
		limit domain.AttemptLimit
		key   string
	}{
		{limit, "ab"}, {limit, "abc"}, {limit, "AB"}, {limit, "ab "}, {limit, " ab"}, {limit, ""}, {limit, "\u00e9"}, {limit, "e\u0301"},
		{limit, "b"}, {longer, "b"}, {longer, "ab"}, {limit, long + "1"}, {limit, long + "2"},
		{limit, "192.0.2.1/32 ada@example.com"}, {limit, "192.0.2.1/32 bob@example.com"}, {limit, "192.0.2.2/32 ada@example.com"},
	}
	for _, c := range counters {
		t.event(c.limit, c.key, "the first attempt of the key "+brief(c.key))
	}
	for _, c := range counters {
		t.wantRefused(c.limit, c.key, "the second attempt of the key "+brief(c.key), window)
	}
}

// waitsForAttemptsInProgress begins one attempt too many.
func (t attempts) waitsForAttemptsInProgress() {
	limit := limitOf(2)
	first, second := t.begin(limit, "key", "the first attempt"), t.begin(limit, "key", "the second attempt")
	t.wantToWait(limit, "key")
	first(false)
	third := t.begin(limit, "key", "the third attempt, after the first has ended")
	t.wantToWait(limit, "key")
	fourth := make(chan error, 1)
	go func() {
		end, err := t.Begin(t.Context(), limit, "key")
		if err == nil {
			end(true)
		}
		fourth <- err
	}()
	second(false)
	if err := <-fourth; err != nil {
		t.Errorf("Begin of the fourth attempt, which waits for the second, failed: %v", err)
	}
	third(true)
	t.wantRefused(limit, "key", "an attempt after two events", window)
}

// wantToWait wants Begin to wait until its context ends.
func (t attempts) wantToWait(limit domain.AttemptLimit, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	end, err := t.Begin(ctx, limit, key)
	if err == nil {
		end(false)
	}
	wantKind(t.T, "Begin, while as many attempts as the limit are in progress and its context ends,", err, domain.Unavailable)
}

// waitsAndIsRefused begins attempts while the last one of the limit is in progress, which is
// then an event.
func (t attempts) waitsAndIsRefused() {
	limit := limitOf(2)
	t.event(limit, "key", "the first attempt")
	second := t.begin(limit, "key", "the second attempt")
	results := make(chan error, 3)
	for range cap(results) {
		go func() {
			end, err := t.Begin(t.Context(), limit, "key")
			if err == nil {
				end(false)
			}
			results <- err
		}()
	}
	t.wantToWait(limit, "key")
	second(true)
	for range cap(results) {
		if err := <-results; !isLimitReached(err) {
			t.Errorf("Begin, which waits for an attempt that becomes an event, returned %v, want a LimitReachedError", err)
		}
	}
}

// raceOfEvents makes simultaneous attempts that are events.
func (t attempts) raceOfEvents() {
	const maximum = 5
	limit := limitOf(maximum)
	for i := range rounds {
		key := strings.Repeat("k", i)
		var inProgress, through atomic.Int64
		errs := race(contenders, func(int) error {
			end, err := t.Begin(t.Context(), limit, key)
			if err != nil {
				return err
			}
			if n := inProgress.Add(1); n > maximum {
				t.Errorf("%d attempts are in progress, want at most %d", n, maximum)
			}
			through.Add(1)
			inProgress.Add(-1)
			end(true)
			return nil
		})
		for _, err := range errs {
			if err != nil && !isLimitReached(err) {
				t.Errorf("Begin, one of %d simultaneous calls, failed with %v, want success or a LimitReachedError", contenders, err)
			}
		}
		if n := through.Load(); n != maximum {
			t.Errorf("%d of %d simultaneous attempts were let through, want %d", n, contenders, maximum)
		}
	}
}

// raceOfOthers makes simultaneous attempts that are no events: all must be let through.
func (t attempts) raceOfOthers() {
	limit := limitOf(2)
	wantNoErrors(t.T, "Begin of an attempt that is no event", race(contenders, func(int) error {
		end, err := t.Begin(t.Context(), limit, "key")
		if err == nil {
			end(false)
		}
		return err
	}))
	for range limit.Max {
		t.event(limit, "key", "an event after many attempts that are none")
	}
	t.wantRefused(limit, "key", "an attempt after the last event", window)
}

// endInALaterWindow ends an attempt after the window in which it began. The attempt is no
// event, so it takes none from the new window.
func (t attempts) endInALaterWindow() {
	limit := limitOf(2)
	early := t.begin(limit, "key", "an attempt that lasts longer than the window")
	t.event(limit, "key", "an event in the first window")
	t.elapse(window)
	t.event(limit, "key", "the first event in the second window")
	early(false)
	t.event(limit, "key", "the second event in the second window")
	t.wantRefused(limit, "key", "an attempt after the last event in the second window", window)
}

func (t attempts) endedContext() {
	limit := limitOf(1)
	begin := func(what string) {
		eachEnded(t.T, func(how string, ctx context.Context) {
			end, err := t.Begin(ctx, limit, "key")
			if err == nil {
				end(false)
			}
			wantKind(t.T, "Begin "+what+" "+how, err, domain.Unavailable)
		})
	}
	begin("of the first attempt")
	t.event(limit, "key", "an attempt after calls with an ended context")
	begin("after the last event")
}

// contextEndsMeanwhile ends the contexts of calls that may go on, and of calls that wait.
func (t attempts) contextEndsMeanwhile() {
	begin := func(ctx context.Context, limit domain.AttemptLimit, key string) error {
		end, err := t.Begin(ctx, limit, key)
		if err == nil {
			end(false)
		}
		return err
	}
	raceContexts(t.T, "Begin", func(ctx context.Context, _ int) error { return begin(ctx, limitOf(contenders), "key") })
	last := t.begin(limitOf(1), "another", "the only attempt")
	for _, err := range race(contenders, func(i int) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
		defer cancel()
		return begin(ctx, limitOf(1), "another")
	}) {
		wantKind(t.T, "Begin of an attempt that must wait, whose context ends,", err, domain.Unavailable)
	}
	last(true)
	t.wantRefused(limitOf(1), "another", "an attempt after the event", window)
}

// endAfterContext ends attempts after the contexts with which they began.
func (t attempts) endAfterContext() {
	limit := limitOf(1)
	for range 3 { // the context of begin ends before begin returns
		t.begin(limit, "key", "an attempt that is no event")(false)
	}
	t.begin(limit, "key", "an event")(true)
	t.wantRefused(limit, "key", "an attempt after an event that ended after its context", window)
}
