package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/metrics/metricstest"
	"github.com/widgetd/widgetd/adapters/tracing/tracingtest"
)

// private returns the URL of the server's private listener.
func (s *server) private(t *testing.T) string {
	t.Helper()
	line, ok := s.log.await("msg", "serving metrics", s.exited)
	if !ok {
		t.Fatalf("no private listener:\n%s", s.log)
	}
	return "http://" + line["addr"].(string)
}

func TestMetricsTellWhatTheServerDid(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--metrics-addr=127.0.0.1:0", "--max-login-failures=2", "--max-registrations=2",
		asAdmin[0], asAdmin[1])
	private := s.private(t)
	token := s.register(t, userEmail, userPassword)
	s.register(t, "another@example.com", userPassword)
	s.do(t, post("/auth/register", "", fields{"email": "third@example.com", "password": "x"})).want(t, 429, "")
	s.logIn(t, userEmail, userPassword)
	for _, status := range []int{401, 401, 429} {
		s.do(t, post("/auth/login", "", fields{"email": userEmail, "password": "wrong"})).want(t, status, "")
	}
	s.do(t, get("/widgets/none", token)).want(t, 404, "")
	s.do(t, post("/auth/logout", token, nil)).want(t, 200, "")

	got, _ := metricstest.Scrape(t, private)
	for sample, want := range map[string]float64{
		`widgetd_http_request_duration_seconds{code="201",method="POST",route="/api/v1/auth/register"}`: 2,
		`widgetd_http_request_duration_seconds{code="404",method="GET",route="/api/v1/widgets/:name"}`:  1,
		`widgetd_logins_total{outcome="succeeded"}`:                                                     1,
		`widgetd_logins_total{outcome="refused"}`:                                                       2,
		`widgetd_logins_total{outcome="limited"}`:                                                       1,
		`widgetd_limiter_refusals_total{limit="login_failures"}`:                                        1,
		`widgetd_limiter_refusals_total{limit="registrations"}`:                                         1,
		`widgetd_store_operation_duration_seconds{operation="by_name",store="widgets"}`:                 1,
		`widgetd_store_operation_duration_seconds{operation="add",store="users"}`:                       3, // the administrator too
		`widgetd_blacklist_tokens`:                                                                      1,
		`widgetd_hashing_working`:                                                                       0,
		`widgetd_hashing_waiting`:                                                                       0,
		`widgetd_hashing_refused_total`:                                                                 0,
	} {
		if value, found := got[sample]; !found || value != want {
			t.Errorf("%s is %v (found: %t), want %v", sample, value, found, want)
		}
	}
	for sample := range got {
		if strings.HasPrefix(sample, "widgetd_store_errors_total") {
			t.Errorf("%s, though not finding a widget is no error", sample)
		}
	}
}

func TestWhatClientsSendMakesNoSeries(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--metrics-addr=127.0.0.1:0", "--max-login-failures=0", "--max-registrations=0")
	private := s.private(t)
	token := s.register(t, userEmail, userPassword)
	send := func(i int) {
		word := fmt.Sprintf("w%d", i)
		s.do(t, request{method: "GET", path: "/" + word})
		s.do(t, request{method: "M" + strings.Repeat("X", i), path: "/healthz"})
		s.do(t, get("/widgets/"+word, token))
		s.do(t, get("/widgets?page="+word, token))
		s.do(t, get("/auth/user", word))
		s.do(t, post("/auth/register", "", fields{"email": word, "password": word}))
	}
	send(0)
	before, _ := metricstest.Scrape(t, private)
	for i := range 30 {
		send(i + 1)
	}
	after, _ := metricstest.Scrape(t, private)
	for sample := range after {
		if _, found := before[sample]; !found && strings.HasPrefix(sample, "widgetd_") {
			t.Errorf("a new series: %s", sample)
		}
	}
}

func TestPrivateListenerAndThePublicOneAreApart(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--metrics-addr=127.0.0.1:0", "--mongodb-uri=")
	private := s.private(t)
	for path, want := range map[string]int{
		"/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/heap": 200,
		"/api/v1/widgets": 404, "/healthz": 404, "/debug/pprof/cmdline": 404,
	} {
		if status, _ := metricstest.Get(t, private+path); status != want {
			t.Errorf("the private listener answers %s with %d", path, status)
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		s.do(t, request{method: "GET", path: path}).want(t, 404, "")
	}
	s.stop()
	if res, err := http.Get(private + "/metrics"); err == nil {
		_ = res.Body.Close()
		t.Error("the private listener outlives the server")
	}
}

func TestProfileDoesNotDelayTheEnd(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--metrics-addr=127.0.0.1:0")
	private := s.private(t)
	profiled := make(chan error, 1)
	go func() {
		res, err := http.Get(private + "/debug/pprof/trace?seconds=300")
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body) // its beginning comes at once
			_ = res.Body.Close()
		}
		profiled <- err
	}()
	for late := time.Now().Add(patience); !strings.Contains(goroutines(t, private), "pprof.Trace"); {
		if time.Now().After(late) {
			t.Fatal("the profile does not begin")
		}
	}
	s.stop()
	if err := <-profiled; err == nil {
		t.Error("the profile came to its end")
	}
}

func goroutines(t *testing.T, private string) string {
	t.Helper()
	_, text := metricstest.Get(t, private+"/debug/pprof/goroutine?debug=1")
	return text
}

func TestWithoutAMetricsAddressThereIsNoListener(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	s.do(t, request{method: "GET", path: "/metrics"}).want(t, 404, "")
	if line, found := s.log.find("msg", "serving metrics"); found {
		t.Errorf("the log has %v", line)
	}
}

func TestRequestsAreTracedAndTheLastOnesSentAtTheEnd(t *testing.T) {
	t.Parallel()
	r := &tracingtest.Receiver{}
	collector := httptest.NewServer(r)
	defer collector.Close()
	s := start(t, folder(t), "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, asAdmin[0], asAdmin[1])
	token := s.logIn(t, adminEmail, adminPassword)
	s.do(t, get("/widgets/none", token)).want(t, 404, "")
	s.stop()

	children := map[string][]string{}
	names := map[string]string{}
	for _, span := range r.Spans() {
		names[string(span.SpanId)] = span.Name
	}
	for _, span := range r.Spans() {
		if parent, found := names[string(span.ParentSpanId)]; found {
			children[parent] = append(children[parent], span.Name)
		}
		if span.Name == "GET /api/v1/widgets/:name" {
			if _, found := s.log.find("trace_id", fmt.Sprintf("%x", span.TraceId)); !found {
				t.Errorf("the log has no trace %x:\n%s", span.TraceId, s.log)
			}
		}
	}
	if got := fmt.Sprint(children["GET /api/v1/widgets/:name"]); got != "[blacklist.contains widgets.by_name]" {
		t.Errorf("the request is of %s", got)
	}
	if got := fmt.Sprint(children["POST /api/v1/auth/login"]); got != "[users.by_email]" {
		t.Errorf("the log-in is of %s", got)
	}
}

func TestNothingIsTracedUnlessTheVariablesAskForIt(t *testing.T) {
	t.Parallel()
	r := &tracingtest.Receiver{}
	collector := httptest.NewServer(r)
	defer collector.Close()
	for _, settings := range [][]string{
		{"OTEL_SERVICE_NAME=widgetd", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=" + collector.URL},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_SDK_DISABLED=true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_TRACES_EXPORTER=none"},
	} {
		s := start(t, folder(t), append(settings, "--metrics-addr=127.0.0.1:0")...)
		s.register(t, userEmail, userPassword)
		if strings.Contains(goroutines(t, s.private(t)), "opentelemetry") {
			t.Errorf("%q: OpenTelemetry runs", settings)
		}
		s.stop()
		if strings.Contains(s.log.String(), "trace_id") {
			t.Errorf("%q: the log is\n%s", settings, s.log)
		}
	}
	if spans := r.Spans(); len(spans) > 0 {
		t.Errorf("the collector received %v", spans)
	}
}

func TestTracesMayGoToTheConsole(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := prepare(t, folder(t), "OTEL_TRACES_EXPORTER=console")
	s.cmd.Stdout = &out
	s.launch(t)
	s.awaitListening(t)
	s.do(t, request{method: "GET", path: "/readyz"}).want(t, 200, "")
	s.stop()
	var span struct{ Name string }
	for line := range strings.Lines(out.String()) {
		if err := json.Unmarshal([]byte(line), &span); err != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
	if span.Name != "GET /readyz" {
		t.Errorf("standard output is %s", out.String())
	}
}

func TestServerServesWithoutTheTracesItCannotMake(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "OTEL_TRACES_EXPORTER=pigeon")
	s.do(t, request{method: "GET", path: "/readyz"}).want(t, 200, "")
	if line, found := s.log.find("msg", "requests are not traced"); !found || line["level"] != "WARN" ||
		!strings.Contains(fmt.Sprint(line["error"]), "OTEL_TRACES_EXPORTER") {
		t.Errorf("the log is\n%s", s.log)
	}
}
