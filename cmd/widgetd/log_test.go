package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink takes what is written, once it may.
type sink struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
	open   chan struct{} // closed when it takes something
}

func (s *sink) Write(text []byte) (int, error) {
	<-s.open
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.text.Write(text)
}

func newSink(open bool) *sink {
	s := &sink{open: make(chan struct{})}
	if open {
		close(s.open)
	}
	return s
}

func TestLinesAreWrittenTogetherAndSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(true)
		w := newLogWriter(to)
		for round := range 2 {
			for n := range 100 {
				fmt.Fprintf(w, "%d\n", n)
			}
			time.Sleep(logDelay)
			synctest.Wait()
			if got := strings.Count(to.text.String(), "\n"); got != 100*(round+1) || to.writes != round+1 {
				t.Errorf("%d lines in %d writes", got, to.writes)
			}
		}
		w.flush() // of nothing
		if to.writes != 2 {
			t.Error("nothing is written too")
		}
	})
}

func TestFlushWritesEverythingInOrder(t *testing.T) {
	t.Parallel()
	to := newSink(true)
	w := newLogWriter(to)
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
	w.flush()
	next := map[int]int{}
	for line := range strings.Lines(to.text.String()) {
		var writer, n int
		if _, err := fmt.Sscanf(line, "%d %d\n", &writer, &n); err != nil || n != next[writer] {
			t.Fatalf("%q, but want %d of that writer: %v", line, next[writer], err)
		}
		next[writer]++
	}
	for writer := range writers {
		if next[writer] != lines {
			t.Errorf("%d lines of writer %d", next[writer], writer)
		}
	}
}

// TestLogThatIsNotTakenHoldsWritersUp, and nothing is dropped.
func TestLogThatIsNotTakenHoldsWritersUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(false)
		w := newLogWriter(to)
		written := 0
		go func() {
			for range 3 * maxLogBytes / 1024 {
				fmt.Fprintf(w, "%1023d\n", written)
				written++
			}
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if taken := written * 1024; taken < maxLogBytes || taken > 2*maxLogBytes {
			t.Errorf("%d bytes wait, want about %d", taken, maxLogBytes)
		}
		close(to.open)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := to.text.Len(); got != 3*maxLogBytes {
			t.Errorf("%d bytes are written, want %d", got, 3*maxLogBytes)
		}
	})
}

// TestLogThatIsNeverTakenDoesNotKeepTheProgram from its end.
func TestLogThatIsNeverTakenDoesNotKeepTheProgram(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(false)
		w := newLogWriter(to)
		fmt.Fprintln(w, "a line")
		began := time.Now()
		w.close()
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("it waited %v", waited)
		}
		close(to.open) // or a goroutine would be left
	})
}
