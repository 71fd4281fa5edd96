package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// countTimeout bounds how long a scrape waits for the store.
const countTimeout = time.Second

// Hashing is the load of a password hasher.
type Hashing struct {
	Working int    // hashes that are being computed
	Waiting int    // hashes that wait for a processor
	Refused uint64 // hashes refused since the start because the queue was full
}

// WatchHashing registers the metrics of the password hasher. Every scrape calls load.
// WatchHashing must be called at most once.
func (m *Metrics) WatchHashing(load func() Hashing) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "widgetd_hashing_working",
			Help: "Password hashes that are being computed.",
		}, func() float64 { return float64(load().Working) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "widgetd_hashing_waiting",
			Help: "Password hashes that wait for a processor.",
		}, func() float64 { return float64(load().Waiting) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "widgetd_hashing_refused_total",
			Help: "Password hashes refused because too many waited.",
		}, func() float64 { return float64(load().Refused) }),
	)
}

// WatchLog adds the number of lines that the log has dropped as a metric, which calls
// dropped at every scrape. It must be called at most once.
func (m *Metrics) WatchLog(dropped func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "widgetd_log_dropped_lines_total",
		Help: "Lines of the log that were dropped because they could not be written.",
	}, func() float64 { return float64(dropped()) }))
}

// WatchBlacklist adds the number of blacklisted tokens as a metric, which calls
// Count at every scrape. It must be called at most once.
func (m *Metrics) WatchBlacklist(blacklist interface {
	Count(ctx context.Context) (int, error)
}) {
	m.registry.MustRegister(blacklistSize{blacklist.Count, prometheus.NewDesc("widgetd_blacklist_tokens",
		"Logged-out tokens in the blacklist. Missing while the store does not answer.", nil, nil)})
}

// blacklistSize collects the gauge with the size of the blacklist. While the store does
// not answer, a scrape lacks this gauge and has all other metrics.
type blacklistSize struct {
	count func(context.Context) (int, error)
	desc  *prometheus.Desc
}

// Describe implements [prometheus.Collector].
func (s blacklistSize) Describe(descs chan<- *prometheus.Desc) { descs <- s.desc }

// Collect implements [prometheus.Collector].
func (s blacklistSize) Collect(collected chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	if n, err := s.count(ctx); err == nil {
		collected <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(n))
	}
}
