// Package metrics counts requests, log-ins and operations of the store, and serves the counts in
// the Prometheus format, together with the profiles of net/http/pprof.
//
// [New] returns [Metrics]. Pass them to package fiberhttp as its Metrics and to package observed
// as an observer, add gauges with the Watch methods, and serve [Metrics.Server] at an address of
// a private network:
//
//	m := metrics.New()
//	store = observed.Store(store, m)
//	server := fiberhttp.New(ports, log, fiberhttp.Config{Metrics: m})
//	err := m.Server(ln.Addr(), log).Serve(ln)
//
// Every label has a fixed set of values. No label contains text from a client, such as a path,
// an address, an email or the name of a widget.
package metrics

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/widgetd/widgetd/domain"
)

// Label values for requests that match no route or use an unknown method.
const (
	noRoute     = "none"
	otherMethod = "other"
)

// Metrics holds the counts. Make one with [New]. It is safe for concurrent use.
type Metrics struct {
	registry          *prometheus.Registry
	requests          *prometheus.HistogramVec
	logIns            *prometheus.CounterVec
	refusals          *prometheus.CounterVec
	storeCalls        *prometheus.HistogramVec
	storeErrors       *prometheus.CounterVec
	unreadableRecords *prometheus.CounterVec
}

// New returns metrics with all counts at zero. They include the standard metrics
// of the Go runtime, the process and the build.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "widgetd_http_request_duration_seconds",
			Help:    "Duration of HTTP requests, by method, route pattern and status code.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route", "code"}),
		logIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "widgetd_logins_total",
			Help: "Log-ins by outcome: succeeded, refused (wrong email or password, or a disabled account), limited (rate limit), invalid (input), unavailable (store), failed (internal error).",
		}, []string{"outcome"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "widgetd_limiter_refusals_total",
			Help: "Requests refused by a rate limit per client, by limit: login_failures, registrations.",
		}, []string{"limit"}),
		storeCalls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "widgetd_store_operation_duration_seconds",
			Help:    "Duration of store operations, by store and operation.",
			Buckets: []float64{.000001, .00001, .0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"store", "operation"}),
		storeErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "widgetd_store_errors_total",
			Help: "Failed store operations by kind: unavailable (no answer in time), fault (any other error).",
		}, []string{"store", "operation", "kind"}),
		unreadableRecords: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "widgetd_store_unreadable_records_total",
			Help: "Records that could not be read and were left out of a page, counted each time, by store.",
		}, []string{"store"}),
	}
	m.registry.MustRegister(m.requests, m.logIns, m.refusals, m.storeCalls, m.storeErrors, m.unreadableRecords,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector())
	// Prometheus detects an increase only in a series that it has scraped before. So
	// these series start at 0.
	for _, outcome := range []string{"succeeded", "refused", "limited", "invalid", "unavailable", "failed"} {
		m.logIns.WithLabelValues(outcome)
	}
	for _, limit := range []string{"login_failures", "registrations"} {
		m.refusals.WithLabelValues(limit)
	}
	for _, store := range []string{"users", "widgets"} {
		m.unreadableRecords.WithLabelValues(store)
	}
	return m
}

// RequestEnded counts a request. The route is a pattern such as
// "/api/v1/widgets/:name", or empty if the request matched no route.
func (m *Metrics) RequestEnded(method, route string, status int, took time.Duration) {
	if route == "" {
		route = noRoute
	}
	m.requests.WithLabelValues(methodLabel(method), route, strconv.Itoa(status)).Observe(took.Seconds())
}

// LogInEnded counts a log-in by its outcome.
func (m *Metrics) LogInEnded(outcome string) { m.logIns.WithLabelValues(outcome).Inc() }

// LimitReached counts a request that the rate limit refused.
func (m *Metrics) LimitReached(limit string) { m.refusals.WithLabelValues(limit).Inc() }

// StoreCallBegan returns ctx.
func (m *Metrics) StoreCallBegan(ctx context.Context, _, _ string) context.Context { return ctx }

// StoreCallEnded counts an operation of a store, and its failure unless failure is
// nil.
func (m *Metrics) StoreCallEnded(_ context.Context, store, operation string, took time.Duration, failure error) {
	m.storeCalls.WithLabelValues(store, operation).Observe(took.Seconds())
	if failure != nil {
		m.storeErrors.WithLabelValues(store, operation, errorKind(failure)).Inc()
	}
}

// UnreadableRecord counts a record of a store ("widgets") that could not be read
// and was left out of a page.
func (m *Metrics) UnreadableRecord(store string) { m.unreadableRecords.WithLabelValues(store).Inc() }

func methodLabel(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH":
		return method
	}
	return otherMethod
}

func errorKind(failure error) string {
	if domain.KindOf(failure) == domain.Unavailable || errors.Is(failure, context.DeadlineExceeded) {
		return "unavailable"
	}
	return "fault"
}
