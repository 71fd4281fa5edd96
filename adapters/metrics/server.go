package metrics

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Server returns an HTTP server for /metrics and /debug/pprof/. It does not
// authenticate clients. A profile reveals internals of the program and takes processor
// time. So only the operator must be able to reach the listener. If addr, the address
// of the listener, is on the loopback, the server refuses requests to the name of
// another host. The server logs connection errors as warnings.
func (m *Metrics) Server(addr net.Addr, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	// /debug/pprof/cmdline is left out: a flag may contain the password of the database.
	var handler http.Handler = mux
	if isLoopback(addr) {
		handler = refuseForeignHosts(mux)
	}
	return &http.Server{
		Handler:        handler,
		ReadTimeout:    10 * time.Second,
		WriteTimeout:   30 * time.Second, // pprof extends it by the duration of a profile
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 8 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
