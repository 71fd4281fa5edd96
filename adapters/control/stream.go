package control

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// The response to a request for a long operation is a sequence of frames. A frame is its
// kind, one byte; the length of its content, four bytes in big-endian order; and the
// content. The last frame is an endFrame. A response without one is incomplete.
const (
	dataFrame     byte = 'd' // bytes of the file
	progressFrame byte = 'p' // the JSON of a progress or a report
	refusedFrame  byte = 'r' // the JSON of a refusedLine
	endFrame      byte = 'e' // the JSON of an end
)

const (
	frameHeadBytes = 5

	// maxFrameBytes bounds the content of a frame, and so the memory for it.
	maxFrameBytes = 64 << 10
)

// progress has the number of bytes that are done, and the number of all bytes.
type progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// report is a domain.ImportReport.
type report struct {
	Lines   int `json:"lines"`
	Added   int `json:"added"`
	Found   int `json:"found"`
	Refused int `json:"refused"`
}

// refusedLine is a line that an import refused.
type refusedLine struct {
	Line int     `json:"line"`
	Why  failure `json:"why"`
}

// end is the result of an operation.
type end struct {
	Report  report   `json:"report,omitzero"`
	Failure *failure `json:"failure,omitempty"`
}

// timeouts bound how long the server waits for a client of a long operation.
type timeouts struct {
	write time.Duration // until the client has read what the server writes
	read  time.Duration // until the client sends something
	close time.Duration // until the client has closed the connection after the last frame
}

func defaultTimeouts() timeouts {
	return timeouts{write: 10 * time.Second, read: time.Minute, close: 10 * time.Second}
}

// stream is the server's end of a long operation. Its methods are safe for concurrent use.
type stream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	timeouts timeouts
	cancel   context.CancelCauseFunc // ends the operation

	mu  sync.Mutex
	err error // of the first write that failed
}

// longOperation returns a handler for an operation without a time limit. The context of run
// ends when the client closes the connection, or does not read for timeouts.write. If the
// request has a body, run must read it with [stream.body].
func (s *Server) longOperation(run func(ctx context.Context, r *http.Request, to *stream) (report, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		to := &stream{w: w, control: http.NewResponseController(w), timeouts: s.timeouts, cancel: cancel}
		w.Header().Set("Connection", "close") // the deadlines of this operation are not those of the next
		w.Header().Set("Content-Type", "application/octet-stream")
		if err := errors.Join(to.control.EnableFullDuplex(), to.control.SetReadDeadline(time.Time{})); err != nil {
			respond(w, http.StatusInternalServerError, failureOf(err))
			return
		}
		to.begin(r)
		result, err := run(ctx, r, to)
		to.end(result, err)
		to.awaitClose(r)
	})
}

// begin sends the head of the response. After the head, the client notices the end of the
// connection also while it waits for more of the file.
func (s *stream) begin(r *http.Request) {
	if r.Header.Get("Expect") != "" {
		s.w.WriteHeader(http.StatusContinue)
	}
	s.w.WriteHeader(http.StatusOK)
	_ = s.control.Flush() // fails only if the client has closed the connection
}

// Write sends bytes of the file.
func (s *stream) Write(text []byte) (written int, err error) {
	for len(text) > 0 {
		part := text[:min(len(text), maxFrameBytes)]
		if err := s.send(dataFrame, part); err != nil {
			return written, err
		}
		written, text = written+len(part), text[len(part):]
	}
	return written, nil
}

// progress sends the progress of a copy or a check.
func (s *stream) progress(done, total int64) { s.sendJSON(progressFrame, progress{done, total}) }

// report sends the progress of an import.
func (s *stream) report(now domain.ImportReport) { s.sendJSON(progressFrame, report(now)) }

// refused sends a line that an import refused.
func (s *stream) refused(line int, why error) {
	s.sendJSON(refusedFrame, refusedLine{line, shortened(failureOf(why))})
}

// end sends the result.
func (s *stream) end(result report, err error) {
	last := end{Report: result}
	if err != nil {
		failed := shortened(failureOf(err))
		last.Failure = &failed
	}
	s.sendJSON(endFrame, last)
}

// awaitClose waits until the client, which may still be sending the body of the request,
// closes the connection. If the server closed the connection first, the client could fail to
// send before it has read the last frame.
func (s *stream) awaitClose(r *http.Request) {
	if s.control.SetReadDeadline(time.Now().Add(s.timeouts.close)) == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// sendJSON sends a frame. If that fails, the operation ends.
func (s *stream) sendJSON(kind byte, content any) {
	text, err := json.Marshal(content)
	if err != nil {
		panic(err) // the types above can be encoded
	}
	_ = s.send(kind, text) // send has canceled the context of the operation
}

func (s *stream) send(kind byte, content []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		if s.err = s.write(kind, content); s.err != nil {
			s.cancel(s.err)
		}
	}
	return s.err
}

func (s *stream) write(kind byte, content []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(s.timeouts.write)); err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(content))) //nolint:gosec // at most maxFrameBytes, or a short JSON
	_, err := s.w.Write(head)
	if err == nil {
		_, err = s.w.Write(content)
	}
	if err == nil {
		err = s.control.Flush()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return stalled("the command did not read for %v", s.timeouts.write, err)
	}
	return err
}

// body reads the body of a request.
type body struct {
	from   *http.Request
	stream *stream
}

// body returns the body of the request. The client may send it while the server sends the
// response.
func (s *stream) body(r *http.Request) *body { return &body{r, s} }

// Read implements [io.Reader]. It returns Unavailable if the client sends nothing for
// timeouts.read.
func (b *body) Read(p []byte) (int, error) {
	if err := b.stream.control.SetReadDeadline(time.Now().Add(b.stream.timeouts.read)); err != nil {
		return 0, err
	}
	n, err := b.from.Body.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, stalled("the command sent nothing for %v", b.stream.timeouts.read, err)
	}
	return n, err
}

func stalled(format string, timeout time.Duration, cause error) error {
	return &domain.Error{Kind: domain.Unavailable, Message: fmt.Sprintf(format, timeout), Err: cause}
}

// shortened returns a failure that fits in a frame: a message can be long, because it may
// quote a line of the file.
func shortened(f failure) failure {
	const most = 2 << 10 // JSON may need six bytes for one byte of a text
	f.Message, f.Cause = cut(f.Message, most), cut(f.Cause, most)
	size := 0
	for name, why := range f.Fields {
		size += len(name) + len(why)
	}
	if size > most {
		f.Message, f.Fields = cut(f.err().Error(), most), nil
	}
	return f
}

// cut returns the first bytes of a text that is longer than length, and an ellipsis.
func cut(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return text[:length] + "…"
}
