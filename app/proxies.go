package app

import (
	"fmt"
	"net/netip"
)

// normalProxies returns the networks in the form in which the server compares them with client
// addresses. A network of IPv4 addresses that is written in IPv6 (::ffff:10.0.0.0/104) becomes
// the IPv4 network. The bits after the prefix become 0.
func normalProxies(proxies []netip.Prefix) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, proxy := range proxies {
		network, err := normalProxy(proxy)
		if err != nil {
			return nil, err
		}
		networks = append(networks, network)
	}
	return networks, nil
}

func normalProxy(proxy netip.Prefix) (netip.Prefix, error) {
	const mappedBits = 96 // before the IPv4 address in an IPv4-mapped IPv6 address
	addr, bits := proxy.Addr(), proxy.Bits()
	switch {
	case !proxy.IsValid():
		return proxy, fmt.Errorf("%s is not a network", proxy)
	case addr.IsUnspecified() && proxy.IsSingleIP():
		return proxy, fmt.Errorf("no client has the address %s: write %s/0 for all addresses", addr, addr)
	case addr.Is4In6() && bits < mappedBits:
		return proxy, fmt.Errorf("%s is a network of IPv4 and of other addresses: write the IPv4 network, as in 10.0.0.0/8", proxy)
	case addr.Is4In6():
		return normalProxy(netip.PrefixFrom(addr.Unmap(), bits-mappedBits))
	}
	return proxy.Masked(), nil
}
