// Package tracing sends an OpenTelemetry trace of each request. It is configured by the
// environment variables that OpenTelemetry defines:
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
//
// If [Wanted] reports true, make a [Tracing] with [New], pass its Tracer and its Propagator to
// package fiberhttp and the Tracing to package observed, and call [Tracing.Close] at the end. A
// trace has a span for the request and one for each operation of the store.
package tracing

import (
	"context"
	"errors"
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

// Tracing creates spans and sends them. Make one with [New].
type Tracing struct {
	// Tracer starts spans.
	Tracer trace.Tracer
	// Propagator reads the trace context from the headers of a request.
	Propagator propagation.TextMapPropagator

	provider *sdk.TracerProvider
}

// Wanted reports whether the environment variables enable tracing: they name an
// exporter or an OTLP endpoint, and do not disable the SDK.
func Wanted() bool {
	exporter := os.Getenv("OTEL_TRACES_EXPORTER")
	if exporter == "none" || strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	return exporter != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// New starts tracing as the environment variables configure it. The spans carry the
// version of the program. The caller must call Close.
//
// New returns an error for an unknown exporter. Any other invalid variable is logged
// and ignored, as the specification requires. From then on, log receives the errors
// of OpenTelemetry in this process as warnings.
func New(ctx context.Context, version string, log *slog.Logger) (*Tracing, error) {
	otel.SetLogger(logr.New(reporter{log}))
	otel.SetErrorHandler(reporter{log})

	// A later option overrides an earlier one. The error concerns the environment
	// variables. NewTracerProvider reads them too and reports the same error.
	service, _ := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName("widgetd"), semconv.ServiceVersion(version)),
		resource.WithFromEnv())
	options := []sdk.TracerProviderOption{sdk.WithResource(service)}
	for name := range strings.SplitSeq(os.Getenv("OTEL_TRACES_EXPORTER"), ",") {
		exporter, err := newExporter(ctx, strings.TrimSpace(name))
		if err != nil {
			return nil, errors.Join(err, sdk.NewTracerProvider(options...).Shutdown(ctx)) // stops the other exporters
		}
		options = append(options, sdk.WithBatcher(exporter))
	}
	provider := sdk.NewTracerProvider(options...) // reads the sampler and the limits from the environment
	return &Tracing{provider.Tracer(scope), autoprop.NewTextMapPropagator(), provider}, nil
}

// newExporter returns the exporter with a name from OTEL_TRACES_EXPORTER.
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
	return nil, fmt.Errorf("OTEL_TRACES_EXPORTER: unknown exporter %q: use otlp, console or none", name)
}

func otlpProtocol() string {
	if protocol := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"); protocol != "" {
		return protocol
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
}

// Close sends the remaining spans and stops tracing. When ctx ends first, Close
// drops the spans that are left and returns the context's error.
func (t *Tracing) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// StoreCallBegan starts a span for an operation of a store, if ctx belongs to a
// traced request.
func (t *Tracing) StoreCallBegan(ctx context.Context, store, operation string) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		ctx, _ = t.Tracer.Start(ctx, store+"."+operation)
	}
	return ctx
}

// StoreCallEnded ends the span that StoreCallBegan started.
func (t *Tracing) StoreCallEnded(ctx context.Context, _, _ string, _ time.Duration, failure error) {
	span := trace.SpanFromContext(ctx)
	if failure != nil {
		span.RecordError(failure)
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
