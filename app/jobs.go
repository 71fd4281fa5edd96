package app

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// jobStopTimeout is how long the stop function of [App.Start] waits for a job whose context
// has ended. A job may wait for a disk that does not answer, which no context ends.
const jobStopTimeout = time.Second

// regularly calls job at once and then at every interval, until ctx ends.
func regularly(ctx context.Context, interval time.Duration, job func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		job(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// withoutPanic returns the results of a job. It converts a panic into an error: the server
// can go on without the job.
func withoutPanic(ctx context.Context, job func(context.Context) (int, error)) (n int, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v", value)
		}
	}()
	return job(ctx)
}

// awaitJobs waits until the jobs have ended, and no longer than jobStopTimeout.
func (a *App) awaitJobs(jobs *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		jobs.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(jobStopTimeout):
		a.adapters.log.Warn("stopped before a job had ended, such as a purge of the blacklist")
	}
}
