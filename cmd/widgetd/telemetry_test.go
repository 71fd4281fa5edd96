package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// metricsURL returns the URL of the server's listener for metrics and profiles.
func (s *server) metricsURL(t *testing.T) string {
	t.Helper()
	if s.metrics != "" {
		return s.metrics
	}
	line, ok := s.log.await("msg", "serving metrics", s.exited)
	if !ok {
		t.Fatalf("the server serves no metrics:\n%s", s.log)
	}
	return "http://" + line["addr"].(string)
}

// getText returns the response to a GET request of that listener.
func getText(t *testing.T, url string) (status int, body string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// scrape returns the values of the metrics, by name and labels.
func (s *server) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	_, text := getText(t, s.metricsURL(t)+"/metrics")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		space := strings.LastIndex(line, " ")
		value, err := strconv.ParseFloat(strings.TrimSpace(line[space+1:]), 64)
		if err != nil {
			t.Fatalf("line %q of the metrics: %v", line, err)
		}
		values[line[:space]] = value
	}
	return values
}

// spanReceiver receives spans by OTLP over HTTP.
type spanReceiver struct {
	mu    sync.Mutex
	spans []*otlp.Span
}

// ServeHTTP implements [http.Handler].
func (r *spanReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var request collector.ExportTraceServiceRequest
	body, err := io.ReadAll(req.Body)
	if err != nil || proto.Unmarshal(body, &request) != nil {
		http.Error(w, "the body holds no traces", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (r *spanReceiver) received() []*otlp.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spans
}

func TestMetricsCountWhatTheServerDid(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--metrics-addr=127.0.0.1:0", "--max-login-failures=2", "--max-registrations=2",
		asAdmin[0], asAdmin[1])
	token := s.register(t, userEmail, userPassword)
	s.register(t, "another@example.com", userPassword)
	s.do(t, post("/auth/register", "", fields{"email": "third@example.com", "password": "x"})).want(t, 429, "")
	s.logIn(t, userEmail, userPassword)
	for _, status := range []int{401, 401, 429} {
		s.do(t, post("/auth/login", "", fields{"email": userEmail, "password": "wrong"})).want(t, status, "")
	}
	s.do(t, get("/widgets/none", token)).want(t, 404, "")
	s.do(t, post("/auth/logout", token, nil)).want(t, 200, "")

	got := s.scrape(t)
	for sample, want := range map[string]float64{
		`widgetd_http_request_duration_seconds_count{code="201",method="POST",route="/api/v1/auth/register"}`: 2,
		`widgetd_http_request_duration_seconds_count{code="404",method="GET",route="/api/v1/widgets/:name"}`:  1,
		`widgetd_logins_total{outcome="succeeded"}`:                                                           1,
		`widgetd_logins_total{outcome="refused"}`:                                                             2,
		`widgetd_logins_total{outcome="limited"}`:                                                             1,
		`widgetd_limiter_refusals_total{limit="login_failures"}`:                                              1,
		`widgetd_limiter_refusals_total{limit="registrations"}`:                                               1,
		`widgetd_store_operation_duration_seconds_count{operation="by_name",store="widgets"}`:                 1,
		`widgetd_store_operation_duration_seconds_count{operation="add",store="users"}`:                       3, // one is the administrator
		`widgetd_blacklist_tokens`:                                                                            1,
		`widgetd_hashing_working`:                                                                             0,
		`widgetd_hashing_waiting`:                                                                             0,
		`widgetd_hashing_refused_total`:                                                                       0,
	} {
		if value, found := got[sample]; !found || value != want {
			t.Errorf("%s is %v (found: %t), want %v", sample, value, found, want)
		}
	}
	for sample := range got {
		if strings.HasPrefix(sample, "widgetd_store_errors_total") {
			t.Errorf("%s is counted, but a request for a missing widget must not count as an error", sample)
		}
	}
}

func TestClientInputMakesNoMetricSeries(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--metrics-addr=127.0.0.1:0", "--max-login-failures=0", "--max-registrations=0")
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
	before := s.scrape(t)
	for i := range 30 {
		send(i + 1)
	}
	after := s.scrape(t)
	for sample := range after {
		if _, found := before[sample]; !found && strings.HasPrefix(sample, "widgetd_") {
			t.Errorf("a new series: %s", sample)
		}
	}
}

func TestMetricsAndTheAPIHaveSeparateListeners(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--metrics-addr=127.0.0.1:0", "--mongodb-uri=")
	metrics := s.metricsURL(t)
	for path, want := range map[string]int{
		"/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/heap": 200,
		"/api/v1/widgets": 404, "/healthz": 404, "/debug/pprof/cmdline": 404,
	} {
		if status, _ := getText(t, metrics+path); status != want {
			t.Errorf("the listener for metrics answers %s with %d, want %d", path, status, want)
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		s.do(t, request{method: "GET", path: path}).want(t, 404, "")
	}
	s.stop()
	if res, err := http.Get(metrics + "/metrics"); err == nil {
		_ = res.Body.Close()
		t.Error("the listener for metrics is open after the end of the server")
	}
}

func TestMetricsOnTheLoopbackAreNotForForeignHosts(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--metrics-addr=127.0.0.1:0")
	metrics := s.metricsURL(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(metrics, "http://"), ":")
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "localhost:" + port: 200, "localhost": 200, "evil.example:" + port: 421, "evil.example": 421,
	} {
		request, err := http.NewRequest(http.MethodGet, metrics+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		res, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("the host %s is answered with %d, want %d", host, res.StatusCode, want)
		}
	}
}

func TestProfileDoesNotDelayTheEnd(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--metrics-addr=127.0.0.1:0")
	metrics := s.metricsURL(t)
	profiled := make(chan error, 1)
	go func() {
		res, err := http.Get(metrics + "/debug/pprof/trace?seconds=300")
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body) // the first bytes arrive at once
			_ = res.Body.Close()
		}
		profiled <- err
	}()
	for late := time.Now().Add(patience); !strings.Contains(s.goroutines(t), "pprof.Trace"); {
		if time.Now().After(late) {
			t.Fatal("the profile does not begin")
		}
	}
	s.stop()
	if err := <-profiled; err == nil {
		t.Error("the profile was completed")
	}
}

// goroutines returns the stacks of the server's goroutines.
func (s *server) goroutines(t *testing.T) string {
	t.Helper()
	_, text := getText(t, s.metricsURL(t)+"/debug/pprof/goroutine?debug=1")
	return text
}

func TestWithoutAMetricsAddressNoMetricsAreServed(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	s.do(t, request{method: "GET", path: "/metrics"}).want(t, 404, "")
	if line, found := s.log.find("msg", "serving metrics"); found {
		t.Errorf("the log has %v", line)
	}
}

func TestRequestsAreTracedAndTheLastSpansSentAtTheEnd(t *testing.T) {
	t.Parallel()
	r := &spanReceiver{}
	collector := httptest.NewServer(r)
	defer collector.Close()
	s := start(t, folder(t), "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "--metrics-addr=127.0.0.1:0", asAdmin[0], asAdmin[1])
	token := s.logIn(t, adminEmail, adminPassword)
	s.do(t, get("/widgets/none", token)).want(t, 404, "")
	metrics := s.scrape(t)
	for _, metric := range []string{`widgetd_store_operation_duration_seconds_count{operation="by_name",store="widgets"}`, "widgetd_blacklist_tokens"} {
		if _, found := metrics[metric]; !found {
			t.Errorf("%s is missing when requests are traced", metric)
		}
	}
	s.stop()

	children := map[string][]string{}
	names := map[string]string{}
	for _, span := range r.received() {
		names[string(span.SpanId)] = span.Name
	}
	for _, span := range r.received() {
		if parent, found := names[string(span.ParentSpanId)]; found {
			children[parent] = append(children[parent], span.Name)
		}
		if span.Name == "GET /api/v1/widgets/:name" {
			if _, found := s.log.find("trace_id", fmt.Sprintf("%x", span.TraceId)); !found {
				t.Errorf("the log has no trace %x:\n%s", span.TraceId, s.log)
			}
		}
	}
	if got := fmt.Sprint(children["GET /api/v1/widgets/:name"]); got != "[blacklist.check widgets.by_name]" {
		t.Errorf("the child spans of the request are %s", got)
	}
	if got := fmt.Sprint(children["POST /api/v1/auth/login"]); got != "[users.by_email blacklist.cut_off users.by_public_id]" {
		t.Errorf("the child spans of the log-in are %s", got)
	}
}

func TestNothingIsTracedUnlessTheVariablesConfigureAnExporter(t *testing.T) {
	t.Parallel()
	r := &spanReceiver{}
	collector := httptest.NewServer(r)
	defer collector.Close()
	for _, settings := range [][]string{
		{"OTEL_SERVICE_NAME=widgetd", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=" + collector.URL},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_SDK_DISABLED=true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_TRACES_EXPORTER=none"},
	} {
		s := start(t, folder(t), append(settings, "--metrics-addr=127.0.0.1:0")...)
		s.register(t, userEmail, userPassword)
		if strings.Contains(s.goroutines(t), "opentelemetry") {
			t.Errorf("%q: a goroutine of OpenTelemetry runs", settings)
		}
		s.stop()
		if strings.Contains(s.log.String(), "trace_id") {
			t.Errorf("%q: the log is\n%s", settings, s.log)
		}
	}
	if spans := r.received(); len(spans) > 0 {
		t.Errorf("the collector received %v", spans)
	}
}

func TestTracesCanGoToStandardOutput(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := prepare(t, folder(t), "OTEL_TRACES_EXPORTER=console")
	s.cmd.Stdout = &out
	s.launch(t)
	s.awaitListening(t)
	s.do(t, readyz).want(t, 200, "")
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

func TestServerServesWhenTracingCannotStart(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "OTEL_TRACES_EXPORTER=pigeon")
	s.do(t, readyz).want(t, 200, "")
	if line, found := s.log.find("msg", "requests are not traced"); !found || line["level"] != "WARN" ||
		!strings.Contains(fmt.Sprint(line["error"]), "OTEL_TRACES_EXPORTER") {
		t.Errorf("the log is\n%s", s.log)
	}
}
