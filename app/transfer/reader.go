package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// MaxLineBytes is the length of the longest line that Import reads, without the line end.
const MaxLineBytes = 64 << 10

// lineReader reads lines. It skips blank ones.
type lineReader struct {
	from   *bufio.Reader
	number int // of the last line that was read, counted from 1
}

// line is a line of the file.
type line struct {
	number     int
	text       []byte // without the line end; valid until the next line is read
	isTooLong  bool   // longer than MaxLineBytes: the text is not used
	isComplete bool   // a line feed follows
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{from: bufio.NewReaderSize(r, MaxLineBytes+len("\r\n"))}
}

// next returns the next line that is not blank, or io.EOF.
func (r *lineReader) next() (line, error) {
	for {
		l, err := r.nextLine()
		if err != nil || l.isTooLong || len(bytes.TrimSpace(l.text)) > 0 {
			return l, err
		}
	}
}

func (r *lineReader) nextLine() (line, error) {
	text, err := r.from.ReadSlice('\n')
	isLong, isLast := errors.Is(err, bufio.ErrBufferFull), errors.Is(err, io.EOF) && len(text) > 0
	if err != nil && !isLong && !isLast {
		return line{}, err
	}
	r.number++
	if r.number == 1 {
		text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	}
	l := line{number: r.number, isComplete: err == nil}
	if isLong {
		l.isTooLong = true
		l.isComplete, err = r.skipLine()
		return l, err
	}
	l.text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	l.isTooLong = len(l.text) > MaxLineBytes
	return l, nil
}

// skipLine reads the rest of a line, and reports whether it ends in a line feed.
func (r *lineReader) skipLine() (isComplete bool, err error) {
	for {
		_, err := r.from.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return false, nil
		}
		return err == nil, err
	}
}
