package metrics

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// refuseForeignHosts refuses requests to a host that is neither an IP address nor
// localhost with 421 (RFC 9110 section 15.5.20). A page in the operator's browser
// can point the name of its own host to the loopback (DNS rebinding), and then read
// what a server there answers. It cannot change the header Host.
func refuseForeignHosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocalHost(r.Host) {
			http.Error(w, "The host of the request must be an IP address or localhost.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLocalHost reports whether a Host header, with or without a port, has no name of
// DNS. An HTTP/1.0 client may leave the header out; a browser does not.
func isLocalHost(header string) bool {
	if header == "" {
		return true
	}
	host := header
	if name, _, err := net.SplitHostPort(header); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
}

// isLoopback reports whether only programs on this machine reach a listener with
// the given address.
func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
