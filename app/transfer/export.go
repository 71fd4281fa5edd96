package transfer

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strconv"

	"github.com/widgetd/widgetd/app/internal/audited"
	"github.com/widgetd/widgetd/domain"
)

// pageSize is the number of records that a transfer reads at once.
const pageSize = 100

// writeBytes is the size of the parts in which Export writes.
const writeBytes = 64 << 10

// Export implements [ports.Transfer]. The file has its last line only if Export returns nil.
// The caller must bound the time of w.Write. The entry in the audit record has the numbers of
// the records that were written, also of an export that fails.
func (s *Service) Export(ctx context.Context, by domain.Actor, w io.Writer) error {
	event := domain.AuditEvent{Action: domain.AuditStoreExport, Actor: by.String()}
	return audited.Do(ctx, s.audit, event, func(event *domain.AuditEvent) error {
		if !by.IsOperator() {
			return domain.ErrNotAdministrator
		}
		written, err := s.export(ctx, w)
		event.After = map[string]any{
			"accounts": strconv.Itoa(written.Accounts), "widgets": strconv.Itoa(written.Widgets),
			"tokens": strconv.Itoa(written.Tokens), "cut_offs": strconv.Itoa(written.CutOffs),
		}
		return err
	})
}

func (s *Service) export(ctx context.Context, w io.Writer) (written counts, err error) {
	buffer := bufio.NewWriterSize(w, writeBytes)
	out := json.NewEncoder(buffer)
	out.SetEscapeHTML(false)
	header := headerLine{kindHeader, format, formatVersion, timeText(s.clock.Now()), s.program}
	if err := out.Encode(header); err != nil {
		return written, err
	}
	inOrder := func(ctx context.Context, position string, limit int) (domain.Slice[domain.Widget], error) {
		return s.widgets.Slice(ctx, domain.WidgetQuery{Sort: domain.ByCreation}, position, limit)
	}
	if err := writeAll(ctx, out, &written.Accounts, s.users.Slice, lineOfAccount); err != nil {
		return written, err
	}
	if err := writeAll(ctx, out, &written.Widgets, inOrder, lineOfWidget); err != nil {
		return written, err
	}
	if err := writeAll(ctx, out, &written.Tokens, s.blacklist.Tokens, lineOfToken); err != nil {
		return written, err
	}
	if err := writeAll(ctx, out, &written.CutOffs, s.blacklist.CutOffs, lineOfCutOff); err != nil {
		return written, err
	}
	if err := out.Encode(endLine{kindEnd, written}); err != nil {
		return written, err
	}
	return written, buffer.Flush()
}

// writeAll writes a line for each record of a list and counts them.
func writeAll[T, L any](ctx context.Context, out *json.Encoder, count *int, slice func(context.Context, string, int) (domain.Slice[T], error), lineOf func(T) L) error {
	return each(ctx, slice, func(record T) error {
		if err := out.Encode(lineOf(record)); err != nil {
			return err
		}
		*count++
		return nil
	})
}

// each calls f for every record of a list that is read by position. It returns the first
// error of f or of the list, and Unavailable if ctx ends.
func each[T any](ctx context.Context, slice func(context.Context, string, int) (domain.Slice[T], error), f func(T) error) error {
	for position := ""; ; {
		if err := checkContext(ctx); err != nil {
			return err
		}
		page, err := slice(ctx, position, pageSize)
		if err != nil {
			return err
		}
		for _, record := range page.Items {
			if err := f(record); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		position = page.Next
	}
}
