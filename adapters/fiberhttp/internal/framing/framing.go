// Package framing finds the end of HTTP/1 requests. When two servers disagree
// about the end of a request, one of them takes the rest for another request
// ("request smuggling", RFC 9112 section 11.2). So a [Scanner] refuses every
// request that another server could read differently:
//
//   - a line that does not end in CRLF, or has another control character in it
//   - a request line other than METHOD SP target SP HTTP/1.0 or HTTP/1.1
//   - a target with a fragment, which some servers cut off and others do not
//   - a folded header line, or space around the name of a header
//   - no Host in HTTP/1.1, or two
//   - two lengths, a length that is not only digits, or a length and chunks
//   - a transfer coding other than "chunked", or one in HTTP/1.0
//   - chunks with extensions, trailers, or a size that is not only hex digits
//
// The Scanner rewrites what it accepts, so that the server behind it does not
// have to read chunks or Expect: a request with chunks becomes one with a length.
package framing

import (
	"bytes"
	"errors"
)

// ErrNoRequest is the error for carriage returns where a request should begin.
var ErrNoRequest = errors.New("no request")

// State is what a [Scanner] knows about a request.
type State int

const (
	// Incomplete means that the request has not ended.
	Incomplete State = iota
	// Complete means that the request has ended. See [Scanner.Len].
	Complete
	// HeadTooLarge means that the head is longer than the limit.
	HeadTooLarge
	// BodyTooLarge means that the body is longer than the limit. The head has a
	// Content-Length that says so.
	BodyTooLarge
)

// Limits are the largest sizes of a request, in bytes. A body counts without its
// chunks' framing.
type Limits struct{ Head, Body int }

// Scanner reads one request. The zero value with Limits is ready. Reset makes it
// ready for the next request.
type Scanner struct {
	Limits Limits

	phase  phase
	pos    int  // where the next line or chunk begins
	head   int  // the length of the head; 0 until it has ended
	length int  // of the body, as far as it is known; -1 for no body
	chunk  int  // what remains of a chunk
	padded bool // an empty line came before the request

	isHTTP10, hasHost, isChunked        bool
	closes, expects, isAmbiguous        bool
	hasAuthorization, hasContentType    bool
	lengthStart, codingStart, codingEnd int // of the lines Content-Length and Transfer-Encoding
	expectStart, expectEnd              int // of the value of Expect
}

// phase is the part of a request that comes next.
type phase int

const (
	inRequestLine phase = iota
	inHeaders
	inBody
	inChunkSize
	inChunk
	afterChunk
	afterLastChunk
	ended
)

// Reset makes the Scanner ready for the next request.
func (s *Scanner) Reset() { *s = Scanner{Limits: s.Limits} }

// HasHead reports whether the head has ended and was accepted.
func (s *Scanner) HasHead() bool { return s.head > 0 }

// Len returns the length of a request that is complete, or of its head.
func (s *Scanner) Len() int {
	if s.phase == ended {
		return s.head + max(s.length, 0)
	}
	return s.head
}

// Total returns the length of the whole request, also of the part that has not arrived yet,
// or 0 if the length is not known.
func (s *Scanner) Total() int {
	if s.head == 0 || s.isChunked || s.length > s.Limits.Body {
		return 0
	}
	return s.head + max(s.length, 0)
}

// Closes reports whether the client asks to close the connection after this
// request. "close" counts in any case and also in a list.
func (s *Scanner) Closes() bool { return s.closes }

// ExpectsContinue reports whether the client waits for "100 Continue" before it
// sends the body. The head must have ended.
func (s *Scanner) ExpectsContinue() bool {
	return s.expects && !s.isHTTP10 && (s.isChunked || s.length > 0)
}

// IsAmbiguous reports whether the request has two lines of a header that can have
// only one: Authorization or Content-Type. The end of the request is certain.
func (s *Scanner) IsAmbiguous() bool { return s.isAmbiguous }

// Scan examines the bytes of a request that have been received so far. They begin
// with the bytes of the call before, as Scan returned them: Scan removes the
// framing of chunks. What follows a complete request is the next one.
//
// An error means that the request must be refused, and that nothing after it can
// be read. If [Scanner.HasHead] reports true after an error, then the head is
// complete and says that no body follows.
func (s *Scanner) Scan(b []byte) ([]byte, State, error) {
	if s.head == 0 {
		var err error
		if b, err = s.skipEmptyLine(b); err != nil {
			return b, Incomplete, err
		}
		state, err := s.scanHead(b)
		if err != nil || s.head == 0 {
			return b, state, err
		}
	}
	if s.isChunked {
		return s.scanChunks(b)
	}
	switch {
	case s.length > s.Limits.Body:
		return b, BodyTooLarge, nil
	case len(b)-s.head < s.length:
		return b, Incomplete, nil
	}
	s.phase = ended
	return b, Complete, nil
}

// skipEmptyLine removes one empty line before a request (RFC 9112 section 2.2).
func (s *Scanner) skipEmptyLine(b []byte) ([]byte, error) {
	if s.phase != inRequestLine || len(b) == 0 || b[0] != '\r' && b[0] != '\n' {
		return b, nil
	}
	switch {
	case len(b) == 1 && b[0] == '\r':
		return b, nil
	case b[0] == '\r' && b[1] == '\r':
		return b, ErrNoRequest
	case b[0] == '\r' && b[1] == '\n' && !s.padded:
		s.padded = true
		return append(b[:0], b[2:]...), nil
	}
	return b, errLineEnd
}

// scanChunks decodes the chunks in b in place: it moves their data to where the data
// before has ended.
func (s *Scanner) scanChunks(b []byte) ([]byte, State, error) {
	at := s.pos // what is before is decoded, what follows is not
	state, err := Incomplete, error(nil)
	for state == Incomplete && err == nil {
		var n int
		if n, state, err = s.scanChunk(b, b[at:]); n == 0 {
			break
		}
		at += n
	}
	switch {
	case err != nil:
		s.setLength(b, 0)
	case state == BodyTooLarge:
		s.setLength(b, s.Limits.Body+1)
	case state == Complete:
		s.setLength(b, s.length)
		s.phase = ended
	}
	return append(b[:s.pos], b[at:]...), state, err
}

// scanChunk reads one part of the framing, or data, from the start of rest. It
// returns its length, or 0 if more bytes are needed.
func (s *Scanner) scanChunk(b, rest []byte) (n int, state State, err error) {
	switch s.phase {
	case inChunkSize:
		return s.scanChunkSize(rest)
	case inChunk:
		n = min(s.chunk, len(rest))
		s.pos += copy(b[s.pos:], rest[:n])
		if s.chunk -= n; s.chunk == 0 {
			s.phase = afterChunk
		}
		return n, Incomplete, nil
	}
	const crlf = "\r\n"
	n = min(len(rest), len(crlf))
	switch {
	case string(rest[:n]) != crlf[:n]:
		return 0, Incomplete, errChunkEnd
	case n < len(crlf):
		return 0, Incomplete, nil
	case s.phase == afterLastChunk:
		return n, Complete, nil
	}
	s.phase = inChunkSize
	return n, Incomplete, nil
}

func (s *Scanner) scanChunkSize(rest []byte) (n int, state State, err error) {
	line, n, err := cutLine(rest[:min(len(rest), maxChunkSizeDigits+len("\r\n"))])
	switch {
	case err != nil:
		return 0, Incomplete, err
	case len(rest) == 0:
		return 0, Incomplete, nil
	}
	size, err := parseChunkSize(bytes.TrimSuffix(line, []byte("\r")))
	switch {
	case err != nil:
		return 0, Incomplete, err
	case n == 0:
		return 0, Incomplete, nil
	case size == 0:
		s.phase = afterLastChunk
		return n, Incomplete, nil
	}
	s.chunk, s.phase = size, inChunk
	if s.length += size; s.length > s.Limits.Body {
		return n, BodyTooLarge, nil
	}
	return n, Incomplete, nil
}

// setLength replaces the line Transfer-Encoding, which is longer, with the length
// of the body.
func (s *Scanner) setLength(b []byte, length int) {
	const name = "Content-Length:"
	line := b[s.codingStart:s.codingEnd]
	for i := range line[copy(line, name):] {
		line[len(name)+i] = ' '
	}
	for i := len(line) - 1; ; i-- {
		line[i] = byte('0' + length%10)
		if length /= 10; length == 0 {
			return
		}
	}
}

// cutLine returns the first line of b without its end, and its length with it. The
// length is 0 if the line has not ended.
func cutLine(b []byte) (line []byte, n int, err error) {
	i := bytes.IndexByte(b, '\n')
	switch {
	case i < 0:
		if cr := bytes.IndexByte(b, '\r'); cr >= 0 && cr < len(b)-1 {
			return nil, 0, errLineEnd
		}
		return b, 0, nil
	case i == 0 || b[i-1] != '\r':
		return nil, 0, errLineEnd
	}
	return b[:i-1], i + 1, nil
}

const maxChunkSizeDigits = 8

func parseChunkSize(line []byte) (size int, err error) {
	if len(line) == 0 || len(line) > maxChunkSizeDigits {
		return 0, errChunkSize
	}
	for _, c := range line {
		var digit int
		switch {
		case '0' <= c && c <= '9':
			digit = int(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			digit = int(c|0x20-'a') + 10
		default:
			return 0, errChunkSize
		}
		size = size<<4 | digit
	}
	return size, nil
}
