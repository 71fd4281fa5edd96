package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/widgetd/widgetd/adapters/tracing"
)

// These tests are not parallel, because they change environment variables of the
// process.

// setenv sets the given variables, each written as "NAME=value", and clears all
// other variables of OpenTelemetry.
func setenv(t *testing.T, variables ...string) {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
}

// newTracing returns tracing that is configured by the variables, and its log. The
// test closes it with [finish].
func newTracing(t *testing.T) (*tracing.Tracing, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	traces, err := tracing.New(t.Context(), "v1.2.3", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return traces, &log
}

func finish(t *testing.T, traces *tracing.Tracing) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := traces.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestWantedFollowsTheVariables(t *testing.T) {
	for _, test := range []struct {
		variables string
		want      bool
	}{
		{"", false},
		{"OTEL_SERVICE_NAME=x OTEL_TRACES_SAMPLER=always_on", false},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://localhost:4318", false},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", true},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4318/v1/traces", true},
		{"OTEL_TRACES_EXPORTER=otlp", true},
		{"OTEL_TRACES_EXPORTER=console", true},
		{"OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", false},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_SDK_DISABLED=TRUE", false},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_SDK_DISABLED=false", true},
	} {
		t.Run(test.variables, func(t *testing.T) {
			setenv(t, strings.Fields(test.variables)...)
			if got := tracing.Wanted(); got != test.want {
				t.Errorf("Wanted() = %t, want %t", got, test.want)
			}
		})
	}
}

func TestSpansAreSentByHTTPAndGRPC(t *testing.T) {
	overHTTP := func(r *receiver) (string, func()) {
		server := httptest.NewServer(r)
		return server.URL, server.Close
	}
	overGRPC := func(r *receiver) (string, func()) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		collector.RegisterTraceServiceServer(server, r)
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		return "http://" + ln.Addr().String(), func() {
			server.Stop()
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	}
	for name, test := range map[string]struct {
		serve    func(*receiver) (url string, stop func())
		variable []string
	}{
		"default": {overHTTP, nil},
		"http":    {overHTTP, []string{"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip"}},
		"grpc":    {overGRPC, []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}},
		"protocol of traces": {overGRPC, []string{"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
			"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &receiver{}
			url, stop := test.serve(r)
			defer stop()
			setenv(t, append(test.variable, "OTEL_EXPORTER_OTLP_ENDPOINT="+url, "OTEL_RESOURCE_ATTRIBUTES=region=here")...)
			traces, log := newTracing(t)
			ctx, span := traces.Tracer.Start(t.Context(), "request", trace.WithSpanKind(trace.SpanKindServer))
			traces.StoreCallEnded(traces.StoreCallBegan(ctx, "users", "add"), "users", "add", 0, nil)
			traces.StoreCallEnded(traces.StoreCallBegan(ctx, "users", "by_email"), "users", "by_email", 0, errors.New("damaged"))
			traces.StoreCallEnded(traces.StoreCallBegan(t.Context(), "blacklist", "purge"), "blacklist", "purge", 0, nil)
			if !span.IsRecording() {
				t.Error("StoreCallEnded ended the span of the request")
			}
			span.End()
			finish(t, traces)

			spans, resource := r.spans()
			if len(spans) != 3 {
				t.Fatalf("the received spans are %v, want 3; the log is %s", spans, log)
			}
			root, good, bad := spans["request"], spans["users.add"], spans["users.by_email"]
			if !bytes.Equal(good.ParentSpanId, root.SpanId) || !bytes.Equal(bad.ParentSpanId, root.SpanId) || len(root.ParentSpanId) > 0 {
				t.Errorf("the spans of the store are not children of the request's span: %v", spans)
			}
			if good.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR || bad.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR ||
				len(bad.Events) != 1 || bad.Events[0].Name != "exception" {
				t.Errorf("only users.by_email must have the error status and an exception: %v", spans)
			}
			for key, want := range map[string]string{"service.name": "widgetd", "service.version": "v1.2.3", "region": "here"} {
				if resource[key] != want {
					t.Errorf("the resource attribute %s is %q, want %q", key, resource[key], want)
				}
			}
			if log.Len() > 0 {
				t.Errorf("the log is %s, want an empty log", log)
			}
		})
	}
}

func TestVariablesSetTheServiceNameAndTheSampler(t *testing.T) {
	r := &receiver{}
	server := httptest.NewServer(r)
	defer server.Close()
	setenv(t, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="+server.URL+"/v1/traces", "OTEL_SERVICE_NAME=shop",
		"OTEL_TRACES_SAMPLER=parentbased_always_off")
	traces, _ := newTracing(t)
	_, span := traces.Tracer.Start(t.Context(), "alone")
	span.End()
	caller := traces.Propagator.Extract(t.Context(), propagation.MapCarrier{
		"traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"})
	_, span = traces.Tracer.Start(caller, "called")
	span.End()
	finish(t, traces)
	spans, resource := r.spans()
	if len(spans) != 1 || spans["called"] == nil || resource["service.name"] != "shop" {
		t.Errorf("the received spans are %v of %v, want only \"called\" of the service shop", spans, resource)
	}
}

func TestVariablesSetThePropagator(t *testing.T) {
	setenv(t, "OTEL_TRACES_EXPORTER=otlp", "OTEL_PROPAGATORS=b3")
	traces, _ := newTracing(t)
	defer finish(t, traces)
	for header, want := range map[string]bool{
		"b3":          true,
		"traceparent": false,
	} {
		ctx := traces.Propagator.Extract(t.Context(), propagation.MapCarrier{header: map[string]string{
			"b3":          "0123456789abcdef0123456789abcdef-0123456789abcdef-1",
			"traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
		}[header]})
		if got := trace.SpanContextFromContext(ctx).IsValid(); got != want {
			t.Errorf("the propagator reads the header %s: %t, want %t", header, got, want)
		}
	}
}

func TestInvalidVariableIsLoggedOnceWithoutSecrets(t *testing.T) {
	for _, variable := range []string{
		"OTEL_TRACES_SAMPLER=perhaps",
		"OTEL_PROPAGATORS=pigeon",
		"OTEL_RESOURCE_ATTRIBUTES=region",
		"OTEL_EXPORTER_OTLP_HEADERS=s3cr3t",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://ada:s3cr3t@localhost:port",
		"OTEL_EXPORTER_OTLP_CERTIFICATE=" + os.DevNull + "/none",
	} {
		t.Run(variable, func(t *testing.T) {
			setenv(t, "OTEL_TRACES_EXPORTER=otlp", variable)
			traces, log := newTracing(t)
			finish(t, traces)
			if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN msg=tracing error=") ||
				strings.Contains(got, "s3cr3t") {
				t.Errorf("the log is\n%s\nwant one warning without the secret", got)
			}
		})
	}
}

func TestNewReturnsAnErrorForAnUnknownExporter(t *testing.T) {
	setenv(t, "OTEL_TRACES_EXPORTER=console,zipkin")
	before := runtime.NumGoroutine()
	_, err := tracing.New(t.Context(), "", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "OTEL_TRACES_EXPORTER") || !strings.Contains(err.Error(), "zipkin") {
		t.Errorf("New returned %v, want an error that names the variable and zipkin", err)
	}
	for late := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatal("New did not stop the exporter for the console")
		}
	}
}

func TestCloseReturnsWhenItsContextEnds(t *testing.T) {
	requested, respond := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(requested)
		<-respond
	}))
	defer server.Close()
	defer close(respond)
	setenv(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL)
	traces, _ := newTracing(t)
	_, span := traces.Tracer.Start(t.Context(), "request")
	span.End()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-requested; cancel() }()
	if err := traces.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close returned %v, want context.Canceled", err)
	}
}
