package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
)

// refusals says whether the DB refuses every call, and why. There are two reasons: the DB
// has failed, which lasts until the process restarts, or its file is misplaced, which
// lasts until the file is at its path again.
//
// A refused call returns a short error. The cause is logged once.
type refusals struct {
	path    string
	log     *slog.Logger
	current atomic.Pointer[error] // the error of every call; nil while calls are not refused

	mu     sync.Mutex
	cause  error         // of the failure; nil: the DB has not failed
	failed chan struct{} // closed when cause is set
}

// The errors of refused calls.
var (
	errFailed    = errors.New("the store has failed; an earlier line of the log says why")
	errMisplaced = errors.New("the data file is not at its path")
)

// err returns an Unavailable error while the DB refuses every call, else nil.
func (r *refusals) err() error {
	if err := r.current.Load(); err != nil {
		return *err
	}
	return nil
}

// fail makes the DB refuse every call until the process restarts. The first cause counts.
func (r *refusals) fail(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cause != nil {
		return
	}
	r.cause = fmt.Errorf("data file %s: %w", r.path, cause)
	err := unavailable(errFailed)
	r.current.Store(&err)
	close(r.failed)
	attributes := []any{"error", r.cause.Error()}
	if panicked, ok := errors.AsType[*panicError](cause); ok {
		attributes = append(attributes, "stack", string(panicked.stack))
	}
	r.log.Error("the store has failed and refuses everything until the program is restarted", attributes...)
}

// failure returns the cause of the failure, or nil.
func (r *refusals) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause
}

// setMisplaced makes the DB refuse every call until setPlaced is called.
func (r *refusals) setMisplaced(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current.Load() != nil {
		return
	}
	err := unavailable(errMisplaced)
	r.current.Store(&err)
	r.log.Error("the data file is no longer at its path: put it back, or restart the program to use what is there now",
		"path", r.path, "error", cause.Error())
}

// setPlaced ends the effect of setMisplaced.
func (r *refusals) setPlaced() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current.Load() == nil || r.cause != nil {
		return
	}
	r.current.Store(nil)
	r.log.Warn("the data file is at its path again: the store is in use again", "path", r.path)
}
