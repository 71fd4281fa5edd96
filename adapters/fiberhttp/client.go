package fiberhttp

import (
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// clientAddr returns the address a request came from. Where that is a trusted
// proxy, X-Forwarded-For tells whom it forwarded for: read from its end, each
// trusted proxy vouches for the address before its own, and the first that is
// no trusted proxy is the client. What stands before that anybody can write.
func (s *Server) clientAddr(c *fiber.Ctx) netip.Addr {
	addr, _ := netip.AddrFromSlice(c.Context().RemoteIP())
	addr = addr.Unmap()
	if !s.isTrustedProxy(addr) {
		return addr
	}
	var hops []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	for i := len(hops) - 1; i >= 0 && s.isTrustedProxy(addr); i-- {
		hop, err := parseHop(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop
	}
	return addr
}

// parseHop reads an address as proxies write it, some of them with a port. A zone
// is dropped: it may be any text.
func parseHop(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		var withPort netip.AddrPort
		withPort, err = netip.ParseAddrPort(text)
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), err
}

// clientNetwork returns what is limited as one client: an IPv4 address, or the
// IPv6 network of 64 bits that one subscriber has.
func (s *Server) clientNetwork(c *fiber.Ctx) netip.Prefix {
	addr := s.clientAddr(c)
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits) // the zero Prefix for no address
	return network
}

func (s *Server) isTrustedProxy(addr netip.Addr) bool {
	for _, trusted := range s.config.TrustedProxies {
		if trusted.Contains(addr) {
			return true
		}
	}
	return false
}
