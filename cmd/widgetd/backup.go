package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// withMaintenance calls use with the embedded store that the settings name.
func (s *settings) withMaintenance(ctx context.Context, std streams, use func(*app.Maintenance) error) (err error) {
	maintenance, err := app.OpenMaintenance(ctx, s.config(), s.logOptions(std)...)
	if err != nil {
		return explainNoStore(err)
	}
	defer func() { err = errors.Join(err, maintenance.Close()) }()
	return use(maintenance)
}

// backupCommand copies the embedded store.
type backupCommand struct{ outputFile }

// Help returns the text under the arguments in --help.
func (backupCommand) Help() string {
	return `The copy is consistent: it has everything that was acknowledged before the command began, also if a server writes
meanwhile. The command works beside a running server and without one. To restore the copy, stop the server, put the copy into the
data folder as widgetd.db, and start the server. The copy has the password hashes of all accounts. It does not have
the keys of tokens: copy the .key files of the data folder too.

A program that reads standard output must not pause for 10 seconds, or the server ends the copy. The command belongs to the
embedded store; with MongoDB use mongodump, or 'widgetd export'.

Examples:
  widgetd backup widgetd-$(date +%F).db
  widgetd backup - | gzip > widgetd.db.gz
  widgetd backup - | ssh backup-host 'cat > widgetd.db'

Exit codes: 0, 1 for a failure, 2 for wrong usage, 3 if FILE exists already.`
}

// Run implements the command.
func (c backupCommand) Run(ctx context.Context, settings *settings, std streams) error {
	if err := c.check(settings.DataDir); err != nil {
		return err
	}
	if file, ok := std.out.(*os.File); ok && c.isStandard() && isTerminal(file) {
		return errors.New("standard output is a terminal, and the copy is no text: name a file, or send standard output to a program")
	}
	var written int64
	err := settings.withMaintenance(ctx, std, func(maintenance *app.Maintenance) (err error) {
		meter := newMeter(std, "backup")
		written, err = c.write(ctx, std, func(w io.Writer) error {
			return maintenance.Backup(ctx, domain.Operator(), w, meter.showBytes)
		})
		meter.hide()
		if errors.Is(err, domain.ErrNotEmbedded) {
			return fmt.Errorf("%w, such as mongodump, or 'widgetd export'", err)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.done(std, "backed up %d bytes", written)
}
