package fiberhttp

import (
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/connections"
)

// clientAddr returns the address of the client. Each proxy appends the address of its
// peer to X-Forwarded-For. If the connection comes from a trusted proxy, clientAddr
// reads the header from its end. The first address that is not a trusted proxy is the
// client. The addresses before it may be forged.
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

// parseHop parses an address of X-Forwarded-For. Some proxies add a port. parseHop
// removes the zone of an address, because a zone can be any text.
func parseHop(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		var withPort netip.AddrPort
		withPort, err = netip.ParseAddrPort(text)
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), err
}

// clientNetwork returns the network that the limits count as one client.
func (s *Server) clientNetwork(c *fiber.Ctx) netip.Prefix {
	return connections.NetworkOf(s.clientAddr(c))
}

func (s *Server) isTrustedProxy(addr netip.Addr) bool {
	for _, trusted := range s.config.TrustedProxies {
		if trusted.Contains(addr) {
			return true
		}
	}
	return false
}
