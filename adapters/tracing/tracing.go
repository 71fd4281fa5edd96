// Package tracing sends an OpenTelemetry trace of each request where the standard
// variables (OTEL_…) ask for it:
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const scope = "github.com/widgetd/widgetd"

// Tracing makes traces and sends them. Make it with [New].
type Tracing struct {
	// Tracer begins spans.
	Tracer trace.Tracer
	// Propagator reads from the headers of a request which trace it is part of.
	Propagator propagation.TextMapPropagator

	provider *sdk.TracerProvider
}

// Wanted reports whether the variables ask for traces: they name an exporter or an
// OTLP endpoint, and do not turn all of it off.
func Wanted() bool {
	exporter := os.Getenv("OTEL_TRACES_EXPORTER")
	if exporter == "none" || strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	return exporter != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// New starts to send traces as the variables say, version being the program's. A
// value that is of no use is logged and set aside, as the standard has it; with no
// exporter of that name there is nowhere to send to, which is an error. The log
// gets all that OpenTelemetry says went wrong in this process. The caller closes
// what New returns.
func New(ctx context.Context, version string, log *slog.Logger) (*Tracing, error) {
	otel.SetLogger(logr.New(reporter{log}))
	otel.SetErrorHandler(reporter{log})

	about, _ := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName("widgetd"), semconv.ServiceVersion(version)),
		resource.WithFromEnv()) // the last has the last word; the provider reports what is wrong with it
	options := []sdk.TracerProviderOption{sdk.WithResource(about)}
	for name := range strings.SplitSeq(os.Getenv("OTEL_TRACES_EXPORTER"), ",") {
		exporter, err := newExporter(ctx, strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		options = append(options, sdk.WithBatcher(exporter))
	}
	provider := sdk.NewTracerProvider(options...) // reads the sampler and the limits from the variables
	return &Tracing{provider.Tracer(scope), autoprop.NewTextMapPropagator(), provider}, nil
}

// newExporter returns the exporter of that name.
func newExporter(ctx context.Context, name string) (sdk.SpanExporter, error) {
	switch name {
	case "", "otlp":
		if otlpProtocol() == "grpc" {
			return otlptracegrpc.New(ctx)
		}
		return otlptracehttp.New(ctx)
	case "console":
		return stdouttrace.New()
	}
	return nil, fmt.Errorf("OTEL_TRACES_EXPORTER: there is no exporter %q here: otlp, console or none", name)
}

func otlpProtocol() string {
	if protocol := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"); protocol != "" {
		return protocol
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
}

// Close sends what has not been sent yet, as far as it can until ctx ends, and
// stops.
func (t *Tracing) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// StoreCallBegan begins a span for a call of a store, where it is for a request.
func (t *Tracing) StoreCallBegan(ctx context.Context, store, operation string) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		ctx, _ = t.Tracer.Start(ctx, store+"."+operation)
	}
	return ctx
}

// StoreCallEnded ends that span.
func (t *Tracing) StoreCallEnded(ctx context.Context, _, _ string, _ time.Duration, failure error) {
	span := trace.SpanFromContext(ctx)
	if failure != nil {
		span.RecordError(failure)
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
