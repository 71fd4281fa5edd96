package framing

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The errors of Scan.
var (
	errLineEnd     = errors.New("a line does not end in CRLF")
	errRequestLine = errors.New("the first line is not METHOD target HTTP/1.1")
	errHeader      = errors.New("a header line is malformed")
	errHost        = errors.New("there is not one Host header")
	errLength      = errors.New("the Content-Length is not one number")
	errCoding      = errors.New("the Transfer-Encoding is not chunked alone")
	errChunkSize   = errors.New("the size of a chunk is malformed, or has an extension")
	errChunkEnd    = errors.New("a chunk does not end where its size says, or a trailer follows")
)

// maxLengthDigits keeps a length in the range of int64.
const maxLengthDigits = 18

// scanHead examines the lines of the head that have ended. It checks the start of
// a line that has not ended, so that a client which sends something else than HTTP
// gets its answer at once.
func (s *Scanner) scanHead(b []byte) (State, error) {
	for {
		line, n, err := cutLine(b[s.pos:])
		switch {
		case err != nil:
			return Incomplete, err
		case n == 0 && s.phase == inRequestLine && !isStartOfRequest(line):
			return Incomplete, errRequestLine
		case max(s.pos+n, s.pos+len(line)) > s.Limits.Head:
			return HeadTooLarge, nil
		case n == 0:
			return Incomplete, nil
		case s.phase == inRequestLine:
			err = s.scanRequestLine(line)
		case len(line) == 0:
			return Incomplete, s.endHead(b, s.pos+n)
		default:
			err = s.scanHeader(line)
		}
		if err != nil {
			return Incomplete, err
		}
		s.pos += n
	}
}

// isStartOfRequest reports whether a line can become a request line.
func isStartOfRequest(line []byte) bool {
	method, _, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\r")), []byte(" "))
	return len(line) == 0 || line[0] == '\r' || isToken(method)
}

func (s *Scanner) scanRequestLine(line []byte) error {
	s.phase, s.length = inHeaders, -1
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(rest, []byte(" "))
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		s.isHTTP10 = true
	default:
		return errRequestLine
	}
	if !isToken(method) || len(target) == 0 || !isText(target) || bytes.ContainsAny(target, "\t#") {
		return errRequestLine
	}
	return nil
}

func (s *Scanner) scanHeader(line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 || !isToken(line[:colon]) || !isText(line[colon+1:]) {
		return errHeader
	}
	name := line[:colon]
	switch value := bytes.Trim(line[colon+1:], " \t"); len(name) { // few names have one of these lengths
	case len("host"):
		if is(name, "host") {
			if s.hasHost || len(value) == 0 || bytes.ContainsAny(value, " \t,/@") {
				return errHost
			}
			s.hasHost = true
		}
	case len("expect"):
		if is(name, "expect") && listHas(value, "100-continue") {
			s.expects = true
			s.expectStart, s.expectEnd = s.pos+colon+1, s.pos+len(line)
		}
	case len("connection"):
		s.closes = s.closes || is(name, "connection") && listHas(value, "close")
	case len("content-type"):
		if is(name, "content-type") {
			s.isAmbiguous = s.isAmbiguous || s.hasContentType
			s.hasContentType = true
		}
	case len("authorization"):
		if is(name, "authorization") {
			s.isAmbiguous = s.isAmbiguous || s.hasAuthorization
			s.hasAuthorization = true
		}
	case len("content-length"):
		if is(name, "content-length") {
			s.lengthStart = s.pos
			return s.scanLength(value)
		}
	case len("transfer-encoding"):
		if is(name, "transfer-encoding") {
			if s.isChunked || !is(value, "chunked") {
				return errCoding
			}
			s.isChunked = true
			s.codingStart, s.codingEnd = s.pos, s.pos+len(line)
		}
	}
	return nil
}

func (s *Scanner) scanLength(value []byte) error {
	if s.length >= 0 || len(value) == 0 || len(value) > maxLengthDigits {
		return errLength
	}
	s.length = 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return errLength
		}
		s.length = s.length*10 + int(c-'0')
	}
	return nil
}

// endHead checks what can be known only at the end of the head.
func (s *Scanner) endHead(b []byte, end int) error {
	switch {
	case !s.hasHost && !s.isHTTP10:
		return errHost
	case s.isChunked && s.isHTTP10:
		return errCoding
	}
	if s.expects {
		for i := s.expectStart; i < s.expectEnd; i++ {
			b[i] = ' '
		}
	}
	s.head, s.pos, s.phase = end, end, inBody
	if !s.isChunked {
		return nil
	}
	if s.length >= 0 {
		b[s.lengthStart] = 'X' // the line of the coding takes its place
		s.setLength(b, 0)
		return errLength
	}
	s.length, s.phase = 0, inChunkSize
	return nil
}

// is reports whether a text is the given one, which is in lower case, in any case.
func is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// listHas reports whether a list has an item, in any case.
func listHas(list []byte, lower string) bool {
	for item := range bytes.SplitSeq(list, []byte(",")) {
		if is(bytes.Trim(item, " \t"), lower) {
			return true
		}
	}
	return false
}

// isToken reports whether b is a token (RFC 9110 section 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if !isTokenByte(c) {
			return false
		}
	}
	return len(b) > 0
}

// isTokenByte looks the byte up in a set of 128 bits, as package net/textproto does.
func isTokenByte(c byte) bool {
	const (
		low = (1<<10-1)<<'0' | 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.'
		// The letters, and ^ _ ` | ~
		high = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64) | 1<<('^'-64) | 1<<('_'-64) | 1<<('`'-64) | 1<<('|'-64) | 1<<('~'-64)
	)
	return (uint64(1)<<c)&low|(uint64(1)<<(c-64))&high != 0
}

// isText reports whether b has no control character other than a tab. It examines
// eight bytes at a time: tokens are long.
func isText(b []byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		del := x ^ 0x7f*ones
		if (x-' '*ones)&^x&highs|(del-ones)&^del&highs != 0 && !isTextBytes(b[:8]) {
			return false
		}
	}
	return isTextBytes(b)
}

func isTextBytes(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
