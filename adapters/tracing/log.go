package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
)

// reporter logs the errors of OpenTelemetry as warnings, because the server works
// without traces. It leaves out details and URLs: both may contain a password from an
// environment variable.
type reporter struct{ log *slog.Logger }

var (
	_ otel.ErrorHandler = reporter{}
	_ logr.LogSink      = reporter{}
)

// Handle implements [otel.ErrorHandler].
func (r reporter) Handle(err error) {
	r.log.LogAttrs(context.Background(), slog.LevelWarn, "tracing", slog.Any("error", withoutURL(err)))
}

// Error implements [logr.LogSink].
func (r reporter) Error(err error, message string, _ ...any) {
	r.Handle(fmt.Errorf("%s: %w", message, withoutURL(err)))
}

// Init implements [logr.LogSink].
func (reporter) Init(logr.RuntimeInfo) {}

// Enabled implements [logr.LogSink]. It returns false, so that only errors are
// logged.
func (reporter) Enabled(int) bool { return false }

// Info implements [logr.LogSink].
func (reporter) Info(int, string, ...any) {}

// WithValues implements [logr.LogSink].
func (r reporter) WithValues(...any) logr.LogSink { return r }

// WithName implements [logr.LogSink].
func (r reporter) WithName(string) logr.LogSink { return r }

// withoutURL returns the cause of a [url.Error], or err itself for another error.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
