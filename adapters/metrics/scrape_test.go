package metrics_test

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

// get returns the status and the body of the response to a GET request.
func get(t testing.TB, url string) (status int, body string) {
	t.Helper()
	res, err := http.Get(url)
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

// scrape returns the metric families that a metrics server serves, by name.
func scrape(t testing.TB, url string) map[string]*dto.MetricFamily {
	t.Helper()
	status, body := get(t, url+"/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET /metrics: status %d, parse error %v:\n%s", status, err, body)
	}
	return families
}

// scrapeSamples returns the samples that a metrics server serves. A key is written
// as in `name{a="b"}`, with the labels in alphabetical order. The value of a
// histogram is its count; its sum has the same key followed by " sum".
func scrapeSamples(t testing.TB, url string) map[string]float64 {
	t.Helper()
	samples := map[string]float64{}
	for name, family := range scrape(t, url) {
		for _, metric := range family.Metric {
			key := name + labels(metric)
			samples[key] = metric.Counter.GetValue() + metric.Gauge.GetValue() + float64(metric.Histogram.GetSampleCount())
			if metric.Histogram != nil {
				samples[key+" sum"] = metric.Histogram.GetSampleSum()
			}
		}
	}
	return samples
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
