package metrics_test

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/widgetd/widgetd/adapters/metrics"
)

// ask returns the status of a request with a Host header to a server on an address.
func ask(t *testing.T, addr net.Addr, path, host string) int {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Host = host
	answer := httptest.NewRecorder()
	metrics.New().Server(addr, slog.New(slog.DiscardHandler)).Handler.ServeHTTP(answer, request)
	return answer.Code
}

func TestLoopbackServerRefusesForeignHosts(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"127.0.0.1", "127.8.8.8", "::1"} {
		addr := &net.TCPAddr{IP: net.ParseIP(ip), Port: 9090}
		for host, want := range map[string]int{
			"127.0.0.1:9090":                200,
			"127.0.0.1":                     200,
			"10.0.0.7:80":                   200,
			"[::1]:9090":                    200,
			"[::1]":                         200,
			"[fe80::1%lo]:9090":             200,
			"localhost":                     200,
			"localhost:9090":                200,
			"LocalHost.:1":                  200,
			"":                              200,
			"evil.example":                  421,
			"evil.example:9090":             421,
			"localhost.evil.example":        421,
			"evil.localhost":                421,
			"127.0.0.1.evil.example:9090":   421,
			"127.0.0.1.":                    421,
			"notlocalhost:9090":             421,
			"metrics":                       421,
			"2130706433":                    421,
			"[evil.example]:9090":           421,
			"evil.example:9090@127.0.0.1":   421,
			"localhost:9090:evil.example":   421,
			"127.0.0.1, evil.example":       421,
			"xn--mnchen-3ya.example:9090":   421,
			"localhost\u3002evil.example:1": 421,
		} {
			for _, path := range []string{"/metrics", "/debug/pprof/"} {
				if got := ask(t, addr, path, host); got != want {
					t.Errorf("on %s, %s with the host %q: %d, want %d", ip, path, host, got, want)
				}
			}
		}
	}
}

func TestServerOnANetworkTakesEveryHost(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"0.0.0.0", "::", "10.0.0.7"} {
		for _, host := range []string{"10.0.0.7:9090", "metrics.example:9090", "evil.example"} {
			if got := ask(t, &net.TCPAddr{IP: net.ParseIP(ip), Port: 9090}, "/metrics", host); got != 200 {
				t.Errorf("on %s with the host %q: %d", ip, host, got)
			}
		}
	}
}
