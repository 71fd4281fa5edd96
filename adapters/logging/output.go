package logging

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// maxAtomicWrite is the number of bytes that a pipe takes either completely or not
// at all (PIPE_BUF of Linux).
const maxAtomicWrite = 4096

// output writes lines to a file or another writer.
type output struct {
	to io.Writer
	// inPieces is true for a pipe, a socket or a terminal. Then a write has at most
	// maxAtomicWrite bytes and ends with a line. So no line is cut when the program
	// ends while the pipe is full, and none is mixed with lines of another process.
	inPieces bool
}

func newOutput(to io.Writer) output {
	file, isFile := to.(*os.File)
	if !isFile {
		return output{to, false}
	}
	info, err := file.Stat()
	return output{to, err != nil || !info.Mode().IsRegular()}
}

// write returns the number of bytes that were written, and an error if these are
// not all. It waits while a file that another process has made non-blocking is full.
func (o output) write(lines []byte) (written int, err error) {
	for written < len(lines) {
		n, err := o.to.Write(lines[written : written+o.pieceLength(lines[written:])])
		written += n
		switch {
		case errors.Is(err, syscall.EAGAIN):
			time.Sleep(writeDelay)
		case err != nil:
			return written, err
		case n == 0:
			return written, io.ErrShortWrite
		}
	}
	return written, nil
}

// pieceLength returns the number of bytes that one call of Write may have.
func (o output) pieceLength(lines []byte) int {
	if !o.inPieces || len(lines) <= maxAtomicWrite {
		return len(lines)
	}
	if end := bytes.LastIndexByte(lines[:maxAtomicWrite], '\n'); end >= 0 {
		return end + 1
	}
	return lineLength(lines)
}

// lineLength returns the length of the first line.
func lineLength(lines []byte) int {
	if end := bytes.IndexByte(lines, '\n'); end >= 0 {
		return end + 1
	}
	return len(lines)
}
