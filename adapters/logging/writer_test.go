package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// sink keeps what is written to it. A test can make it block or fail.
type sink struct {
	mu       sync.Mutex
	text     bytes.Buffer
	room     int   // bytes that it takes before it returns full
	full     error // nil: there is always room
	open     chan struct{}
	attempts int
}

func (s *sink) Write(text []byte) (int, error) {
	<-s.open
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	if s.full != nil && len(text) > s.room {
		n := s.room
		s.room = 0
		s.text.Write(text[:n])
		return n, s.full
	}
	s.room -= len(text)
	return s.text.Write(text)
}

// fill makes the sink return an error after the given number of bytes.
func (s *sink) fill(room int, full error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room, s.full = room, full
}

// String returns what was written.
func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// lines returns the lines that were written.
func (s *sink) lines() []string { return strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n") }

// calls returns the number of calls of Write.
func (s *sink) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

func newSink(open bool) *sink {
	s := &sink{open: make(chan struct{})}
	if open {
		close(s.open)
	}
	return s
}

func newJSON(to io.Writer) slog.Handler { return NewJSONHandler(to, slog.LevelInfo) }

// line returns a line of the given number of bytes, in JSON.
func line(bytes, number int) string {
	return fmt.Sprintf("{\"n\":%*d}\n", bytes-len("{\"n\":}\n"), number)
}

// notices checks that every line is JSON, and returns the numbers of dropped lines
// that the notices tell, and the number of other lines.
func notices(t *testing.T, lines []string) (told []int, others int) {
	t.Helper()
	for _, text := range lines {
		var line struct {
			Level, Msg string
			Lines      int
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Errorf("%v: %.200s", err, text)
		}
		if line.Msg == "" {
			others++
			continue
		}
		if line.Msg != "log lines were dropped" || line.Level != "WARN" {
			t.Errorf("the log has %s", text)
		}
		told = append(told, line.Lines)
	}
	return told, others
}

func TestWriterCollectsLinesForTenMilliseconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(true)
		w := NewWriter(to, newJSON)
		for round := range 2 {
			for n := range 100 {
				fmt.Fprintf(w, "%d\n", n)
			}
			time.Sleep(writeDelay)
			synctest.Wait()
			if got := len(to.lines()); got != 100*(round+1) || to.calls() != round+1 {
				t.Errorf("got %d lines in %d writes, want %d in %d", got, to.calls(), 100*(round+1), round+1)
			}
		}
		time.Sleep(time.Hour)
		if to.calls() != 2 {
			t.Errorf("%d writes, want none of an empty buffer", to.calls())
		}
	})
}

func TestWriterWritesEveryLineInOrder(t *testing.T) {
	t.Parallel()
	to := newSink(true)
	w := NewWriter(to, newJSON)
	var busy sync.WaitGroup
	const writers, lines = 8, 2000
	for writer := range writers {
		busy.Go(func() {
			for n := range lines {
				fmt.Fprintf(w, "%d %d\n", writer, n)
			}
		})
	}
	busy.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	next := map[int]int{}
	for _, line := range to.lines() {
		var writer, n int
		if _, err := fmt.Sscanf(line, "%d %d", &writer, &n); err != nil || n != next[writer] {
			t.Fatalf("got line %q of writer %d, want its line %d: %v", line, writer, next[writer], err)
		}
		next[writer]++
	}
	for writer := range writers {
		if next[writer] != lines {
			t.Errorf("got %d lines of writer %d, want %d", next[writer], writer, lines)
		}
	}
}

func TestLinesAreDroppedWhileNobodyReadsAndToldAfterwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(false)
		w := NewWriter(to, newJSON)
		const all = 3 * maxBuffered / 1024
		fmt.Fprint(w, line(1024, 0))
		time.Sleep(writeDelay + maxStall) // the write of that line stalls
		began := time.Now()
		for n := range all {
			fmt.Fprint(w, line(1024, n+1))
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("%d lines waited for %v", all, waited)
		}
		dropped := w.Dropped()
		if want := uint64(all - maxBuffered/1024); dropped != want {
			t.Errorf("%d lines were dropped, want %d", dropped, want)
		}
		close(to.open)
		time.Sleep(writeDelay)
		synctest.Wait()
		told, others := notices(t, to.lines())
		if len(told) != 1 || told[0] != int(dropped) || others+int(dropped) != all+1 {
			t.Errorf("%d lines were dropped of %d: the log tells %v and has %d lines", dropped, all+1, told, others)
		}
		fmt.Fprint(w, line(1024, 0))
		time.Sleep(time.Hour)
		if told, after := notices(t, to.lines()); len(told) != 1 || after != others+1 || w.Dropped() != dropped {
			t.Errorf("a later line: the log tells %v and has %d lines", told, after)
		}
	})
}

func TestNoLineIsDroppedWhenTheReaderIsBusyForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(false)
		w := NewWriter(to, newJSON)
		const all = 3 * maxBuffered / 1024
		go func() {
			time.Sleep(writeDelay + maxStall - time.Millisecond)
			close(to.open)
		}()
		fmt.Fprint(w, line(1024, 0))
		time.Sleep(writeDelay)
		for n := range all {
			fmt.Fprint(w, line(1024, n))
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if told, others := notices(t, to.lines()); len(told) > 0 || others != all+1 || w.Dropped() > 0 {
			t.Errorf("the log tells %v and has %d lines, want %d; %d were dropped", told, others, all+1, w.Dropped())
		}
	})
}

func TestWriteWaitsForAStalledWriteOnlyOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(false)
		w := NewWriter(to, newJSON)
		began := time.Now()
		fmt.Fprint(w, line(1024, 0))
		time.Sleep(writeDelay)
		var busy sync.WaitGroup
		for range 64 {
			busy.Go(func() {
				for n := range maxBuffered / 1024 {
					fmt.Fprint(w, line(1024, n))
				}
			})
		}
		busy.Wait()
		if took := time.Since(began); took > writeDelay+maxStall {
			t.Errorf("64 goroutines waited for %v, want at most %v", took, writeDelay+maxStall)
		}
		close(to.open)
	})
}

// TestNoLineIsTornByAnError lets the error happen after each number of bytes.
func TestNoLineIsTornByAnError(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{syscall.EPIPE, syscall.ENOSPC, syscall.EIO, io.ErrShortWrite} {
		for room := range 2 * len(line(20, 0)) {
			for more := range 200 { // within the rest, the next lines and the notice
				synctest.Test(t, func(t *testing.T) {
					to := newSink(true)
					to.fill(room, failure)
					w := NewWriter(to, newJSON)
					fmt.Fprint(w, line(20, 1), line(20, 2))
					time.Sleep(2 * writeDelay)
					to.fill(more, failure)
					fmt.Fprint(w, line(20, 3))
					time.Sleep(2 * writeDelay)
					to.fill(0, nil)
					time.Sleep(retryDelay)
					synctest.Wait()
					told, others := notices(t, to.lines())
					sum := 0
					for _, n := range told {
						sum += n
					}
					if sum != int(w.Dropped()) || others+sum != 3 {
						t.Errorf("room for %d and %d bytes: %d lines were dropped, the log tells %v and has\n%s",
							room, more, w.Dropped(), told, to)
					}
				})
			}
			if t.Failed() {
				return
			}
		}
	}
}

func TestFailedWriteIsTriedAgainAfterASecondWithoutNewLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(true)
		to.fill(0, errors.New("disk full"))
		w := NewWriter(to, newJSON)
		fmt.Fprint(w, line(20, 1))
		time.Sleep(10*time.Second + 2*writeDelay)
		if n := to.calls(); n != 11 {
			t.Errorf("%d attempts within 10 seconds, want 11", n)
		}
		if w.Dropped() != 1 {
			t.Errorf("%d lines were dropped, want 1", w.Dropped())
		}
		to.fill(0, nil)
		time.Sleep(time.Hour)
		if told, others := notices(t, to.lines()); len(told) != 1 || told[0] != 1 || others != 0 {
			t.Errorf("the log is\n%s", to)
		}
		if n := to.calls(); n != 12 {
			t.Errorf("%d attempts, want none after the notice", n)
		}
	})
}

func TestFullNonBlockingFileDropsNoLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(true)
		to.fill(7, syscall.EAGAIN)
		w := NewWriter(to, newJSON)
		fmt.Fprint(w, line(20, 1))
		time.Sleep(time.Minute)
		to.fill(0, nil)
		time.Sleep(time.Minute)
		if told, others := notices(t, to.lines()); len(told) > 0 || others != 1 || w.Dropped() > 0 {
			t.Errorf("%d lines were dropped, the log is\n%s", w.Dropped(), to)
		}
	})
}

func TestNoticeHasTheFormatOfTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(true)
		to.fill(0, errors.New("disk full"))
		w := NewWriter(to, func(to io.Writer) slog.Handler {
			return slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelError})
		})
		fmt.Fprintln(w, "a line")
		time.Sleep(2 * writeDelay)
		to.fill(0, nil)
		time.Sleep(retryDelay)
		synctest.Wait()
		if got, want := to.String(), `level=WARN msg="log lines were dropped" lines=1`; !strings.Contains(got, want) {
			t.Errorf("the log is %q, want %q", got, want)
		}
	})
}

func TestCloseWaitsOneSecondAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(false)
		w := NewWriter(to, newJSON)
		fmt.Fprintln(w, "a line")
		began := time.Now()
		if err := w.Close(); err == nil {
			t.Error("Close returns no error")
		}
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("Close waited %v, want 1s", waited)
		}
		close(to.open) // ends the goroutine of Close
	})
}

func TestCloseWritesTheBufferedLines(t *testing.T) {
	t.Parallel()
	to := newSink(true)
	w := NewWriter(to, newJSON)
	fmt.Fprintln(w, "a line")
	if err := w.Close(); err != nil || to.String() != "a line\n" {
		t.Errorf("Close returns %v and wrote %q", err, to)
	}
}
