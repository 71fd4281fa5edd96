package engine

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errUnreadable means that the memory to which the file is mapped could not be read:
// the disk failed, or another program truncated the file.
var errUnreadable = errors.New("damaged, or its disk failed")

// panicError is a panic of bbolt, which means that a page is damaged, or a memory
// fault, or a panic of an operation. bbolt may still hold locks after it.
type panicError struct {
	cause error
	stack []byte
}

func (e *panicError) Error() string { return e.cause.Error() }

func (e *panicError) Unwrap() error { return e.cause }

// catchPanics runs f, which uses bbolt, and converts a panic into a panicError. A memory
// fault, which would otherwise end the process, becomes a panicError that is
// errUnreadable.
func catchPanics(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // a memory fault, see debug.SetPanicOnFault
			err = &panicError{fmt.Errorf("%w: %v", errUnreadable, p), debug.Stack()}
		default:
			err = &panicError{fmt.Errorf("damaged, or a fault of the program: %v", p), debug.Stack()}
		}
	}()
	return f()
}
