package logging

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// writeDelay is the time that a line waits for more lines. Without the delay,
	// every line is a system call, which takes 6% of the CPU time of a GET.
	writeDelay = 10 * time.Millisecond

	// maxBuffered is the number of bytes that may wait. One more line may exceed it.
	maxBuffered = 1 << 20

	// maxStall is the time that a write may take before lines are dropped. A reader
	// that is only busy for a moment loses no line.
	maxStall = 100 * time.Millisecond

	// retryDelay is the time after which a failed write is tried again if no new
	// line arrives.
	retryDelay = time.Second

	// closeTimeout is the time that Close waits for the last write.
	closeTimeout = time.Second
)

// Writer is an [io.Writer] that collects the lines of a log and passes them to
// another writer, in the same order, about 10 milliseconds later. Each call of
// Write must be one line or several whole lines.
//
// Write does not wait for the other writer. If that writer blocks for more than 0.1
// seconds while 1 MiB waits, further lines are dropped. If it returns an error, the
// lines that it did not take are dropped. The dropped lines are counted, and when
// the other writer takes lines again, one more line tells how many were dropped. A
// line is never written in part: after an error within a line, its rest is
// written before any other line.
//
// The lines of the audit record are not dropped: see [Writer.Audit].
//
// A Writer is safe for concurrent use. The last lines are lost when the program is
// killed, except those of the audit record.
type Writer struct {
	to         output
	newHandler func(io.Writer) slog.Handler
	timer      *time.Timer // calls flush
	stall      *time.Timer // calls setStalled

	mu      sync.Mutex
	changed sync.Cond // signals a change of writing, stalled, failed or kept, or room in lines
	lines   []byte
	spare   []byte // the lines that were written last, for reuse
	torn    []byte // the rest of a line that is written in part
	kept    []byte // the lines of the audit record that are not written yet
	keptEnd uint64 // the number of all bytes that were ever added to kept
	failed  bool   // the last write returned an error
	writing bool   // a call of to.write is in progress
	stalled bool   // that call takes longer than maxStall
	dropped uint64 // lines
	untold  uint64 // dropped lines that the log does not tell yet
}

// NewWriter returns a Writer that writes to the given writer. For the line that
// tells the number of dropped lines it calls newHandler, which returns a handler in
// the format of the log.
func NewWriter(to io.Writer, newHandler func(io.Writer) slog.Handler) *Writer {
	w := &Writer{to: newOutput(to), newHandler: newHandler}
	w.changed.L = &w.mu
	w.timer = time.AfterFunc(writeDelay, w.flush)
	w.stall = time.AfterFunc(maxStall, w.setStalled)
	return w
}

// Write implements [io.Writer]. It always returns nil: if the lines cannot be
// written later, there is no place left to report that.
func (w *Writer) Write(lines []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.lines) >= maxBuffered && !w.stalled {
		w.changed.Wait()
	}
	if len(w.lines) >= maxBuffered {
		w.drop(lines)
		return len(lines), nil
	}
	if len(w.lines) == 0 && !w.writing { // else a flush that is due or running starts the timer
		w.timer.Reset(writeDelay)
	}
	w.lines = append(w.lines, lines...)
	return len(lines), nil
}

// Dropped returns the number of lines that were dropped until now.
func (w *Writer) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Close writes the lines that wait. It returns an error if the other writer does
// not take them within a second, for example because no process reads a pipe. It
// does not close the other writer.
func (w *Writer) Close() error {
	written := make(chan struct{})
	go func() {
		defer close(written)
		w.awaitWritten()
		w.flush()
		w.awaitWritten() // if the timer has called flush first
	}()
	select {
	case <-written:
		return nil
	case <-time.After(closeTimeout):
		return errors.New("the last lines of the log could not be written within a second")
	}
}

// awaitWritten waits until no write is in progress.
func (w *Writer) awaitWritten() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.writing {
		w.changed.Wait()
	}
}

// flush writes everything that waits. It does nothing while another flush does that.
func (w *Writer) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing || len(w.lines) == 0 && len(w.torn) == 0 && len(w.kept) == 0 && w.untold == 0 {
		return
	}
	torn, kept, lines, untold := w.torn, w.kept, w.lines, w.untold
	w.lines, w.spare, w.writing = w.spare[:0], nil, true
	w.changed.Broadcast()
	w.stall.Reset(maxStall)
	w.mu.Unlock()

	noticeAt := len(lines)
	if untold > 0 {
		lines = w.appendNotice(lines, untold)
	}
	var keptWritten, written int
	tornWritten, err := w.to.write(torn)
	if err == nil {
		keptWritten, err = w.to.write(kept)
	}
	if err == nil {
		written, err = w.to.write(lines)
	}

	w.mu.Lock()
	w.torn, w.kept = torn[tornWritten:], w.kept[keptWritten:]
	if written > 0 && lines[written-1] != '\n' {
		w.torn = bytes.Clone(lines[written : written+lineLength(lines[written:])])
		written += len(w.torn)
	}
	if written > noticeAt || err == nil {
		w.untold -= untold
	}
	w.drop(lines[min(written, noticeAt):noticeAt])
	w.stall.Stop()
	w.spare, w.writing, w.stalled, w.failed = lines, false, false, err != nil
	w.changed.Broadcast()
	w.restartTimer(err)
}

// restartTimer starts the timer if there is something to write. The error is that
// of the last write.
func (w *Writer) restartTimer(err error) {
	switch {
	case len(w.lines) >= maxBuffered, len(w.kept) > 0 && err == nil:
		w.timer.Reset(0)
	case len(w.lines) > 0:
		w.timer.Reset(writeDelay)
	case err != nil:
		w.timer.Reset(retryDelay)
	}
}

// setStalled ends the wait of Write for a write that takes long.
func (w *Writer) setStalled() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalled = w.writing
	w.changed.Broadcast()
}

// drop counts lines that are not written.
func (w *Writer) drop(lines []byte) {
	n := uint64(bytes.Count(lines, []byte("\n"))) //nolint:gosec // a count is not negative
	w.dropped += n
	w.untold += n
}
