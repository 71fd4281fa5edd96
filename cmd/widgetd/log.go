package main

import (
	"io"
	"sync"
	"time"
)

const (
	// logDelay is how long a line may wait for others, so that they go in one
	// write. A write for each was 6% of the work of a get, all others that log
	// waiting for it.
	logDelay = 10 * time.Millisecond

	// maxLogBytes is how much may wait. Whoever logs more waits for the system to
	// take it, so that nothing is dropped.
	maxLogBytes = 1 << 20
)

// logWriter writes what is logged a little later, in order. What a program logged
// in the moment before it was killed may be lost.
type logWriter struct {
	to io.Writer

	mu      sync.Mutex
	changed sync.Cond // there is room again, or a write has ended
	waiting []byte
	spare   []byte // the buffer before, to be used again
	writing bool
	timer   *time.Timer
}

func newLogWriter(to io.Writer) *logWriter {
	w := &logWriter{to: to}
	w.changed.L = &w.mu
	w.timer = time.AfterFunc(logDelay, w.flush)
	return w
}

// Write implements [io.Writer]. That what it took cannot be written is told to
// nobody.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting) >= maxLogBytes {
		w.changed.Wait()
	}
	if len(w.waiting) == 0 {
		w.timer.Reset(logDelay)
	}
	w.waiting = append(w.waiting, line...)
	return len(line), nil
}

// close is flush, but gives up after a second: nobody may read what is logged.
func (w *logWriter) close() {
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		w.flush()
	}()
	select {
	case <-flushed:
	case <-time.After(time.Second):
	}
}

// flush writes what waits, after what is being written.
func (w *logWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.writing {
		w.changed.Wait()
	}
	lines := w.waiting
	if len(lines) == 0 {
		return
	}
	w.waiting, w.spare, w.writing = w.spare[:0], nil, true
	w.changed.Broadcast()
	w.mu.Unlock()
	_, _ = w.to.Write(lines)
	w.mu.Lock()
	w.spare, w.writing = lines, false
	w.changed.Broadcast()
}
