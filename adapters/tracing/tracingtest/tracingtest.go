// Package tracingtest receives traces, for tests.
package tracingtest

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Receiver receives spans by OTLP/HTTP, as an [http.Handler], and by OTLP/gRPC.
// Its zero value is ready for use.
type Receiver struct {
	collector.UnimplementedTraceServiceServer
	mu       sync.Mutex
	received []*otlp.ResourceSpans
}

// ServeHTTP implements [http.Handler].
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var request collector.ExportTraceServiceRequest
	text, err := content(req)
	if err = errors.Join(err, proto.Unmarshal(text, &request)); err != nil || req.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	_, _ = r.Export(req.Context(), &request)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func content(req *http.Request) ([]byte, error) {
	if req.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(req.Body)
	}
	body, err := gzip.NewReader(req.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

// Export implements [collector.TraceServiceServer].
func (r *Receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, request.ResourceSpans...)
	return &collector.ExportTraceServiceResponse{}, nil
}

// Received returns the spans that came in, in that order, each with the resource
// and the scope that it is of.
func (r *Receiver) Received() []*otlp.ResourceSpans {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.received)
}

// Spans returns the spans that came in, in that order.
func (r *Receiver) Spans() (spans []*otlp.Span) {
	for _, from := range r.Received() {
		for _, scope := range from.ScopeSpans {
			spans = append(spans, scope.Spans...)
		}
	}
	return spans
}
