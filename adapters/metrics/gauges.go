package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/widgetd/widgetd/ports"
)

// countTimeout is how long a scrape waits for the store.
const countTimeout = time.Second

// Hashing is how busy a password hasher is.
type Hashing struct {
	Working int    // hashes being worked on
	Waiting int    // for their turn
	Refused uint64 // since the start, because too many waited
}

// WatchHashing looks at every scrape how busy the hasher is. It is called once at
// the most.
func (m *Metrics) WatchHashing(load func() Hashing) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "widgetd_hashing_working",
			Help: "Password hashes being worked on.",
		}, func() float64 { return float64(load().Working) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "widgetd_hashing_waiting",
			Help: "Password hashes waiting for their turn.",
		}, func() float64 { return float64(load().Waiting) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "widgetd_hashing_refused_total",
			Help: "Password hashes turned away because too many waited.",
		}, func() float64 { return float64(load().Refused) }),
	)
}

// WatchBlacklist counts the tokens at every scrape. It is called once at the most.
func (m *Metrics) WatchBlacklist(blacklist ports.TokenCounter) {
	m.registry.MustRegister(blacklistSize{blacklist, prometheus.NewDesc("widgetd_blacklist_tokens",
		"Logged-out tokens that are remembered. Missing while the store does not answer.", nil, nil)})
}

// blacklistSize collects a gauge that is missing while nobody knows its value: a
// scrape must tell of everything else also when the store is down.
type blacklistSize struct {
	blacklist ports.TokenCounter
	desc      *prometheus.Desc
}

// Describe implements [prometheus.Collector].
func (s blacklistSize) Describe(descs chan<- *prometheus.Desc) { descs <- s.desc }

// Collect implements [prometheus.Collector].
func (s blacklistSize) Collect(collected chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	if n, err := s.blacklist.Count(ctx); err == nil {
		collected <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(n))
	}
}
