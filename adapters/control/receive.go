package control

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/widgetd/widgetd/domain"
)

// handlers receive the frames of a response. A function that is nil is for frames that the
// server does not send.
type handlers struct {
	data     io.Writer
	progress func(content []byte) error // the JSON of the frame
	refused  func(refusedLine)
}

// longCall sends a request for a long operation, and passes on the frames of the response
// until the last one. It returns the result, or the error of the operation.
func (c *Client) longCall(ctx context.Context, by domain.Actor, path string, body io.Reader, to handlers) (domain.ImportReport, error) {
	if !by.IsOperator() {
		return domain.ImportReport{}, domain.ErrNotAdministrator
	}
	response, err := c.send(ctx, path, body)
	if err != nil {
		return domain.ImportReport{}, err
	}
	defer func() { _ = response.Body.Close() }()
	frames := bufio.NewReaderSize(response.Body, maxFrameBytes+frameHeadBytes)
	for {
		kind, content, err := nextFrame(frames)
		if err != nil {
			return domain.ImportReport{}, cutOff(ctx, err)
		}
		if kind == endFrame {
			return result(content)
		}
		if err := to.handle(kind, content); err != nil {
			return domain.ImportReport{}, err
		}
	}
}

// nextFrame returns a frame. The content is valid until the next call.
func nextFrame(from *bufio.Reader) (kind byte, content []byte, err error) {
	head, err := from.Peek(frameHeadBytes)
	if err != nil {
		return 0, nil, err
	}
	kind, length := head[0], binary.BigEndian.Uint32(head[1:])
	if length > maxFrameBytes {
		return 0, nil, fmt.Errorf("a frame of %d bytes", length)
	}
	_, _ = from.Discard(frameHeadBytes) // they are in the buffer
	content, err = from.Peek(int(length))
	if err != nil {
		return 0, nil, err
	}
	_, _ = from.Discard(int(length)) // the bytes stay in the buffer until the next read
	return kind, content, nil
}

// handle passes a frame on.
func (h handlers) handle(kind byte, content []byte) error {
	switch {
	case kind == dataFrame && h.data != nil:
		_, err := h.data.Write(content)
		return err
	case kind == progressFrame && h.progress != nil:
		return h.progress(content)
	case kind == refusedFrame && h.refused != nil:
		var line refusedLine
		err := json.Unmarshal(content, &line)
		if err == nil {
			h.refused(line)
		}
		return err
	}
	return fmt.Errorf("the server sent a frame of the unknown kind %q", kind)
}

// result returns the result in the last frame.
func result(content []byte) (domain.ImportReport, error) {
	var last end
	if err := json.Unmarshal(content, &last); err != nil {
		return domain.ImportReport{}, err
	}
	if last.Failure != nil {
		return domain.ImportReport(last.Report), last.Failure.err()
	}
	return domain.ImportReport(last.Report), nil
}

// cutOff returns the error for a response that ended before its last frame.
func cutOff(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return noAnswer(ctx, cause)
	}
	if errors.Is(cause, io.EOF) {
		cause = io.ErrUnexpectedEOF
	}
	return &domain.Error{
		Kind:    domain.Unavailable,
		Message: "the server ended the operation before it was complete: the server stopped, or this command was too slow",
		Err:     cause,
	}
}
