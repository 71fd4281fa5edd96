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

// reporter logs what OpenTelemetry says went wrong, as warnings, for the server
// goes on. It leaves out what may hold a password: the details, some of which
// quote a variable, and URLs.
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

// Enabled implements [logr.LogSink]: only errors are of interest.
func (reporter) Enabled(int) bool { return false }

// Info implements [logr.LogSink].
func (reporter) Info(int, string, ...any) {}

// WithValues implements [logr.LogSink].
func (r reporter) WithValues(...any) logr.LogSink { return r }

// WithName implements [logr.LogSink].
func (r reporter) WithName(string) logr.LogSink { return r }

func withoutURL(err error) error {
	var about *url.Error
	if errors.As(err, &about) {
		return about.Err
	}
	return err
}
