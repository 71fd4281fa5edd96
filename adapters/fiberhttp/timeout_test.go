package fiberhttp

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestTimeoutEndsLikeContextWithTimeout, whether or not somebody waits for it.
func TestTimeoutEndsLikeContextWithTimeout(t *testing.T) {
	t.Parallel()
	for what, of := range map[string]struct {
		after time.Duration
		ended bool
		want  error
	}{
		"under way":         {time.Hour, false, nil},
		"ended":             {time.Hour, true, context.Canceled},
		"late":              {-time.Second, false, context.DeadlineExceeded},
		"late, then ended":  {-time.Second, true, context.DeadlineExceeded},
		"at once, and late": {0, false, context.DeadlineExceeded},
	} {
		for _, waits := range []bool{false, true} {
			ctx := &timeout{deadline: time.Now().Add(of.after)}
			if waits {
				ctx.Done()
			}
			first := ctx.Err()
			if of.ended {
				ctx.end()
			}
			if got := ctx.Err(); !errors.Is(got, of.want) || first != nil && !errors.Is(got, first) {
				t.Errorf("%s, waiting %v: Err is %v, was %v, want %v", what, waits, got, first, of.want)
			}
			select {
			case <-ctx.Done():
				if of.want == nil {
					t.Errorf("%s, waiting %v: it is done", what, waits)
				}
			default:
				if of.want != nil {
					t.Errorf("%s, waiting %v: it is not done", what, waits)
				}
			}
			if got := ctx.Err(); !errors.Is(got, of.want) {
				t.Errorf("%s, waiting %v: at last Err is %v, want %v", what, waits, got, of.want)
			}
			ctx.end()
		}
	}
}

func TestTimeoutThatNobodyAskedEndsAsItHad(t *testing.T) {
	t.Parallel()
	ctx := &timeout{deadline: time.Now().Add(-time.Second)}
	ctx.end()
	if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("late, it ended with %v", err)
	}
}

func TestTimeoutReachesWhoWaits(t *testing.T) {
	t.Parallel()
	ctx := &timeout{deadline: time.Now().Add(time.Millisecond)}
	defer ctx.end()
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > time.Millisecond {
		t.Errorf("the deadline is %v, %v", at, ok)
	}
	child, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	<-child.Done()
	if err := child.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the child ended with %v", err)
	}
	if ctx.Value("key") != nil {
		t.Error("it holds a value")
	}
}

func TestTimeoutEndsItsChildren(t *testing.T) {
	t.Parallel()
	ctx := &timeout{deadline: time.Now().Add(time.Hour)}
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx.end()
	<-child.Done()
	if err := child.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("the child ended with %v", err)
	}
}
