package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/widgetd/widgetd/adapters/metrics"
	"github.com/widgetd/widgetd/adapters/metrics/metricstest"
	"github.com/widgetd/widgetd/domain"
)

// serve serves the metrics until the test ends, and returns the URL.
func serve(t *testing.T, m *metrics.Metrics, change ...func(*http.Server)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, served := m.Server(slog.New(slog.DiscardHandler)), make(chan error, 1)
	for _, f := range change {
		f(server)
	}
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

// counter is a blacklist of that size.
type counter struct {
	n   int
	err error
}

func (c counter) Count(ctx context.Context) (int, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return 0, errors.New("a scrape may take for ever")
	}
	return c.n, c.err
}

func TestScrapeTellsWhatHappened(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.WatchHashing(func() metrics.Hashing { return metrics.Hashing{Working: 2, Waiting: 7, Refused: 11} })
	m.WatchBlacklist(counter{n: 5})
	url := serve(t, m)

	m.RequestEnded("GET", "/api/v1/widgets/:name", 200, 250*time.Millisecond)
	m.RequestEnded("GET", "/api/v1/widgets/:name", 200, 500*time.Millisecond)
	m.RequestEnded("", "", 408, 0)
	m.LogInEnded("refused")
	m.LimitReached("registrations")
	ctx := m.StoreCallBegan(t.Context(), "users", "by_email")
	m.StoreCallEnded(ctx, "users", "by_email", 2*time.Second, nil)
	m.StoreCallEnded(ctx, "users", "by_email", time.Second, &domain.Error{Kind: domain.Unavailable})
	m.StoreCallEnded(ctx, "users", "by_email", time.Second, context.DeadlineExceeded)
	m.StoreCallEnded(ctx, "users", "by_email", time.Second, errors.New("damaged"))

	got, _ := metricstest.Scrape(t, url)
	for sample, want := range map[string]float64{
		`widgetd_http_request_duration_seconds{code="200",method="GET",route="/api/v1/widgets/:name"}`:     2,
		`widgetd_http_request_duration_seconds{code="200",method="GET",route="/api/v1/widgets/:name"} sum`: 0.75,
		`widgetd_http_request_duration_seconds{code="408",method="other",route="none"}`:                    1,
		`widgetd_logins_total{outcome="refused"}`:                                                          1,
		`widgetd_logins_total{outcome="succeeded"}`:                                                        0,
		`widgetd_limiter_refusals_total{limit="registrations"}`:                                            1,
		`widgetd_limiter_refusals_total{limit="login_failures"}`:                                           0,
		`widgetd_store_operation_duration_seconds{operation="by_email",store="users"}`:                     4,
		`widgetd_store_operation_duration_seconds{operation="by_email",store="users"} sum`:                 5,
		`widgetd_store_errors_total{kind="unavailable",operation="by_email",store="users"}`:                2,
		`widgetd_store_errors_total{kind="fault",operation="by_email",store="users"}`:                      1,
		`widgetd_hashing_working`:       2,
		`widgetd_hashing_waiting`:       7,
		`widgetd_hashing_refused_total`: 11,
		`widgetd_blacklist_tokens`:      5,
	} {
		if value, found := got[sample]; !found || value != want {
			t.Errorf("%s is %v (found: %t), want %v", sample, value, found, want)
		}
	}
	if got["go_goroutines"] == 0 || got["process_start_time_seconds"] == 0 {
		t.Error("nothing about the process")
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(key string) bool { return strings.HasPrefix(key, "go_build_info{") }) {
		t.Error("nothing about the build")
	}
}

func TestMetricsAreNamedAsPrometheusWantsThem(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.WatchHashing(func() metrics.Hashing { return metrics.Hashing{} })
	m.WatchBlacklist(counter{})
	m.RequestEnded("GET", "/", 200, 0)
	m.StoreCallEnded(t.Context(), "users", "add", 0, errors.New("damaged"))
	_, families := metricstest.Scrape(t, serve(t, m))
	problems, err := promlint.NewWithMetricFamilies(slices.Collect(maps.Values(families))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

func TestMethodsMakeNoSeriesOfTheirOwn(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	for i := range 10_000 {
		m.RequestEnded(fmt.Sprintf("M%d", i), "/", 405, 0)
	}
	got, _ := metricstest.Scrape(t, serve(t, m))
	if n := got[`widgetd_http_request_duration_seconds{code="405",method="other",route="/"}`]; n != 10_000 {
		t.Errorf("%v requests counted", n)
	}
	if n := len(got); n > 200 {
		t.Errorf("%d series", n)
	}
}

func TestScrapeTellsTheRestWhileTheStoreIsDown(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.WatchBlacklist(counter{err: domain.Unavailable})
	got, _ := metricstest.Scrape(t, serve(t, m))
	if _, found := got["widgetd_blacklist_tokens"]; found {
		t.Error("a size that nobody knows")
	}
	if _, found := got[`widgetd_logins_total{outcome="refused"}`]; !found {
		t.Error("nothing else is told")
	}
}

func TestProfilesAreServedButNotTheCommandLine(t *testing.T) {
	t.Parallel()
	url := serve(t, metrics.New())
	for path, want := range map[string]int{
		"/debug/pprof/":                   200,
		"/debug/pprof/goroutine?debug=1":  200,
		"/debug/pprof/heap":               200,
		"/debug/pprof/symbol":             200,
		"/debug/pprof/trace?seconds=0.01": 200,
		"/debug/pprof/cmdline":            404,
		"/":                               404,
		"/healthz":                        404,
		"/api/v1/widgets":                 404,
	} {
		if status, body := metricstest.Get(t, url+path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestProfileMayTakeLongerThanAResponse: pprof adds what it takes to the timeout.
func TestProfileMayTakeLongerThanAResponse(t *testing.T) {
	t.Parallel()
	url := serve(t, metrics.New(), func(server *http.Server) { server.WriteTimeout = 1500 * time.Millisecond })
	if status, body := metricstest.Get(t, url+"/debug/pprof/profile?seconds=2"); status != 200 || len(body) == 0 {
		t.Errorf("%d, %d bytes", status, len(body))
	}
}
