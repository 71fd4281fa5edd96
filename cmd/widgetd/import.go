package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// importCommand adds the content of an export to the store, and creates the store if there
// is none.
type importCommand struct {
	Accounts bool   `help:"Every line of FILE is an account, without the header and the last line of an export."`
	File     string `arg:"" help:"The file to read; - is standard input."`
}

// Help returns the text under the arguments in --help.
func (importCommand) Help() string {
	return `The file is one that 'widgetd export' has written. With --accounts it has bare lines of accounts, which you can make from the
accounts of another system that keeps bcrypt hashes. What the store has already stays as it is, so that the command can be run
again after it was interrupted. Refused lines are reported with their numbers, and the others are imported. If the data folder
holds no store, the command creates one and names the folder. The command works beside a running server and without one. A program that
writes to standard input must not pause for a minute, or the server ends the import.

A line for --accounts, of which only email and password_hash are required:
  {"email":"ada@example.com","password_hash":"$2b$12$…","admin":false,"registered_on":"2024-01-31T12:00:00Z"}

Examples:
  widgetd import widgetd.jsonl
  ssh old-host widgetd export - | widgetd import -
  widgetd import --accounts accounts.jsonl

Exit codes: 0, 1 if a line was refused, if the file was cut off, or for another failure, 2 for wrong usage, 3 if FILE does not
exist.`
}

// Run implements the command.
func (c importCommand) Run(ctx context.Context, settings *settings, std streams) error {
	file, size, err := c.open(std)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // no data is lost if closing a file that was read fails
	return settings.withTransfer(ctx, std, func(transfer *app.Transfer) error {
		std.reportNewFolder(transfer.NewFolder)
		return c.run(ctx, std, transfer, &countingReader{ctx: ctx, from: file}, size)
	}, app.WithNewStore())
}

// open opens the file. The size is 0 if it is not known.
func (c importCommand) open(std streams) (file *os.File, size int64, err error) {
	switch c.File {
	case "":
		return nil, 0, errEmptyFile
	case standardStream:
		file = std.in
	default:
		file, err = os.Open(c.File)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = &domain.Error{Kind: domain.NotFound, Message: c.File + " does not exist"}
	}
	if err != nil {
		return nil, 0, err
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	return file, size, nil
}

// run imports the file and prints the numbers of lines, also after an error.
func (c importCommand) run(ctx context.Context, std streams, transfer *app.Transfer, from *countingReader, size int64) error {
	meter := newMeter(std, "import")
	report, err := transfer.Import(ctx, domain.Operator(), from, app.ImportOptions{
		Accounts: c.Accounts,
		Progress: func(now domain.ImportReport) {
			meter.show(from.read.Load(), size, ", "+countsText(now))
		},
		Refused: func(line int, why error) {
			meter.hide()
			fmt.Fprintf(std.err, "widgetd: line %d is refused: %s\n", line, printable(oneLine(why.Error())))
		},
	})
	meter.hide()
	switch {
	case err != nil && ctx.Err() != nil:
		err = errors.New("interrupted: run the command again to import the rest")
	case err == nil && report.Refused == 1:
		err = errors.New("a line was refused")
	case err == nil && report.Refused > 1:
		err = fmt.Errorf("%d lines were refused", report.Refused)
	}
	return errors.Join(err, std.printf("imported %s: %s", c.name(), countsText(report)))
}

// name returns the name of the file for messages.
func (c importCommand) name() string {
	if c.File == standardStream {
		return "standard input"
	}
	return c.File
}

// countsText returns the numbers of an import in words.
func countsText(report domain.ImportReport) string {
	return fmt.Sprintf("%d added, %d found there already, %d refused", report.Added, report.Found, report.Refused)
}

// countingReader counts the bytes that it reads from a file. Read returns when ctx ends,
// also if the file is a pipe and no program writes to it.
type countingReader struct {
	ctx    context.Context
	from   io.Reader
	buffer []byte       // of the read that may outlast ctx
	read   atomic.Int64 // bytes
}

// Read implements [io.Reader]. The read of the file may go on after ctx has ended: see
// interruptible. So it does not use the buffer of the caller, and later calls of Read do not
// use its buffer.
func (r *countingReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.buffer == nil {
		r.buffer = make([]byte, 64<<10)
	}
	part := r.buffer[:min(len(p), len(r.buffer))]
	n, err := interruptible(r.ctx, func() (int, error) { return r.from.Read(part) })
	if ended := r.ctx.Err(); ended != nil {
		return 0, ended
	}
	r.read.Add(int64(n))
	return copy(p, part[:n]), err
}
