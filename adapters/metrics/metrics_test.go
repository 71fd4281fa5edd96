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
	"github.com/widgetd/widgetd/domain"
)

// serve starts a metrics server, which the end of the test closes, and returns its
// URL.
func serve(t *testing.T, m *metrics.Metrics, change ...func(*http.Server)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, served := m.Server(ln.Addr(), slog.New(slog.DiscardHandler)), make(chan error, 1)
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

// blacklist is a blacklist with n tokens.
type blacklist struct {
	n   int
	err error
}

func (b blacklist) Count(ctx context.Context) (int, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return 0, errors.New("the context has no deadline")
	}
	return b.n, b.err
}

func TestScrapeReturnsTheCounts(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.WatchHashing(func() metrics.Hashing { return metrics.Hashing{Working: 2, Waiting: 7, Refused: 11} })
	m.WatchBlacklist(blacklist{n: 5})
	m.WatchLog(func() uint64 { return 13 })
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
	m.UnreadableRecord("users")
	m.UnreadableRecord("users")

	got := scrapeSamples(t, url)
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
		`widgetd_store_unreadable_records_total{store="users"}`:                                            2,
		`widgetd_store_unreadable_records_total{store="widgets"}`:                                          0,
		`widgetd_hashing_working`:       2,
		`widgetd_hashing_waiting`:       7,
		`widgetd_hashing_refused_total`: 11,
		`widgetd_blacklist_tokens`:      5,

		`widgetd_log_dropped_lines_total`: 13,
	} {
		if value, found := got[sample]; !found || value != want {
			t.Errorf("%s is %v (found: %t), want %v", sample, value, found, want)
		}
	}
	if got["go_goroutines"] == 0 || got["process_start_time_seconds"] == 0 {
		t.Error("the metrics of the process are missing")
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(key string) bool { return strings.HasPrefix(key, "go_build_info{") }) {
		t.Error("the metrics of the build are missing")
	}
}

func TestMetricNamesFollowTheRulesOfPrometheus(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.WatchHashing(func() metrics.Hashing { return metrics.Hashing{} })
	m.WatchBlacklist(blacklist{})
	m.WatchLog(func() uint64 { return 0 })
	m.RequestEnded("GET", "/", 200, 0)
	m.StoreCallEnded(t.Context(), "users", "add", 0, errors.New("damaged"))
	families := scrape(t, serve(t, m))
	problems, err := promlint.NewWithMetricFamilies(slices.Collect(maps.Values(families))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

func TestUnknownMethodsShareOneSeries(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	for i := range 10_000 {
		m.RequestEnded(fmt.Sprintf("M%d", i), "/", 405, 0)
	}
	got := scrapeSamples(t, serve(t, m))
	if n := got[`widgetd_http_request_duration_seconds{code="405",method="other",route="/"}`]; n != 10_000 {
		t.Errorf("%v requests were counted, want 10000", n)
	}
	if n := len(got); n > 200 {
		t.Errorf("there are %d series, want at most 200", n)
	}
}

func TestScrapeSucceedsWhileTheStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.WatchBlacklist(blacklist{err: domain.Unavailable})
	got := scrapeSamples(t, serve(t, m))
	if _, found := got["widgetd_blacklist_tokens"]; found {
		t.Error("the scrape has a size of the blacklist, although the store is unavailable")
	}
	if _, found := got[`widgetd_logins_total{outcome="refused"}`]; !found {
		t.Error("the scrape lacks the other metrics")
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
		if status, body := get(t, url+path); status != want {
			t.Errorf("GET %s returned %d, want %d: %s", path, status, want, body)
		}
	}
}

func TestProfileMayTakeLongerThanTheWriteTimeout(t *testing.T) {
	t.Parallel()
	url := serve(t, metrics.New(), func(server *http.Server) { server.WriteTimeout = 1500 * time.Millisecond })
	if status, body := get(t, url+"/debug/pprof/profile?seconds=2"); status != 200 || len(body) == 0 {
		t.Errorf("the response has status %d and %d bytes, want 200 and a profile", status, len(body))
	}
}
