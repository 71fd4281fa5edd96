package mongodb

import (
	"context"
	"sync"
	"time"
)

// background runs tasks of a store in goroutines. No caller waits for a task, except close.
type background struct {
	context.Context //nolint:containedctx // ends with close
	stop            context.CancelFunc

	mu    sync.Mutex // so that no task begins after stop
	tasks sync.WaitGroup
}

// retryPause is the time between two attempts at a task.
const retryPause = 10 * time.Second

func newBackground() *background {
	b := &background{}
	b.Context, b.stop = context.WithCancel(context.Background())
	return b
}

// repeat calls a function until it reports that its work is done, or until close.
func (b *background) repeat(f func(context.Context) (done bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Err() != nil {
		return
	}
	b.tasks.Go(func() {
		for b.Err() == nil && !f(b) {
			_ = sleep(b, retryPause)
		}
	})
}

// close ends the context of the tasks and waits for their end. Later tasks do not begin.
func (b *background) close() {
	b.mu.Lock()
	b.stop()
	b.mu.Unlock()
	b.tasks.Wait()
}

// sleep waits for the time, or returns the error of the context if that ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
