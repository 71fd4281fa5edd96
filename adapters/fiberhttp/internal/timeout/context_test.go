package timeout

import (
	"context"
	"errors"
	"testing"
	"time"
)

func newContext(parent context.Context, at time.Time) *Context {
	c := NewContext(parent, at)
	return &c
}

// TestContextEndsLikeContextWithDeadline tests contexts with and without a call of
// Done.
func TestContextEndsLikeContextWithDeadline(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]struct {
		after time.Duration
		ended bool
		want  error
	}{
		"not ended":            {time.Hour, false, nil},
		"cancelled":            {time.Hour, true, context.Canceled},
		"late":                 {-time.Second, false, context.DeadlineExceeded},
		"late, then cancelled": {-time.Second, true, context.DeadlineExceeded},
		"at once, and late":    {0, false, context.DeadlineExceeded},
	} {
		for _, waits := range []bool{false, true} {
			ctx := newContext(context.Background(), time.Now().Add(of.after))
			if waits {
				ctx.Done()
			}
			first := ctx.Err()
			if of.ended {
				ctx.End()
			}
			if got := ctx.Err(); !errors.Is(got, of.want) || first != nil && !errors.Is(got, first) {
				t.Errorf("%s, waiting %v: Err is %v, was %v, want %v", name, waits, got, first, of.want)
			}
			select {
			case <-ctx.Done():
				if of.want == nil {
					t.Errorf("%s, waiting %v: it is done", name, waits)
				}
			default:
				if of.want != nil {
					t.Errorf("%s, waiting %v: it is not done", name, waits)
				}
			}
			if got := ctx.Err(); !errors.Is(got, of.want) {
				t.Errorf("%s, waiting %v: at last Err is %v, want %v", name, waits, got, of.want)
			}
			ctx.End()
		}
	}
}

func TestEndAfterTheDeadlineKeepsDeadlineExceeded(t *testing.T) {
	t.Parallel()
	ctx := newContext(context.Background(), time.Now().Add(-time.Second))
	ctx.End()
	if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestDeadlineEndsChildren(t *testing.T) {
	t.Parallel()
	ctx := newContext(context.WithValue(context.Background(), key{}, "value"), time.Now().Add(time.Millisecond))
	defer ctx.End()
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > time.Millisecond {
		t.Errorf("the deadline is %v, %v", at, ok)
	}
	child, cancelChild := context.WithTimeout(ctx, time.Hour)
	defer cancelChild()
	<-child.Done()
	if err := child.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the child ended with %v", err)
	}
	if got := ctx.Value(key{}); got != "value" {
		t.Errorf("the value is %v", got)
	}
}

func TestEndEndsChildren(t *testing.T) {
	t.Parallel()
	ctx := newContext(context.Background(), time.Now().Add(time.Hour))
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx.End()
	<-child.Done()
	if err := child.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("the child ended with %v", err)
	}
}

type key struct{}

func TestContextEndsWithItsParent(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		parent, cancelParent := context.WithDeadline(context.Background(), time.Now().Add(time.Hour))
		ctx := newContext(parent, time.Now().Add(2*time.Hour))
		defer ctx.End()
		if at, _ := ctx.Deadline(); time.Until(at) > time.Hour {
			t.Errorf("the deadline is %v, later than that of the parent", at)
		}
		if waits {
			ctx.Done()
		}
		cancelParent()
		if err := ctx.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting %v: got %v, want %v", waits, err, context.Canceled)
		}
	}
}
