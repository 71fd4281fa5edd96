// Package metrics counts what the server does, for Prometheus, and serves the
// counts with the profiles of net/http/pprof to the operator.
//
// Every label has one of a fixed few values, whatever clients send: there is no
// path, no address, no email and no name of a widget in them.
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

// What the label of a request is that no route took, or whose method is none of
// the known ones.
const (
	noRoute     = "none"
	otherMethod = "other"
)

// Metrics counts what it is told. Make it with [New]. It is safe for concurrent
// use.
type Metrics struct {
	registry    *prometheus.Registry
	requests    *prometheus.HistogramVec
	logIns      *prometheus.CounterVec
	refusals    *prometheus.CounterVec
	storeCalls  *prometheus.HistogramVec
	storeErrors *prometheus.CounterVec
}

// New returns metrics in which nothing is counted yet but the process itself.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "widgetd_http_request_duration_seconds",
			Help:    "How long requests took to be answered, by method, pattern of the route, and status code.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route", "code"}),
		logIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "widgetd_logins_total",
			Help: "Log-ins by outcome: succeeded, refused (email or password), limited, invalid (input), unavailable, failed.",
		}, []string{"outcome"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "widgetd_limiter_refusals_total",
			Help: "Requests refused because of a limit per client, by limit: login_failures, registrations.",
		}, []string{"limit"}),
		storeCalls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "widgetd_store_operation_duration_seconds",
			Help:    "How long the store took, by store and operation.",
			Buckets: []float64{.000001, .00001, .0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"store", "operation"}),
		storeErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "widgetd_store_errors_total",
			Help: "Operations that the store failed, by kind: unavailable (no answer in time), fault (anything else).",
		}, []string{"store", "operation", "kind"}),
	}
	m.registry.MustRegister(m.requests, m.logIns, m.refusals, m.storeCalls, m.storeErrors,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector())
	// So that the first of each is seen to be an increase.
	for _, outcome := range []string{"succeeded", "refused", "limited", "invalid", "unavailable", "failed"} {
		m.logIns.WithLabelValues(outcome)
	}
	for _, limit := range []string{"login_failures", "registrations"} {
		m.refusals.WithLabelValues(limit)
	}
	return m
}

// RequestEnded counts a request. The route is a pattern, empty for a request that
// no route took.
func (m *Metrics) RequestEnded(method, route string, status int, took time.Duration) {
	if route == "" {
		route = noRoute
	}
	m.requests.WithLabelValues(methodLabel(method), route, strconv.Itoa(status)).Observe(took.Seconds())
}

// LogInEnded counts a log-in by its outcome.
func (m *Metrics) LogInEnded(outcome string) { m.logIns.WithLabelValues(outcome).Inc() }

// LimitReached counts a request that a limit refused.
func (m *Metrics) LimitReached(limit string) { m.refusals.WithLabelValues(limit).Inc() }

// StoreCallBegan returns ctx.
func (m *Metrics) StoreCallBegan(ctx context.Context, _, _ string) context.Context { return ctx }

// StoreCallEnded counts a call of a store, and its failure if it did fail.
func (m *Metrics) StoreCallEnded(_ context.Context, store, operation string, took time.Duration, failure error) {
	m.storeCalls.WithLabelValues(store, operation).Observe(took.Seconds())
	if failure != nil {
		m.storeErrors.WithLabelValues(store, operation, errorKind(failure)).Inc()
	}
}

func methodLabel(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH":
		return method
	}
	return otherMethod
}

func errorKind(failure error) string {
	if errors.Is(failure, domain.Unavailable) || errors.Is(failure, context.DeadlineExceeded) {
		return "unavailable"
	}
	return "fault"
}
