package tracing_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver receives spans by OTLP/HTTP, as an [http.Handler], and by OTLP/gRPC.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	mu       sync.Mutex
	received []*otlp.ResourceSpans
}

// ServeHTTP implements [http.Handler].
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var request collector.ExportTraceServiceRequest
	text, err := content(req)
	if err = errors.Join(err, proto.Unmarshal(text, &request)); err != nil || req.URL.Path != "/v1/traces" {
		http.Error(w, "the request has no traces", http.StatusBadRequest)
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
func (r *receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, request.ResourceSpans...)
	return &collector.ExportTraceServiceResponse{}, nil
}

// spans returns the received spans by name, and the string attributes of the
// resource that sent them.
func (r *receiver) spans() (spans map[string]*otlp.Span, resource map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	spans, resource = map[string]*otlp.Span{}, map[string]string{}
	for _, from := range r.received {
		for _, attribute := range from.Resource.Attributes {
			resource[attribute.Key] = attribute.Value.GetStringValue()
		}
		for _, scope := range from.ScopeSpans {
			for _, span := range scope.Spans {
				spans[span.Name] = span
			}
		}
	}
	return spans, resource
}
