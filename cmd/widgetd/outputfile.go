package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// standardStream is the name that stands for standard input or standard output.
const standardStream = "-"

var errEmptyFile = &usageError{err: errors.New("FILE must not be empty")}

// outputFile is the argument of a command that writes a file.
type outputFile struct {
	Force bool   `help:"Replace FILE if it exists."`
	File  string `arg:"" help:"The file to write, with mode 0600; - is standard output."`
}

// isStandard reports whether the file is standard output.
func (o outputFile) isStandard() bool { return o.File == standardStream }

// check returns an error if the file must not be written. A command calls it before it opens
// the store. A file in the data folder must not be replaced.
func (o outputFile) check(dataFolder string) error {
	switch {
	case o.File == "":
		return errEmptyFile
	case o.isStandard():
		return nil
	}
	folder, err := os.Stat(filepath.Dir(o.File))
	if err != nil {
		return err
	}
	file, err := os.Lstat(o.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !o.Force:
		return o.errExists()
	case !file.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file: name another file, or - for standard output", o.File)
	}
	if data, err := os.Stat(dataFolder); err == nil && os.SameFile(data, folder) {
		return fmt.Errorf("%s is a file of the data folder, which --force does not replace: name a file in another folder", o.File)
	}
	return nil
}

func (o outputFile) errExists() error {
	return &domain.Error{Kind: domain.AlreadyExists, Message: o.File + " exists already: name another file, or replace it with --force"}
}

// write calls write with the file, and returns the number of bytes in it. After an error
// the file is as it was before.
func (o outputFile) write(ctx context.Context, std streams, write func(io.Writer) error) (written int64, err error) {
	to := func(w io.Writer) error {
		counted := &countingWriter{ctx: ctx, to: w}
		err := write(counted)
		written = counted.written
		if err == nil {
			err = ctx.Err()
		}
		return err
	}
	if o.isStandard() {
		err = to(std.out)
	} else {
		err = app.WriteFile(o.File, o.Force, to)
	}
	switch {
	case err != nil && ctx.Err() != nil && o.isStandard():
		return written, errors.New("interrupted: standard output has only a part")
	case err != nil && ctx.Err() != nil:
		return written, fmt.Errorf("interrupted: %s was not written", o.File)
	case errors.Is(err, fs.ErrExist):
		return written, o.errExists()
	}
	return written, err
}

// done prints the result of the command: to standard error if the file is standard output,
// else to standard output.
func (o outputFile) done(std streams, format string, args ...any) error {
	if o.isStandard() {
		_, err := fmt.Fprintf(std.err, "widgetd: "+format+" to standard output\n", args...)
		return err
	}
	return std.printf(format+" to %s", append(args, o.File)...)
}

// countingWriter counts the bytes that it writes to another writer. It fails when ctx has
// ended.
type countingWriter struct {
	ctx     context.Context
	to      io.Writer
	written int64
}

// Write implements [io.Writer].
func (w *countingWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.to.Write(p)
	w.written += int64(n)
	return n, err
}
