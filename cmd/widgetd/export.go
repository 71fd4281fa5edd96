package main

import (
	"context"
	"errors"
	"io"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// withTransfer calls use with the content of the store that the settings name.
func (s *settings) withTransfer(ctx context.Context, std streams, use func(*app.Transfer) error, options ...app.Option) (err error) {
	transfer, err := app.OpenTransfer(ctx, s.config(), append(options, s.logOptions(std)...)...)
	if err != nil {
		return explainNoStore(err)
	}
	defer func() { err = errors.Join(err, transfer.Close()) }()
	return use(transfer)
}

// exportCommand writes the content of the store.
type exportCommand struct{ outputFile }

// Help returns the text under the arguments in --help.
func (exportCommand) Help() string {
	return `The file is JSON Lines: a header, the accounts with their password hashes, the widgets in order, the logged-out tokens and
cut-offs, and a last line with the counts. 'widgetd import' reads it into any store. The command works on both kinds of store,
beside a running server and without one. A program that reads standard output must not pause for 10 seconds, or the server
ends the export.

Examples:
  widgetd export widgetd.jsonl
  widgetd export - | WIDGETD_MONGODB_URI=mongodb://localhost:27017 widgetd import -

Exit codes: 0, 1 for a failure, 2 for wrong usage, 3 if FILE exists already.`
}

// Run implements the command.
func (c exportCommand) Run(ctx context.Context, settings *settings, std streams) error {
	if err := c.check(settings.DataDir); err != nil {
		return err
	}
	var written int64
	err := settings.withTransfer(ctx, std, func(transfer *app.Transfer) (err error) {
		meter := newMeter(std, "export")
		written, err = c.write(ctx, std, func(w io.Writer) error {
			return transfer.Export(ctx, domain.Operator(), &meteredWriter{w, meter, 0})
		})
		meter.hide()
		return err
	})
	if err != nil {
		return err
	}
	return c.done(std, "exported %d bytes", written)
}

// meteredWriter shows how much was written to another writer.
type meteredWriter struct {
	to      io.Writer
	meter   *meter
	written int64
}

// Write implements [io.Writer].
func (w *meteredWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.written += int64(n)
	w.meter.showBytes(w.written, 0)
	return n, err
}
