package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// checkCommand reads the whole embedded store and reports damage.
type checkCommand struct{}

// Help returns the text under the flags in --help.
func (checkCommand) Help() string {
	return `The command reads everything in the data file: each page, each record, and whether the indexes agree with the records. It
works beside a running server and without one, and changes nothing. It does not migrate a file of an older format: start the
server once to do that. The command belongs to the embedded store.

Examples:
  widgetd check
  widgetd check --data /var/lib/widgetd && widgetd backup --data /var/lib/widgetd /backup/widgetd.db

Exit codes: 0 if the store is whole, 1 if it is damaged or cannot be read, 2 for wrong usage.`
}

// Run implements the command.
func (checkCommand) Run(ctx context.Context, settings *settings, std streams) error {
	var size int64
	err := settings.withMaintenance(ctx, std, func(maintenance *app.Maintenance) error {
		meter := newMeter(std, "check")
		defer meter.hide()
		err := maintenance.Check(ctx, domain.Operator(), func(done, total int64) {
			size = total
			meter.showBytes(done, total)
		})
		switch {
		case err != nil && ctx.Err() != nil:
			return errors.New("interrupted: the store was not read to its end")
		case errors.Is(err, domain.ErrNotEmbedded):
			return fmt.Errorf("%w, such as validate of MongoDB", err)
		}
		return err
	})
	if err != nil {
		return err
	}
	return std.printf("the store is whole: %d bytes were read", size)
}
