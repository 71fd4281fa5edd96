// Package metricstest reads metrics as Prometheus does, for tests.
package metricstest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Get returns what a URL is answered with.
func Get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	res, err := http.Get(url) //nolint:noctx,gosec // of the test's own server
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// Scrape returns the samples under the URL of a listener, as in `name{a="b"}`
// with the labels in alphabetical order: of a histogram the count, and with
// " sum" after it the sum. It returns the metrics themselves as well, by name.
func Scrape(t testing.TB, url string) (samples map[string]float64, metrics map[string]*dto.MetricFamily) {
	t.Helper()
	status, body := Get(t, url+"/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	metrics, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v: %s", status, err, body)
	}
	samples = map[string]float64{}
	for name, family := range metrics {
		for _, metric := range family.Metric {
			sample := name + labels(metric)
			samples[sample] = metric.Counter.GetValue() + metric.Gauge.GetValue() + float64(metric.Histogram.GetSampleCount())
			if metric.Histogram != nil {
				samples[sample+" sum"] = metric.Histogram.GetSampleSum()
			}
		}
	}
	return samples, metrics
}

func labels(metric *dto.Metric) string {
	if len(metric.Label) == 0 {
		return ""
	}
	pairs := make([]string, len(metric.Label))
	for i, label := range metric.Label {
		pairs[i] = fmt.Sprintf("%s=%q", label.GetName(), label.GetValue())
	}
	return "{" + strings.Join(pairs, ",") + "}"
}
