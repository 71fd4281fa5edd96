package fiberhttp_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/widgetd/widgetd/domain"
)

// tally counts its calls by their arguments.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (o *tally) count(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counts == nil {
		o.counts = map[string]int{}
	}
	o.counts[strings.Clone(what)]++
}

func (o *tally) RequestEnded(method, route string, status int, took time.Duration) {
	if took < 0 {
		panic("the duration of a request is not positive")
	}
	o.count(fmt.Sprintf("%s %s %d", method, route, status))
}

func (o *tally) LogInEnded(outcome string) { o.count("log-in " + outcome) }

func (o *tally) LimitReached(limit string) { o.count("limit " + limit) }

func TestEveryRequestIsCounted(t *testing.T) {
	t.Parallel()
	const logInPath, registerPath = "/api/v1/auth/login", "/api/v1/auth/register"
	unavailable := &domain.Error{Kind: domain.Unavailable}
	for name, test := range map[string]struct {
		request  request
		logInErr error // the error of LogIn
		times    int   // number of times that the request is sent; 0 means 1
		want     map[string]int
	}{
		"widget":         {request: getWidget, want: map[string]int{"GET /api/v1/widgets/:name 200": 1}},
		"another widget": {request: request{method: "GET", path: "/api/v1/widgets/nope", token: userToken}, want: map[string]int{"GET /api/v1/widgets/:name 404": 1}},
		"no route":       {request: request{method: "GET", path: "/nope"}, want: map[string]int{"GET  404": 1}},
		"no method":      {request: request{method: "DELETE", path: logInPath}, want: map[string]int{"DELETE  405": 1}},
		"odd method":     {request: request{method: "ODD", path: "/healthz"}, want: map[string]int{"TRACE  405": 1}},
		"nonsense":       {request: request{raw: "nonsense\r\n\r\n"}, want: map[string]int{"  400": 1}},
		"large":          {request: logIn.sending("text/plain", strings.Repeat("x", 65<<10)), want: map[string]int{"POST  413": 1}},
		"log-in":         {request: logIn, want: map[string]int{"POST " + logInPath + " 200": 1, "log-in succeeded": 1}},
		"wrong password": {request: logIn, logInErr: domain.ErrCredentialsMismatch, want: map[string]int{"POST " + logInPath + " 401": 1, "log-in refused": 1}},
		"no email":       {request: logIn.sending(fields{"password", "x"}.json()), want: map[string]int{"POST " + logInPath + " 400": 1, "log-in invalid": 1}},
		"no form":        {request: logIn.sending("text/plain", "x"), want: map[string]int{"POST " + logInPath + " 415": 1, "log-in invalid": 1}},
		"store is down":  {request: logIn, logInErr: unavailable, want: map[string]int{"POST " + logInPath + " 503": 1, "log-in unavailable": 1}},
		"fault":          {request: logIn, logInErr: errors.New("damaged"), want: map[string]int{"POST " + logInPath + " 500": 1, "log-in failed": 1}},
		"guesses":        {request: logIn, logInErr: domain.ErrCredentialsMismatch, times: 3, want: map[string]int{"POST " + logInPath + " 401": 2, "log-in refused": 2, "POST " + logInPath + " 429": 1, "log-in limited": 1, "limit login_failures": 1}},
		"registrations":  {request: register, times: 5, want: map[string]int{"POST " + registerPath + " 201": 3, "POST " + registerPath + " 429": 2, "limit registrations": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metrics := &tally{}
			s := serve(t, func(s *server) {
				s.config.Metrics = metrics
				s.config.MaxLoginFailures, s.config.MaxRegistrations = 2, 3
				if test.logInErr != nil {
					s.auth.LogInFunc = func(context.Context, domain.Email, domain.Password) (domain.AccessToken, error) {
						return domain.AccessToken{}, test.logInErr
					}
				}
			})
			for range max(1, test.times) {
				s.do(t, test.request)
			}
			metrics.mu.Lock()
			defer metrics.mu.Unlock()
			if !maps.Equal(metrics.counts, test.want) {
				t.Errorf("got %v, want %v", metrics.counts, test.want)
			}
		})
	}
}

// traced returns a recorder, and a function that makes a server record its spans
// there.
func traced(t *testing.T) (*tracetest.SpanRecorder, func(*server)) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return recorder, func(s *server) {
		s.config.Tracer = provider.Tracer("test")
		s.config.Propagator = propagation.TraceContext{}
	}
}

func TestEveryRequestIsASpan(t *testing.T) {
	t.Parallel()
	const somebody = "ab000000-0000-0000-0000-000000000001"
	for name, test := range map[string]struct {
		request request
		err     error // of Get
		span    string
		status  codes.Code
		want    []string // attributes
	}{
		"widget": {getWidget, nil, "GET /api/v1/widgets/:name", codes.Unset, []string{"http.response.status_code=200",
			"http.route=/api/v1/widgets/:name", "user.id=" + somebody}},
		"no token": {getWidget.as(""), nil, "GET /api/v1/widgets/:name", codes.Unset, []string{"http.response.status_code=401",
			"http.route=/api/v1/widgets/:name"}},
		"no route": {request{method: "GET", path: "/nope"}, nil, "GET", codes.Unset, []string{"http.response.status_code=404"}},
		"fault": {getWidget, errors.New("damaged"), "GET /api/v1/widgets/:name", codes.Error, []string{"error.type=500",
			"http.response.status_code=500", "http.route=/api/v1/widgets/:name", "user.id=" + somebody}},
		"store is down": {getWidget, domain.Unavailable, "GET /api/v1/widgets/:name", codes.Error, []string{"error.type=503",
			"http.response.status_code=503", "http.route=/api/v1/widgets/:name", "user.id=" + somebody}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder, tracing := traced(t)
			var inPort trace.SpanContext
			s := serve(t, tracing, func(s *server) {
				s.widgets.GetFunc = func(ctx context.Context, _ domain.WidgetName) (domain.Widget, error) {
					inPort = trace.SpanContextFromContext(ctx)
					return gear, test.err
				}
			})
			s.do(t, test.request)
			s.conns.open.Wait()
			ended := recorder.Ended()
			if len(ended) != 1 {
				t.Fatalf("%d spans", len(ended))
			}
			span := ended[0]
			if span.Name() != test.span || span.SpanKind() != trace.SpanKindServer || span.Status().Code != test.status {
				t.Errorf("the span is %q, %v, %v", span.Name(), span.SpanKind(), span.Status())
			}
			if inPort.IsValid() && !inPort.Equal(span.SpanContext()) {
				t.Error("the context of the port has another span")
			}
			var got []string
			for _, attribute := range span.Attributes() {
				got = append(got, string(attribute.Key)+"="+attribute.Value.String())
			}
			slices.Sort(got)
			want := append([]string{"client.address=127.0.0.1", "http.request.method=GET", "url.scheme=http"}, test.want...)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("attributes are\n%q, want\n%q", got, want)
			}
			if events := span.Events(); (test.err != nil) != (len(events) == 1) {
				t.Errorf("events are %v", events)
			}
			if id := s.log.Lines("request")[0]["trace_id"]; id != span.SpanContext().TraceID().String() {
				t.Errorf("the log has trace_id %v", id)
			}
		})
	}
}

func TestSpanContinuesTheTraceOfTheClient(t *testing.T) {
	t.Parallel()
	recorder, tracing := traced(t)
	s := serve(t, tracing)
	s.do(t, getWidget.with("traceparent: 00-0123456789abcdef0123456789abcdef-fedcba9876543210-01")).want(t, 200, gearBody)
	s.do(t, getWidget.with("traceparent: nonsense")).want(t, 200, gearBody)
	s.conns.open.Wait()
	spans := recorder.Ended()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	if parent := spans[0].Parent(); parent.TraceID().String() != "0123456789abcdef0123456789abcdef" ||
		parent.SpanID().String() != "fedcba9876543210" || !parent.IsRemote() {
		t.Errorf("the parent is %v", parent)
	}
	if spans[1].Parent().IsValid() {
		t.Errorf("the parent is %v", spans[1].Parent())
	}
}

func TestNoSpanWithoutATracer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.widgets.GetFunc = func(ctx context.Context, _ domain.WidgetName) (domain.Widget, error) {
			if trace.SpanContextFromContext(ctx).IsValid() {
				t.Error("the context has a span")
			}
			return gear, nil
		}
	})
	s.do(t, getWidget.with("traceparent: 00-0123456789abcdef0123456789abcdef-fedcba9876543210-01")).want(t, 200, gearBody)
	if id, found := s.log.Lines("request")[0]["trace_id"]; found {
		t.Errorf("the log has trace_id %v", id)
	}
}
