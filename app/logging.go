package app

import (
	"io"
	"log/slog"
	"os"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/adapters/logging"
	"github.com/widgetd/widgetd/ports"
)

// NewLogWriter returns a writer that collects lines and writes many at once to
// another writer. When that writer takes no lines they are dropped and counted. The
// handler that newHandler returns logs their number. The caller closes the writer.
func NewLogWriter(to io.Writer, newHandler func(io.Writer) slog.Handler) *logging.Writer {
	return logging.NewWriter(to, newHandler)
}

// NewLogHandler returns a handler for [WithLogger] that writes JSON, as
// [slog.JSONHandler] does, in less time. It does not lock: w must be safe for
// concurrent use, as the writer of [NewLogWriter] is.
func NewLogHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return logging.NewJSONHandler(w, level)
}

// NewAuditLog returns an audit record for [WithAudit]. It writes each line at once, in
// the format of the handler that newHandler returns.
func NewAuditLog(to io.Writer, newHandler func(io.Writer) slog.Handler) ports.Audit {
	return logging.NewAudit(to, newHandler)
}

// auditRecord returns the audit record for the use cases and the server.
func (a *App) auditRecord() ports.Audit { return fiberhttp.UseCaseAudit(a.configuredAudit()) }

// configuredAudit returns the record that WithAudit set, or else one that writes to
// standard error. If Config.Audit is false, it returns one that writes nothing.
func (a *App) configuredAudit() ports.Audit {
	switch {
	case !a.config.Audit:
		return logging.NewAudit(io.Discard, newJSONHandler)
	case a.adapters.audit != nil:
		return a.adapters.audit
	}
	return logging.NewAudit(os.Stderr, newJSONHandler)
}

func newJSONHandler(w io.Writer) slog.Handler { return logging.NewJSONHandler(w, slog.LevelInfo) }
