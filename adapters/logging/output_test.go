package logging

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFullPipeHoldsWholeLinesOnly writes more than a pipe takes. What a reader finds
// in the pipe after the end of the program must not end within a line.
func TestFullPipeHoldsWholeLinesOnly(t *testing.T) {
	t.Parallel()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	lines := strings.Repeat(line(300, 1)+line(20, 2)+line(777, 3), 1000)
	if err := to.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	written, err := newOutput(to).write([]byte(lines))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write returns %v although nobody reads the pipe", err)
	}
	_ = to.Close()
	got, err := io.ReadAll(from)
	if err != nil || string(got) != lines[:written] || !strings.HasSuffix(lines[:written], "\n") {
		t.Errorf("%d bytes are in the pipe, want %d; %v; the last are %q", len(got), written, err, got[max(0, len(got)-20):])
	}
}

func TestLongLineIsWrittenToAPipe(t *testing.T) {
	t.Parallel()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	lines := line(100, 1) + line(3*maxAtomicWrite, 2) + line(100, 3) + "no line end"
	go func() {
		_, _ = newOutput(to).write([]byte(lines))
		_ = to.Close()
	}()
	got, err := io.ReadAll(from)
	if err != nil || string(got) != lines {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(lines))
	}
}

func TestLinesAreOneWriteToARegularFile(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if newOutput(file).inPieces {
		t.Error("a regular file is written in pieces")
	}
}
