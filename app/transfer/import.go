package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/widgetd/widgetd/app/internal/audited"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Import implements [ports.Transfer]. The caller must bound the time of r.Read. If the store
// fails, the report counts the records of the last batch only in Lines. The entry in the
// audit record has the numbers of the report, also of an import that fails.
func (s *Service) Import(ctx context.Context, by domain.Actor, r io.Reader, options ports.ImportOptions) (report domain.ImportReport, err error) {
	event := domain.AuditEvent{Action: domain.AuditStoreImport, Actor: by.String()}
	err = audited.Do(ctx, s.audit, event, func(event *domain.AuditEvent) error {
		if !by.IsOperator() {
			return domain.ErrNotAdministrator
		}
		i := newImporter(s, options)
		err := i.run(ctx, newLineReader(r))
		report = i.report
		event.After = map[string]any{
			"lines": strconv.Itoa(report.Lines), "added": strconv.Itoa(report.Added),
			"found": strconv.Itoa(report.Found), "refused": strconv.Itoa(report.Refused),
		}
		return err
	})
	return report, err
}

// importer is one import.
type importer struct {
	service *Service
	options ports.ImportOptions
	report  domain.ImportReport
	seen    counts // the lines of each kind
	unknown int    // the lines whose kind is unknown or could not be read

	kind     kind // of the records in the batches
	accounts batch[account]
	widgets  batch[domain.Widget]
	tokens   batch[domain.BlacklistedToken]
	cutOffs  batch[domain.CutOff]
	bytes    int       // of the lines in the batches
	refused  []refusal // not yet reported
}

// refusal is a line that is refused, and why.
type refusal struct {
	line int
	why  error
}

func newImporter(s *Service, options ports.ImportOptions) *importer {
	return &importer{
		service:  s,
		options:  options,
		accounts: batch[account]{store: s.storeAccounts},
		widgets:  batch[domain.Widget]{store: s.storeWidgets},
		tokens:   batch[domain.BlacklistedToken]{store: s.storeTokens},
		cutOffs:  batch[domain.CutOff]{store: s.storeCutOffs},
	}
}

// run imports all lines. If a line ends the import with an error, run stores the records of
// the lines before it. A file with widgets may bring back emails that the store has removed,
// so run removes them again.
func (i *importer) run(ctx context.Context, lines *lineReader) error {
	read := i.readExport
	if i.options.Accounts {
		read = i.readAccounts
	}
	err := read(ctx, lines)
	if flushErr := i.flush(ctx); flushErr != nil {
		return flushErr
	}
	wasRead := err == nil || domain.KindOf(err) == domain.Invalid // the file is whole, or it is wrong
	if wasRead && i.seen.Widgets > 0 {
		if removeErr := i.service.removeDepartedEmails(ctx); removeErr != nil {
			return removeErr
		}
	}
	return err
}

// next returns the next line, or io.EOF.
func (i *importer) next(ctx context.Context, lines *lineReader) (line, error) {
	if err := checkContext(ctx); err != nil {
		return line{}, err
	}
	l, err := lines.next()
	i.report.Lines = lines.number
	return l, err
}

// readExport reads a whole export.
func (i *importer) readExport(ctx context.Context, lines *lineReader) error {
	if err := i.readHeader(ctx, lines); err != nil {
		return err
	}
	for {
		l, err := i.next(ctx, lines)
		if errors.Is(err, io.EOF) {
			return errCutOff(lines.number)
		}
		if err != nil {
			return err
		}
		kind, wrong := i.kindOf(l)
		switch {
		case wrong != nil && !l.isComplete:
			return errCutOff(l.number)
		case wrong != nil:
			err = i.refuse(ctx, l, wrong)
		case kind == kindHeader:
			return errSecondHeader(l.number)
		case kind == kindEnd:
			return i.readEnd(ctx, l, lines)
		default:
			err = i.take(ctx, kind, l)
		}
		if err != nil {
			return err
		}
	}
}

// readHeader returns an error unless the first line is the header of this version.
func (i *importer) readHeader(ctx context.Context, lines *lineReader) error {
	l, err := i.next(ctx, lines)
	if errors.Is(err, io.EOF) {
		return invalid("The file is empty: it is no export of widgetd")
	}
	if err != nil {
		return err
	}
	var header headerLine
	if err := decode(l.text, &header); err != nil || header.Kind != kindHeader || header.Format != format || header.Version < 1 {
		return invalid("The file is no export of widgetd: its first line is not the header of one. " +
			"If it has bare lines of accounts, import it as accounts")
	}
	if header.Version > formatVersion {
		return invalid(fmt.Sprintf("The file has version %d of the format, which widgetd %s has written. "+
			"This is widgetd %s, which reads version %d: import the file with the program that has written it, or a later one",
			header.Version, visible(header.Program), i.service.program, formatVersion))
	}
	return nil
}

// visible returns a short text from a file for a message.
func visible(text string) string {
	const most = 40
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Sprintf("%+q", text)
}

// readEnd returns an error unless the line has the numbers of the lines before it, and is
// the last one.
func (i *importer) readEnd(ctx context.Context, l line, lines *lineReader) error {
	var end endLine
	err := decode(l.text, &end)
	if err != nil {
		return invalid(fmt.Sprintf("The last line of the export, line %d, cannot be read: %v. The lines before it were imported. %s", l.number, err, exportAgain))
	}
	after, err := i.next(ctx, lines)
	switch {
	case errors.Is(err, io.EOF):
		return i.compare(end.counts)
	case err != nil:
		return err
	}
	if kind, err := i.kindOf(after); err == nil && kind == kindHeader {
		return errSecondHeader(after.number)
	}
	return invalid(fmt.Sprintf("Line %d is after the last line of the export. The lines before it were imported. "+
		"If another file was appended, import that file by itself", after.number))
}

// compare returns an error unless the export has as many lines of each kind as its last line
// says. A line whose kind could not be read was refused. It counts as a line of any kind, or
// as one that was added to the file.
func (i *importer) compare(want counts) error {
	missing := 0
	for _, number := range []struct{ want, seen int }{
		{want.Accounts, i.seen.Accounts}, {want.Widgets, i.seen.Widgets}, {want.Tokens, i.seen.Tokens}, {want.CutOffs, i.seen.CutOffs},
	} {
		if number.seen > number.want {
			missing = -1
			break
		}
		missing += number.want - number.seen
	}
	if missing >= 0 && missing <= i.unknown {
		return nil
	}
	return invalid(fmt.Sprintf("The last line of the export says %v, but the file has %v. The lines were imported. %s", want, i.seen, exportAgain))
}

// readAccounts reads bare lines of accounts.
func (i *importer) readAccounts(ctx context.Context, lines *lineReader) error {
	for {
		l, err := i.next(ctx, lines)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		kind, wrong := i.kindOf(l)
		switch {
		case wrong != nil:
			err = i.refuse(ctx, l, wrong)
		case kind == kindHeader:
			return invalid(fmt.Sprintf("Line %d is the header of an export: import the file as an export, not as bare lines of accounts", l.number))
		case kind != "" && kind != kindAccount:
			err = i.refuse(ctx, l, invalid(fmt.Sprintf("The line is of the kind %s, not an account", visible(string(kind)))))
		default:
			err = take(ctx, i, &i.accounts, l, i.service.parseBareAccount)
		}
		if err != nil {
			return err
		}
	}
}

// kindOf returns the kind of a line, or an Invalid error.
func (i *importer) kindOf(l line) (kind, error) {
	if l.isTooLong {
		return "", invalid(fmt.Sprintf("The line is longer than %d bytes", MaxLineBytes))
	}
	return kindOf(l.text)
}

// take parses a line of the kind and puts the record into its batch.
func (i *importer) take(ctx context.Context, kind kind, l line) error {
	if kind != i.kind { // the batches hold records of one kind, so that their order is kept
		if err := i.flush(ctx); err != nil {
			return err
		}
		i.kind = kind
	}
	switch kind {
	case kindAccount:
		i.seen.Accounts++
		return take(ctx, i, &i.accounts, l, parseAccount)
	case kindWidget:
		i.seen.Widgets++
		return take(ctx, i, &i.widgets, l, parseWidget)
	case kindToken:
		i.seen.Tokens++
		return take(ctx, i, &i.tokens, l, parseToken)
	case kindCutOff:
		i.seen.CutOffs++
		return take(ctx, i, &i.cutOffs, l, parseCutOff)
	}
	return i.refuse(ctx, l, invalid(fmt.Sprintf("The line is of the kind %s, which is not known", visible(string(kind)))))
}

// refuse refuses a line whose kind is unknown or could not be read.
func (i *importer) refuse(ctx context.Context, l line, why error) error {
	i.unknown++
	i.refused = append(i.refused, refusal{l.number, why})
	return i.flushIfFull(ctx)
}

// take parses a line and puts the record into a batch.
func take[T any](ctx context.Context, i *importer, b *batch[T], l line, parse func([]byte) (T, error)) error {
	record, err := parse(l.text)
	if err != nil {
		i.refused = append(i.refused, refusal{l.number, err})
	} else {
		b.add(l.number, record)
	}
	i.bytes += len(l.text)
	return i.flushIfFull(ctx)
}

const exportAgain = "Export again, and import the new file: records that are in the store already are found there"

func errCutOff(line int) error {
	return invalid(fmt.Sprintf("The export is cut off: it ends at line %d, without its last line. The whole lines were imported. %s", line, exportAgain))
}

func errSecondHeader(line int) error {
	return invalid(fmt.Sprintf("Line %d is the header of a second export. The lines before it were imported. Import each export by itself, from a file of its own", line))
}
